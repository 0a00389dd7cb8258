/* Which elements a window sees, along one axis. */
#ifndef MARTLET_WINDOW_H
#define MARTLET_WINDOW_H

#include <math.h>

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

/* `count` pairs of a window position k (first, then every k_step-th) and a source index `at`. */
typedef struct {
  long count, k, k_step, at, at_step;
} mt_span;

/* What output q reads: at = q * stride - pad + k * dilation, inside [0, size). */
static inline mt_span mt_span_forward(long q, long stride, long pad, long dilation, long kernel,
                                      long size) {
  const long from = q * stride - pad;
  long first = 0, stop = kernel;
  if (dilation == 1) {
    if (from < 0) first = -from;
    stop = mt_min(stop, size - from);
  } else {
    if (from < 0) first = mt_ceil(-from, dilation);
    stop = from < size ? mt_min(stop, (size - 1 - from) / dilation + 1) : 0;
  }
  const mt_span span = {stop > first ? stop - first : 0, first, 1, from + first * dilation, dilation};
  return span;
}

/* Which outputs read input i, the other way round: at * stride - pad + k * dilation = i. */
static inline mt_span mt_span_backward(long i, long stride, long pad, long dilation, long kernel,
                                       long outputs) {
  if (dilation == 1 && i + pad >= 0 && i + pad < 1l << 31) { /* no search for the first position */
    const unsigned t = (unsigned)(i + pad), q = t / (unsigned)stride;
    long at = (long)q, k = (long)t - at * stride;
    if (at >= outputs) {
      k += (at - outputs + 1) * stride;
      at = outputs - 1;
    }
    mt_span near = {0, k, stride, at, -1};
    if (k < kernel && at >= 0) {
      near.count = mt_min((long)((unsigned)(kernel - 1 - k) / (unsigned)stride), at) + 1;
    }
    return near;
  }
  long g = stride, h = dilation;
  while (h != 0) {
    const long r = g % h;
    g = h;
    h = r;
  }
  const long step = stride / g, back = dilation / g;
  mt_span span = {0, 0, step, 0, -back};
  for (long k = 0; k < step && k < kernel; ++k) {
    const long t = i + pad - k * dilation;
    if (t % stride != 0) continue;
    long at = t / stride;
    if (at >= outputs) { /* skip what lies behind the last output */
      const long skip = mt_ceil(at - outputs + 1, back);
      k += skip * step;
      at -= skip * back;
    }
    if (k >= kernel || at < 0) return span;
    span.k = k;
    span.at = at;
    span.count = mt_min((kernel - 1 - k) / step, at / back) + 1;
    return span;
  }
  return span;
}

/* w = {n, ih, iw, c, oh, ow, kh, kw, sh, sw, pt, pl, dh, dw} */
typedef struct {
  long n, ih, iw, c, oh, ow, kh, kw, sh, sw, pt, pl, dh, dw;
} mt_window;

#endif
