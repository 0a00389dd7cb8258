/* The tile primitives for neon. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#include <string.h>

#if MT_ARM64
#define MT_ISA neon
#define MT_VECTOR_BYTES 16
#define MT_HAVE_FMA 1
#include "martlet_tiles.inc"
#else
typedef int mt_no_neon_here;
#endif
