/* Products of bytes for avx512, with VNNI's instruction for them where the CPU has it. */
#include "martlet_integer.h"

#include <string.h>

#if MT_X86
#include <immintrin.h>
#define MT_VECTOR 512
MT_TARGET_AVX512
#define MT_INTEGER_NAME avx512
#include "martlet_integer_kernels.inc"
#undef MT_INTEGER_NAME
MT_TARGET_END

MT_TARGET_AVX512_VNNI
#define MT_INTEGER_NAME vnni
#define MT_INTEGER_DOT 1
#include "martlet_integer_kernels.inc"
MT_TARGET_END

const mt_integer_ops *mt_integer_ops_avx512(void) {
  return mt_has_vnni() ? &mt_integer_kernels_vnni : &mt_integer_kernels_avx512;
}
#else
typedef int mt_no_integer_avx512;
#endif
