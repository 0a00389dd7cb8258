/* The kernel ABI. */
#pragma once
