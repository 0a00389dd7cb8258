/* Products of bytes for avx2. */
#include "martlet_integer.h"

#include <string.h>

#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX2
#define MT_INTEGER_NAME avx2
#define MT_VECTOR 256
#include "martlet_integer_kernels.inc"
MT_TARGET_END

const mt_integer_ops *mt_integer_ops_avx2(void) { return &mt_integer_kernels_avx2; }
#else
typedef int mt_no_integer_avx2;
#endif
