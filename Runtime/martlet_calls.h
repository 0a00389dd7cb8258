/* The library calls that emitted schedules may make, once: MT_VARIANT_CALLS have a version for each
 * instruction set, MT_SINGLE_CALLS one for all. X(name, parameters, type): the declaration and the
 * registration (martlet_calls.c) come from here. Parameters are spelled without typedefs, because
 * their text is the prototype that emitted code sees; there a context is `void *`. */
#ifndef MARTLET_CALLS_H
#define MARTLET_CALLS_H

#include "martlet_compiler.h"
#include "martlet_runtime.h"

#define MT_EPILOGUE void (*epilogue)(void *const *p, long begin, long end, void *scratch)

#define MT_P_GEMM(CX, T) \
  (CX cx, const long *s, const T *a, const T *b, T *c, MT_EPILOGUE, void *const *p)
#define MT_P_GEMM_PACK(CX, T) (CX cx, const long *s, const T *b, T *packed)
#define MT_P_GEMM_PACKED(CX, T) \
  (CX cx, const long *s, const T *a, const T *packed, T *c, MT_EPILOGUE, void *const *p)
#define MT_P_GEMM_SIZE(CX, T) (const long *s, long *bytes)
#define MT_P_CONV(CX, T) \
  (CX cx, const long *g, const T *x, const T *w, T *y, MT_EPILOGUE, void *const *p)
#define MT_P_INTEGER(CX, T)                                                                     \
  (CX cx, const long *g, const unsigned char *x, const signed char *w, T *y, MT_EPILOGUE, void *const *p)
#define MT_P_INTEGER_PACK(CX, T) (CX cx, const long *s, const T *w, T *packed)
#define MT_P_MAX_WINDOW(CX, T) (CX cx, const long *w, const T *x, T *y, int *index)
#define MT_P_CHOSEN_WINDOW(CX, T) (CX cx, const long *w, const T *x, const int *index, T *y)
#define MT_P_SUM_WINDOW(CX, T) (CX cx, const long *w, const T *x, T *y)
#define MT_P_ATTENTION(CX, T)                                                            \
  (CX cx, const long *s, const T *q, const T *k, const T *v, const void *mask,           \
   const int *lengths, T *o, T *lse)
#define MT_P_ATTENTION_GRADIENT(CX, T)                                                   \
  (CX cx, const long *s, const T *q, const T *k, const T *v, const void *mask,           \
   const int *lengths, const T *out, const T *lse, const T *delta, T *dq, T *dk, T *dv)
#define MT_P_GATHER(CX, T) (CX cx, const long *s, const void *src, const T *index, void *dst)
#define MT_P_SCATTER_I32(CX, T) (CX cx, const long *s, const int *index, const T *updates, T *dst)
#define MT_P_SCATTER_I64(CX, T) (CX cx, const long *s, const long *index, const T *updates, T *dst)
#define MT_P_LINE(CX, T) (CX cx, const long *s, const T *src, T *dst)
#define MT_P_PLACES(CX, T) (CX cx, const long *s, const T *src, int *places)
#define MT_P_RECURRENCE(CX, T) (CX cx, const long *s, const T *factors, const T *terms, T *dst)
#define MT_P_COPY_ROWS(CX, T) (CX cx, const long *s, const T *src, T *dst)
#define MT_P_JOIN_ROWS(CX, T) \
  (CX cx, const long *s, const T *x0, const T *x1, const T *x2, const T *x3, T *dst)
#define MT_P_PARALLEL(CX, T)                                                             \
  (CX cx, void (*kernel)(void *const *p, long begin, long end, void *scratch), void *const *p, \
   long units, long grain)
#define MT_P_SEGMENTS(CX, T)                                                             \
  (CX cx, void (*kernel)(void *const *p, long begin, long end, void *scratch), long count, \
   void *const *const *p, const long *units, long grain)
#define MT_P_CONTEXT(CX, T) (CX cx)
#define MT_P_OBSERVE(CX, T) (CX cx, long step, int done)
#define MT_P_CHECK_RANGE(CX, T) (const char *kernel, long begin, long end, long units)

