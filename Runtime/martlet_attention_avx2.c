/* Attention for avx2. */
#include "martlet_attention.h"

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_VECTOR 256
#define MT_HAVE_FMA 1
#include "include/martlet_math.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_attention_rows.inc"
#include "martlet_attention_kernels.inc"
#include "martlet_attention_gradient.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_attention_rows.inc"
#include "martlet_attention_kernels.inc"
#include "martlet_attention_gradient.inc"
MT_TARGET_END
#else
typedef int mt_no_attention_avx2;
#endif
