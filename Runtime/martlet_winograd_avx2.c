/* Winograd's transforms for avx2. */
#include "martlet_winograd.h"

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_VECTOR 256
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_winograd_kernels.inc"
MT_TARGET_END
#else
typedef int mt_no_winograd_avx2;
#endif
