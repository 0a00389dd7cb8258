/* The only door to libtcc. */
#pragma once
