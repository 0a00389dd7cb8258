/* Convolution: its kernels (martlet_conv_kernels.inc) and drivers (martlet_conv.c). */
#ifndef MARTLET_CONV_H
#define MARTLET_CONV_H

#include "martlet_calls.h"
#include "martlet_gemm.h"

/* What the drivers need of one instruction set and element type. The direct kernels read images where
 * they lie: no im2col. Each sum is one chain of v_fma from +0, k ascending, unless said otherwise. */
#define MT_CONV_OPS(E, SUFFIX)                                                                     \
  typedef struct {                                                                                 \
    const mt_gemm_ops_##SUFFIX *gemm;                                                              \
    long nr; /* columns of a filter panel */                                                       \
    /* y[l * y_next + i * y_step + c], l < lines <= 2, i < pixels, c < n <= nr, = the sum over      \
     * r < runs, e < run of from[l * next + r][at + i * step + e] * w[(r * run + e) * nr + c]. */  \
    void (*line)(E *y, long y_step, long y_next, long lines, long pixels, long n,                  \
                 const E *const *from, long next, long at, long runs, long run, long step,         \
                 const E *w);                                                                      \
    /* tile[i][l] = (or +=) the sum over lines and pixels p of                                     \
     * by[line][by_at + p * by_step + i] * from[line][at + p * step + l], l < vectors * vl. */     \
    void (*outer)(E *tile, int accumulate, long rows, long vectors, const E *const *from, long at, \
                  long step, const E *const *by, long by_at, long by_step, long lines,             \
                  long pixels);                                                                    \
    long outer_rows[3]; /* most rows of a tile of 1, 2, 3 vectors */                               \
    /* Vectors along rows of pixels, for few channels. Rows are planes, one for each channel and   \
     * `plane` elements apart, readable for a vector past their end.                               \
     * y[l * y_next + i * n + c], l < lines, i < pixels, c < n <= planar_most, = the sum over      \
     * r < runs, p < planes, t < taps of from[l * next + r][at + p * plane + t * tap_step + i]     \
     * * w[((r * planes + p) * taps + t) * n + c]. */                                              \
    long planar_most;                                                                              \
    void (*planar)(E *y, long y_next, long lines, long pixels, long n, const E *const *from,       \
                   long next, long at, long runs, long plane, long planes, long taps,              \
                   long tap_step, const E *w);                                                     \
    /* lanes[(t * n + c) * vl …] += the same products of from[l][at + t * tap_step + i] and        \
     * by[l][c * plane + i], i < pixels rounded up to whole vectors, each lane by itself; taps     \
     * and n at most planar_taps and planar_outputs. */                                            \
    long planar_taps, planar_outputs;                                                              \
    void (*planar_outer)(E *lanes, long taps, long n, const E *const *from, long at,               \
                         long tap_step, const E *const *by, long plane, long lines, long pixels);  \
    /* y[i * n + c], i < pixels, c < n <= vl / 2, = the sum over t < taps of                       \
     * rows[(i + left - t) * step + t * n + c], as far as these are of the `count` rows; a step is   \
     * one vector or two. NULL: nothing better than plain loops. */                                \
    void (*overlap)(E *y, long pixels, long n, const E *rows, long step, long count, long left,    \
                    long taps);                                                                    \
    /* planes[c * plane + i] = x[i * channels + c] */                                              \
    void (*planes)(E *planes, long plane, const E *x, long pixels, long channels);                 \
    /* One channel a group. y[i * y_step + c], i < pixels, c < channels, = the sum over r < rows,  \
     * q < columns of x[i * x_step + r * x_row + q * x_column + c] * w[r * w_row + q * w_column + c]. */ \
    void (*channels)(E *y, long y_step, long pixels, const E *x, long x_step, long x_row,          \
                     long x_column, const E *w, long w_row, long w_column, long rows,              \
                     long columns, long channels);                                                 \
    /* sums[t * sums_step + c] += the products x[t][i * x_step + c] * dy[i * dy_step + c]. */       \
    void (*channels_outer)(E *sums, long sums_step, long taps, const E *const *x, long x_step,     \
                           const E *dy, long dy_step, long pixels, long channels);                 \
  } mt_conv_ops_##SUFFIX;

MT_CONV_OPS(float, f32)
MT_CONV_OPS(double, f64)

#define MT_CONV_DECLARE(isa)                          \
  extern const mt_conv_ops_f32 mt_conv_ops_f32_##isa; \
  extern const mt_conv_ops_f64 mt_conv_ops_f64_##isa;
MT_CONV_DECLARE(baseline)
MT_CONV_DECLARE(avx2)
MT_CONV_DECLARE(avx512)
MT_CONV_DECLARE(neon)

#define MT_DRIVERS(T, S)                                                                          \
  void mt_gemm_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *s, const T *a,       \
                       const T *b, T *c, mt_kernel epilogue, void *const *p);                     \
  void mt_gemm_packed_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *s,            \
                              const T *a, const T *packed, T *c, mt_kernel epilogue,              \
                              void *const *p);                                                    \
  void mt_gemm_packed_size_run_##S(const mt_gemm_ops_##S *o, const long *s, long *bytes);         \
  void mt_gemm_pack_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *s, const T *b,  \
                            T *packed);                                                           \
  void mt_conv_run_##S(const mt_conv_ops_##S *d, mt_context *cx, const long *g, const T *x,       \
                       const T *w, T *y, mt_kernel epilogue, void *const *p);                     \
  void mt_conv_input_gradient_run_##S(const mt_conv_ops_##S *d, mt_context *cx, const long *g,    \
                                      const T *dy, const T *w, T *dx, mt_kernel epilogue,         \
                                      void *const *p);                                            \
  void mt_conv_filter_gradient_run_##S(const mt_conv_ops_##S *d, mt_context *cx, const long *g,   \
                                       const T *x, const T *dy, T *dw, mt_kernel epilogue,        \
                                       void *const *p);
MT_DRIVERS(float, f32)
MT_DRIVERS(double, f64)

#endif
