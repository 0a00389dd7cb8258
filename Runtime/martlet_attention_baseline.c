/* Attention for baseline. */
#include "martlet_attention.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#define MT_HAVE_FMA 0
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
