/* Windows for baseline. */
#include "martlet_window.h"

#define MT_ISA baseline
#define MT_VECTOR 128
#define MT_BITS 32
#include "martlet_vector.inc"
#include "martlet_window_kernels.inc"
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#include "martlet_window_kernels.inc"
