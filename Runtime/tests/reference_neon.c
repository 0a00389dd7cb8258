/* The scalar functions for neon. */
#include "reference.h"

#if MT_ARM64
#define MT_ISA neon
#define MT_HAVE_FMA 1
#include "reference.inc"
#else
typedef int mt_no_neon_here;
#endif
