/* Convolution kernels for NEON. */
#include "martlet_conv.h"

#if MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
#include "martlet_vector_sizes.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_conv_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_conv_kernels.inc"
#else
typedef int mt_no_conv_neon;
#endif
