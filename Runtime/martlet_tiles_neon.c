/* The tile primitives for neon. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#if MT_ARM64
#define MT_ISA neon
#define MT_HAVE_FMA 1
#include "martlet_tiles.inc"
#else
typedef int mt_no_neon_here;
#endif
