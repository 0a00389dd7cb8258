/* GEMM kernels for any CPU that the compiler knows: its own vectors of 128 bits. */
#include "martlet_gemm.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#include "martlet_vector_sizes.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
