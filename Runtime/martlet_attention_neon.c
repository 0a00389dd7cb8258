/* Attention for neon. */
#include "martlet_attention.h"

#if MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
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
#else
typedef int mt_no_attention_neon;
#endif
