/* Matrix products: the driver for each element type, over the kernels of each instruction set. */
#include "martlet_gemm.h"
#include "martlet_conv.h"

#define E float
#define SUFFIX f32
#include "martlet_gemm_driver.inc"
#undef E
#undef SUFFIX
#define E double
#define SUFFIX f64
#include "martlet_gemm_driver.inc"
#undef E
#undef SUFFIX

/* Integers: rare, so plain loops; sums wrap around. */
#define MT_INTEGER_GEMM(T, U, SUFFIX)                                                             \
  void mt_gemm_##SUFFIX(mt_context *cx, const long *s, const T *a, const T *b, T *c,              \
                        mt_kernel epilogue, void *const *p) {                                     \
    for (long g = 0; g < s[0]; ++g) {                                                             \
      for (long i = 0; i < s[1]; ++i) {                                                           \
        T *y = c + (g * s[1] + i) * s[2];                                                         \
        for (long j = 0; j < s[2]; ++j) y[j] = 0;                                                 \
        for (long k = 0; k < s[3]; ++k) {                                                         \
          const U x = (U)a[g * s[4] + i * s[5] + k * s[6]];                                       \
          const T *row = b + g * s[7] + k * s[8];                                                 \
          for (long j = 0; j < s[2]; ++j) y[j] = (T)((U)y[j] + x * (U)row[j * s[9]]);             \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    if (epilogue && s[0] * s[1] > 0) epilogue(p, 0, s[0] * s[1], mt_part_scratch(cx, 0));         \
  }
MT_INTEGER_GEMM(int, unsigned, i32)
MT_INTEGER_GEMM(long, unsigned long, i64)
MT_INTEGER_GEMM(unsigned char, unsigned, u8)
