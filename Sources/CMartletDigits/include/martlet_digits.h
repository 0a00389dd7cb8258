/* The embedded digits. */
#pragma once
#include <stddef.h>
