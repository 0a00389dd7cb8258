/* GEMM kernels for any CPU that the compiler knows: its own vectors of 128 bits. */
#include "martlet_gemm.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#define MR 4
#define NV 2
#define WIDE 12
#define MT_KC 256
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
