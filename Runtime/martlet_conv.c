/* Convolutions: direct where the filter is small, else products with the im2col matrix, of which only
 * a block exists at a time. */
#include <string.h>

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

/* Along one axis, outputs out + j * out_step for j < count: each is the sum over t < taps of filter
 * position tap + t * tap_step times source position at + t * at_step + j * move. */
typedef struct {
  long count, out, out_step, taps, tap, tap_step, at, at_step, move;
} mt_axis;
enum { MT_PHASES = 8, MT_LINES = 64 /* of a strip, at most */ };

static mt_axis mt_axis_forward(long outputs, long stride, long pad, long dilation, long kernel) {
  const mt_axis a = {outputs, 0, 1, kernel, 0, 1, -pad, dilation, stride};
  return a;
}

/* The inputs phase, phase + stride, …, as sums over the outputs that read them. */
static mt_axis mt_axis_backward(long phase, long inputs, long stride, long pad, long dilation,
                                long kernel) {
  mt_axis a = {inputs > phase ? mt_ceil(inputs - phase, stride) : 0, phase, stride, 0, 0, 0, 0, 0, 1};
  long g = stride, h = dilation;
  while (h != 0) {
    const long r = g % h;
    g = h;
    h = r;
  }
  const long step = stride / g;
  for (long k = 0; k < step && k < kernel; ++k) {
    if ((phase + pad - k * dilation) % stride != 0) continue;
    a.taps = (kernel - 1 - k) / step + 1;
    a.tap = k + (a.taps - 1) * step;
    a.tap_step = -step;
    a.at = (phase + pad - a.tap * dilation) / stride;
    a.at_step = dilation / g;
    break;
  }
  return a;
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
