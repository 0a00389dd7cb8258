/* Matrix products: every layout, every edge, against f64 and, bit for bit, against the promised order. */
#include "support.h"

#if defined(__clang__)
_Pragma("STDC FP_CONTRACT OFF")
#endif

#define E float
#define TYPE "f32"
#define NAME(x) x##_f32
#define TOLERANCE 2e-6
#define FMA fmaf
#include "gemm_cases.inc"
#undef E
#undef TYPE
#undef NAME
#undef TOLERANCE
#undef FMA
#define E double
#define TYPE "f64"
#define NAME(x) x##_f64
#define TOLERANCE 1e-14
#define FMA fma
#include "gemm_cases.inc"

static void integers(mt_context *cx) {
  typedef void (*gemm)(mt_context *, const long *, const int *, const int *, int *, mt_kernel,
                       void *const *);
  const int a[] = {1, -2, 3, 2000000000, 5, 6}, b[] = {7, 8, 9, 10, 11, 12};
  int c[4];
  const long s[] = {1, 2, 2, 3, 0, 3, 1, 0, 2, 1};
  FUNCTION(gemm, "mt_gemm_i32", MT_BASELINE)(cx, s, a, b, c, NULL, NULL);
  CHECK(c[0] == 22 && c[1] == 24, "%d %d", c[0], c[1]);
  CHECK(c[2] == (int)(2000000000u * 7u + 111u) && c[3] == (int)(2000000000u * 8u + 122u), "wraps");
}

int main(void) {
  const int threads[] = {1, 2, 3, 8};
  mt_context *contexts[4];
  for (int i = 0; i < 4; ++i) contexts[i] = mt_context_create(threads[i], 4096);
  all_f32(contexts, 4);
  all_f64(contexts, 4);
  integers(contexts[0]);
  for (int i = 0; i < 4; ++i) mt_context_destroy(contexts[i]);
  return finish("gemm");
}
