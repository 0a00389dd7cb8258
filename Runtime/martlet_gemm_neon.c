/* GEMM kernels for NEON. */
#include "martlet_gemm.h"

#if MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
#include "martlet_vector_sizes.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
#else
typedef int mt_no_gemm_neon;
#endif
