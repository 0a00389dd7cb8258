/* The tile primitives for avx512. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#include <string.h>

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX512
#define MT_ISA avx512
#define MT_VECTOR_BYTES 64
#define MT_HAVE_FMA 1
#include "martlet_tiles_wide.inc"
#include "martlet_tiles.inc"
MT_TARGET_END
#else
typedef int mt_no_avx512_here;
#endif
