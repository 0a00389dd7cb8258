/* Winograd's transforms for any CPU that the compiler knows. */
#include "martlet_winograd.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_winograd_kernels.inc"
