/* Winograd's transforms for neon. */
#include "martlet_winograd.h"

#if MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_winograd_kernels.inc"
#else
typedef int mt_no_winograd_neon;
#endif
