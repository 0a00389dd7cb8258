/* Convolution kernels for any CPU that the compiler knows: its own vectors of 128 bits. */
#include "martlet_conv.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#define MR 4
#define NV 2
#define TALL 8
#define ROWS1 8
#define ROWS2 4
#define ROWS3 4
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_conv_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_conv_kernels.inc"
