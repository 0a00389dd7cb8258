/* Convolution drivers: martlet_conv.c. */
#ifndef MARTLET_CONV_H
#define MARTLET_CONV_H

#include "martlet_calls.h"
#include "martlet_gemm.h"

#define MT_DRIVERS(T, S)                                                                          \
  void mt_gemm_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *s, const T *a,       \
                       const T *b, T *c, mt_kernel epilogue, void *const *p);                     \
  void mt_conv_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *g, const T *x,       \
                       const T *w, T *y, mt_kernel epilogue, void *const *p);                     \
  void mt_conv_input_gradient_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *g,    \
                                      const T *dy, const T *w, T *dx, mt_kernel epilogue,         \
                                      void *const *p);                                            \
  void mt_conv_filter_gradient_run_##S(const mt_gemm_ops_##S *o, mt_context *cx, const long *g,   \
                                       const T *x, const T *dy, T *dw, mt_kernel epilogue,        \
                                       void *const *p);
MT_DRIVERS(float, f32)
MT_DRIVERS(double, f64)

#endif
