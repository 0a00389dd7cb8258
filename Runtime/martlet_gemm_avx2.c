/* GEMM kernels for avx2. */
#include "martlet_gemm.h"

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_VECTOR 256
#include "martlet_vector_sizes.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_gemm_kernels.inc"
MT_TARGET_END
#else
typedef int mt_no_gemm_avx2;
#endif
