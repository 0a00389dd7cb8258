/* Windows for neon. */
#include "martlet_window.h"

#if MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_window_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_window_kernels.inc"
#else
typedef int mt_no_window_neon;
#endif
