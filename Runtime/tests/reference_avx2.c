/* The scalar functions for avx2. */
#include "reference.h"

#if MT_X86
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_HAVE_FMA 1
#include "reference.inc"
MT_TARGET_END
#else
typedef int mt_no_avx2_here;
#endif
