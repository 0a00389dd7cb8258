/* GEMM kernels for avx512. */
#include "martlet_gemm.h"

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX512
#define MT_ISA avx512
#define MT_VECTOR 512
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
typedef int mt_no_gemm_avx512;
#endif
