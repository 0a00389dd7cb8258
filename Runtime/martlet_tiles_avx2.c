/* The tile primitives for avx2. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#include <string.h>

#if MT_X86
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_VECTOR_BYTES 32
#define MT_HAVE_FMA 1
#include "martlet_tiles.inc"
MT_TARGET_END
#else
typedef int mt_no_avx2_here;
#endif
