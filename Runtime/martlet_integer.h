/* Products of bytes: u8 activations times i8 weights, summed exactly in i32 (sums wrap around).
 *
 * Weights are packed, the same way for every instruction set: of a filter [runs, run, columns] panels
 * of 16 columns, in each the runs, in each groups of four of its elements, [16 columns][4], zeros
 * where the filter ends. A run is what lies side by side in an image: a row of the window, all its
 * channels; or the channels of one element of it, where the window is dilated. So a product reads
 * its activations where they are, four bytes at a time, and needs no im2col. */
#ifndef MARTLET_INTEGER_H
#define MARTLET_INTEGER_H

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

enum { MT_PANEL = 16, MT_QUAD = 4, MT_PANEL_BYTES = MT_PANEL * MT_QUAD };

typedef struct {
  long rows, panels; /* the largest tile */
  /* c[rows, columns] = the products of rows of activations, which begin at a[0] … a[rows - 1], with
   * `panels` panels of weights. Run t lies runs[t] bytes behind a row's beginning and is `groups`
   * groups long: 4 * groups bytes are read. a has room for `ops.rows` pointers, the last repeated. */
  void (*tile)(int *c, long c_row, long rows, long columns, const unsigned char *const *a,
               const long *runs, long run_count, long groups, const signed char *w, long panel);
  /* y[rows, columns, c] = the largest sums of windows [ph, pw] of x[rows * ph, line / c, c], side by side. */
  void (*pool)(int *y, const int *x, long rows, long columns, long c, long ph, long pw, long line);
} mt_integer_ops;

/* The kernels of an instruction set, the best ones that this CPU has of it. */
const mt_integer_ops *mt_integer_ops_baseline(void);
const mt_integer_ops *mt_integer_ops_avx2(void);
const mt_integer_ops *mt_integer_ops_avx512(void);
const mt_integer_ops *mt_integer_ops_neon(void);

/* g = {n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, pt, pl, dh, dw, zero, share, ph, pw}: an NHWC image, a packed
 * filter of [kh, kw * ic, oc] (or [kh * kw, ic, oc] if dw > 1); outside of the image there is `zero`. Where
 * there are few channels, `share` outputs of a row lie side by side among the columns of one product: the filter
 * is then [kh, (kw + (share - 1) * sw) * ic, share * oc], each output's weights sw * ic further down, and zeros
 * around them; share divides ow. What is written is the largest sum of each window [ph, pw], side by side:
 * [n, oh / ph, ow / pw, oc], and [1, 1] for all sums. */
void mt_integer_run(const mt_integer_ops *o, mt_context *cx, const long *g, const unsigned char *x,
                    const signed char *w, int *y, mt_kernel epilogue, void *const *p);

#endif
