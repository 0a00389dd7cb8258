/* The scalar functions for avx512. */
#include "reference.h"

#if MT_X86
MT_TARGET_AVX512
#define MT_ISA avx512
#define MT_HAVE_FMA 1
#include "reference.inc"
MT_TARGET_END
#else
typedef int mt_no_avx512_here;
#endif
