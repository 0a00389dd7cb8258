/* Convolutions and their gradients: stride, dilation, any padding, groups, depthwise, against f64. */
#include "support.h"

enum { N, IH, IW, IC, OH, OW, OC, KH, KW, SH, SW, PT, PL, DH, DW, GROUPS };

#define E float
#define SUFFIX_TEXT "f32"
#define NAME(x) x##_f32
#define TOLERANCE 1e-4
#include "conv_cases.inc"
#undef E
#undef SUFFIX_TEXT
#undef NAME
#undef TOLERANCE
#define E double
#define SUFFIX_TEXT "f64"
#define NAME(x) x##_f64
#define TOLERANCE 1e-11
#include "conv_cases.inc"

int main(void) {
  const int threads[] = {1, 2, 3, 8};
  mt_context *contexts[4];
  for (int i = 0; i < 4; ++i) contexts[i] = mt_context_create(threads[i], 64);
  all_f32(contexts, 4);
  all_f64(contexts, 4);
  for (int i = 0; i < 4; ++i) mt_context_destroy(contexts[i]);
  return finish("conv");
}