#define MT_VARIANT_CALLS_OF(X, T, S)                             \
  X(gemm_##S, MT_P_GEMM, T)                                      \
  X(gemm_packed_size_##S, MT_P_GEMM_SIZE, T)                     \
  X(gemm_pack_##S, MT_P_GEMM_PACK, T)                            \
  X(gemm_packed_##S, MT_P_GEMM_PACKED, T)                        \
  X(conv2d_##S, MT_P_CONV, T)                                    \
  X(conv2d_input_gradient_##S, MT_P_CONV, T)                     \
  X(conv2d_filter_gradient_##S, MT_P_CONV, T)                    \
  X(max_window_##S, MT_P_MAX_WINDOW, T)                          \
  X(window_scatter_##S, MT_P_CHOSEN_WINDOW, T)                   \
  X(window_gather_##S, MT_P_CHOSEN_WINDOW, T)                    \
  X(sum_window_##S, MT_P_SUM_WINDOW, T)                          \
  X(sum_window_transpose_##S, MT_P_SUM_WINDOW, T)                \
  X(attention_##S, MT_P_ATTENTION, T)                            \
  X(attention_gradient_##S, MT_P_ATTENTION_GRADIENT, T)
#define MT_VARIANT_CALLS(X)                                                               \
  MT_VARIANT_CALLS_OF(X, float, f32) MT_VARIANT_CALLS_OF(X, double, f64)                  \
  X(conv2d_winograd_f32, MT_P_CONV, float)                                                \
  X(integer_conv2d, MT_P_INTEGER, int)

/* Along one axis, whose lines are walked one element after the other. */
#define MT_LINE_CALLS_OF(X, T, S)                                \
  X(add_along_i32_##S, MT_P_SCATTER_I32, T)                      \
  X(add_along_i64_##S, MT_P_SCATTER_I64, T)                      \
  X(cumulative_sum_##S, MT_P_LINE, T)                            \
  X(cumulative_product_##S, MT_P_LINE, T)                        \
  X(cumulative_argmax_##S, MT_P_PLACES, T)                       \
  X(cumulative_argmin_##S, MT_P_PLACES, T)                       \
  X(arg_sort_##S, MT_P_PLACES, T)                                \
  X(arg_top_##S, MT_P_PLACES, T)
#define MT_LINE_CALLS(X)                                                  \
  MT_LINE_CALLS_OF(X, float, f32) MT_LINE_CALLS_OF(X, double, f64)        \
  MT_LINE_CALLS_OF(X, int, i32) MT_LINE_CALLS_OF(X, long, i64)            \
  MT_LINE_CALLS_OF(X, unsigned char, u8)                                  \
  X(linear_recurrence_f32, MT_P_RECURRENCE, float)                        \
  X(linear_recurrence_f64, MT_P_RECURRENCE, double)                       \
  X(take_along_i32, MT_P_GATHER, int)                                     \
  X(take_along_i64, MT_P_GATHER, long)

#define MT_SINGLE_CALLS(X)                                       \
  MT_LINE_CALLS(X)                                               \
  X(gemm_i32, MT_P_GEMM, int)                                    \
  X(gemm_i64, MT_P_GEMM, long)                                   \
  X(gemm_u8, MT_P_GEMM, unsigned char)                           \
  X(gather_i32_1, MT_P_GATHER, int)                              \
  X(gather_i32_2, MT_P_GATHER, int)                              \
  X(gather_i32_4, MT_P_GATHER, int)                              \
  X(gather_i32_8, MT_P_GATHER, int)                              \
  X(gather_i64_1, MT_P_GATHER, long)                             \
  X(gather_i64_2, MT_P_GATHER, long)                             \
  X(gather_i64_4, MT_P_GATHER, long)                             \
  X(gather_i64_8, MT_P_GATHER, long)                             \
  X(scatter_add_i32_f32, MT_P_SCATTER_I32, float)                \
  X(scatter_add_i32_f64, MT_P_SCATTER_I32, double)               \
  X(scatter_add_i32_i32, MT_P_SCATTER_I32, int)                  \
  X(scatter_add_i32_i64, MT_P_SCATTER_I32, long)                 \
  X(scatter_add_i32_u8, MT_P_SCATTER_I32, unsigned char)         \
  X(scatter_add_i64_f32, MT_P_SCATTER_I64, float)                \
  X(scatter_add_i64_f64, MT_P_SCATTER_I64, double)               \
  X(scatter_add_i64_i32, MT_P_SCATTER_I64, int)                  \
  X(scatter_add_i64_i64, MT_P_SCATTER_I64, long)                 \
  X(scatter_add_i64_u8, MT_P_SCATTER_I64, unsigned char)         \
  X(scatter_set_i32_1, MT_P_GATHER, int)                         \
  X(scatter_set_i32_2, MT_P_GATHER, int)                         \
  X(scatter_set_i32_4, MT_P_GATHER, int)                         \
  X(scatter_set_i32_8, MT_P_GATHER, int)                         \
  X(scatter_set_i64_1, MT_P_GATHER, long)                        \
  X(scatter_set_i64_2, MT_P_GATHER, long)                        \
  X(scatter_set_i64_4, MT_P_GATHER, long)                        \
  X(scatter_set_i64_8, MT_P_GATHER, long)                        \
  X(integer_pack, MT_P_INTEGER_PACK, signed char)                \
  X(integer_max_window_u8, MT_P_SUM_WINDOW, unsigned char)       \
  X(copy_rows, MT_P_COPY_ROWS, void)                             \
  X(join_rows, MT_P_JOIN_ROWS, void)                             \
  X(parallel, MT_P_PARALLEL, void)                               \
  X(parallel_segments, MT_P_SEGMENTS, void)                      \
  X(context_enter, MT_P_CONTEXT, void)                           \
  X(context_leave, MT_P_CONTEXT, void)                           \
  X(observe, MT_P_OBSERVE, void)                                 \
  X(check_range, MT_P_CHECK_RANGE, void)

#define MT_DECLARE_SINGLE(name, parameters, T) void mt_##name parameters(mt_context *, T);
MT_SINGLE_CALLS(MT_DECLARE_SINGLE)
#define MT_DECLARE_VARIANTS(name, parameters, T)        \
  void mt_##name##_baseline parameters(mt_context *, T); \
  void mt_##name##_avx2 parameters(mt_context *, T);     \
  void mt_##name##_avx512 parameters(mt_context *, T);   \
  void mt_##name##_neon parameters(mt_context *, T);
MT_VARIANT_CALLS(MT_DECLARE_VARIANTS)

#endif
