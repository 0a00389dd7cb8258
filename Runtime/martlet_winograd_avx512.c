/* Winograd's transforms for avx512. */
#include "martlet_winograd.h"

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX512
#define MT_ISA avx512
#define MT_VECTOR 512
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_winograd_kernels.inc"
MT_TARGET_END
#else
typedef int mt_no_winograd_avx512;
#endif
