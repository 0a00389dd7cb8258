/* Convolutions as products with the im2col matrix, of which only a block exists at a time. */
#include "martlet_conv.h"
#include "martlet_window.h"

/* g = {n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, pt, pl, dh, dw, groups} */
typedef struct {
  long n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, pt, pl, dh, dw, groups;
} mt_conv;

static mt_conv mt_conv_of(const long *g) {
  const mt_conv v = {g[0], g[1], g[2],  g[3],  g[4],  g[5],  g[6],  g[7],
                     g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]};
  return v;
}

#define E float
#define SUFFIX f32
#include "martlet_conv_driver.inc"
#include "martlet_conv_gradient.inc"
#undef E
#undef SUFFIX
#define E double
#define SUFFIX f64
#include "martlet_conv_driver.inc"
#include "martlet_conv_gradient.inc"
#undef E
#undef SUFFIX
