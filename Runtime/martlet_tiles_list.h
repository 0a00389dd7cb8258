/* Every tile primitive, once: MT_TILES(X) yields X(kind, name, op, t). The definition (martlet_tiles_*.inc), the
 * declaration and the registration (martlet_symbols.c) of mt_NAME all come from here; t is a suffix or an element size. */
#ifndef MARTLET_TILES_LIST_H
#define MARTLET_TILES_LIST_H

#include "martlet_runtime.h"

/* Element types by suffix, spelled so that a prototype needs no header. */
#define MT_T_f32 float
#define MT_T_f64 double
#define MT_T_i32 int
#define MT_T_i64 long
#define MT_T_u8 unsigned char
#define MT_T_bool unsigned char
/* Stored and converted only: arithmetic is done in a wider type. */
#define MT_T_bf16 unsigned short
#define MT_T_f16 unsigned short
#define MT_T_i8 signed char
#define MT_T_i16 short
#define MT_T_u16 unsigned short
#define MT_T_u32 unsigned
#define MT_T_u64 unsigned long
#define MT_T(suffix) MT_T_##suffix

/* Parameter lists by kind. */
#define MT_PARAMETERS_UNARY(op, t) (MT_T(t) *y, const MT_T(t) *x, long n)
#define MT_PARAMETERS_TRIG(op, t) MT_PARAMETERS_UNARY(op, t)
#define MT_PARAMETERS_EXPONENTIAL(op, t) MT_PARAMETERS_UNARY(op, t)
#define MT_PARAMETERS_COPY(op, t) (MT_T(t) *y, const MT_T(t) *x, long n)
#define MT_PARAMETERS_FILL(op, t) (MT_T(t) *y, MT_T(t) s, long n)
#define MT_PARAMETERS_BINARY(op, t) (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, long n)
#define MT_PARAMETERS_BINARY_S(op, t) (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, long n)
#define MT_PARAMETERS_S_BINARY(op, t) (MT_T(t) *y, MT_T(t) s, const MT_T(t) *b, long n)
/* The same, one element after the other: divisions of 64 bits, remainders and powers have no vector form. */
#define MT_PARAMETERS_SLOW_BINARY(op, t) MT_PARAMETERS_BINARY(op, t)
#define MT_PARAMETERS_SLOW_BINARY_S(op, t) MT_PARAMETERS_BINARY_S(op, t)
#define MT_PARAMETERS_SLOW_S_BINARY(op, t) MT_PARAMETERS_S_BINARY(op, t)
#define MT_PARAMETERS_COMPARE(op, t) (unsigned char *y, const MT_T(t) *a, const MT_T(t) *b, long n)
#define MT_PARAMETERS_COMPARE_S(op, t) (unsigned char *y, const MT_T(t) *a, MT_T(t) s, long n)
#define MT_PARAMETERS_SELECT(op, t) \
  (MT_T(t) *y, const unsigned char *c, const MT_T(t) *a, const MT_T(t) *b, long n)
#define MT_PARAMETERS_SELECT_S(op, t) \
  (MT_T(t) *y, const unsigned char *c, const MT_T(t) *a, MT_T(t) s, long n)
#define MT_PARAMETERS_S_SELECT(op, t) \
  (MT_T(t) *y, const unsigned char *c, MT_T(t) s, const MT_T(t) *b, long n)
#define MT_PARAMETERS_S_SELECT_S(op, t) \
  (MT_T(t) *y, const unsigned char *c, MT_T(t) s, MT_T(t) u, long n)
#define MT_PARAMETERS_CONVERT(from, to) (MT_T(to) *y, const MT_T(from) *x, long n)
#define MT_PARAMETERS_ROW(op, t) (MT_T(t) *y, const MT_T(t) *x, long rows, long cols)
#define MT_PARAMETERS_ROW_ARGUMENT(op, t) (int *y, const MT_T(t) *x, long rows, long cols)
#define MT_PARAMETERS_COMBINE(op, t) (MT_T(t) *y, const MT_T(t) *partials, long rows, long count)
#define MT_PARAMETERS_COLUMN(op, t) (MT_T(t) *acc, const MT_T(t) *x, long rows, long cols)
#define MT_PARAMETERS_EXPAND(op, t) (MT_T(t) *y, const MT_T(t) *r, long rows, long cols)
#define MT_PARAMETERS_REPEAT(op, t) (MT_T(t) *y, const MT_T(t) *c, long rows, long cols)
#define MT_PARAMETERS_BINARY_R(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *r, long rows, long cols)
#define MT_PARAMETERS_BINARY_C(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *c, long rows, long cols)
#define MT_PARAMETERS_VIEW(op, size) \
  (void *y, const void *x, long start, long n, long rank, const long *dims, const long *strides)
#define MT_PARAMETERS_PAD(op, size)                                                          \
  (void *y, const void *x, long start, long n, long rank, const long *dims,                  \
   const long *src_dims, const long *strides, const long *low, const long *interior, const void *fill)
#define MT_PARAMETERS_IOTA(op, t) (MT_T(t) *y, long start, long n, long inner, long size)
#define MT_PARAMETERS_RANDOM(op, t) (MT_T(t) *y, long seed, long step, long stream, long start, long n)
#define MT_PARAMETERS_MUL_ADD(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, const MT_T(t) *c, long n)
#define MT_PARAMETERS_MULS_ADD(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, long n)
#define MT_PARAMETERS_AXPBY(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, MT_T(t) u, long n)
#define MT_PARAMETERS_MAXS_MULS(op, t) (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, MT_T(t) u, long n)
#define MT_PARAMETERS_MUL_MUL(op, t) MT_PARAMETERS_MUL_ADD(op, t)
#define MT_PARAMETERS_LOGISTIC_MUL(op, t) MT_PARAMETERS_BINARY(op, t)
#define MT_PARAMETERS_EXP_SUBS(op, t) MT_PARAMETERS_BINARY_S(op, t)
#define MT_PARAMETERS_SUB_MUL(op, t) MT_PARAMETERS_MUL_ADD(op, t)
#define MT_PARAMETERS_GTS_SELECT(op, t) \
  (MT_T(t) *y, const MT_T(t) *c, MT_T(t) s, const MT_T(t) *a, MT_T(t) u, long n)
#define MT_PARAMETERS_LTS_MULS_SELECT(op, t) \
  (MT_T(t) *y, const MT_T(t) *c, MT_T(t) s, const MT_T(t) *a, MT_T(t) v, MT_T(t) u, long n)
#define MT_PARAMETERS_MAXS_MULS_ADD(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, MT_T(t) u, const MT_T(t) *b, long n)
#define MT_PARAMETERS_MAXS_MUL_ADD(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, const MT_T(t) *c, long n)
#define MT_PARAMETERS_AXPBY_MUL(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, const MT_T(t) *c, MT_T(t) u, long n)
#define MT_PARAMETERS_SUBS_MULS(op, t) (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, MT_T(t) u, long n)
#define MT_PARAMETERS_ADAM_STEP(op, t)                                                       \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, MT_T(t) s, const MT_T(t) *c, MT_T(t) u,   \
   MT_T(t) v, long n)
#define MT_PARAMETERS_MULS_ERF_MUL(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, MT_T(t) u, MT_T(t) v, long n)
/* Integer inference: from sums to floats, from floats to bytes. */
#define MT_PARAMETERS_DEQUANTIZE(op, t) \
  (MT_T(t) *y, const int *a, const MT_T(t) *b, const MT_T(t) *c, long n)
#define MT_PARAMETERS_MAXS_MULS_ROUND(op, t) (MT_T(t) *y, const float *a, float s, float u, long n)
#define MT_PARAMETERS_MULS_ROUND_ADDS(op, t) (MT_T(t) *y, const float *a, float s, float u, long n)
#define MT_PARAMETERS_MULS_ROUND(op, t) (MT_T(t) *y, const float *a, float s, long n)
#define MT_PARAMETERS_ROW_DOT(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, long rows, long cols)
#define MT_PARAMETERS_ROW_DIFFERENCES(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *r, long rows, long cols)
#define MT_PARAMETERS_ROW_NORMALISE(op, t)                                                   \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *r, const MT_T(t) *q, const MT_T(t) *b,       \
   const MT_T(t) *c, long rows, long cols)
#define MT_PARAMETERS_COLUMN_DOT(op, t) \
  (MT_T(t) *acc, const MT_T(t) *a, const MT_T(t) *b, long rows, long cols)

/* The same with a result that goes past the caches: for outputs larger than they are. */
#define MT_PARAMETERS_STREAM_COPY(op, t) MT_PARAMETERS_COPY(op, t)
#define MT_PARAMETERS_STREAM_BINARY(op, t) MT_PARAMETERS_BINARY(op, t)
#define MT_PARAMETERS_STREAM_BINARY_S(op, t) MT_PARAMETERS_BINARY_S(op, t)
#define MT_PARAMETERS_STREAM_MUL_ADD(op, t) MT_PARAMETERS_MUL_ADD(op, t)
#define MT_PARAMETERS_STREAM_MULS_ADD(op, t) MT_PARAMETERS_MULS_ADD(op, t)
#define MT_PARAMETERS_STREAM_AXPBY(op, t) MT_PARAMETERS_AXPBY(op, t)
#define MT_PARAMETERS_STREAM_AXPBY_MUL(op, t) MT_PARAMETERS_AXPBY_MUL(op, t)
#define MT_PARAMETERS_STREAM_MAXS_MULS_ADD(op, t) MT_PARAMETERS_MAXS_MULS_ADD(op, t)
#define MT_PARAMETERS_STREAM_MAXS_MUL_ADD(op, t) MT_PARAMETERS_MAXS_MUL_ADD(op, t)
#define MT_PARAMETERS_STREAM_GTS_SELECT(op, t) MT_PARAMETERS_GTS_SELECT(op, t)
#define MT_PARAMETERS_STREAM_ADAM_STEP(op, t) MT_PARAMETERS_ADAM_STEP(op, t)
#define MT_PARAMETERS_STREAM_MULS_ERF_MUL(op, t) MT_PARAMETERS_MULS_ERF_MUL(op, t)
#define MT_PARAMETERS_STREAM_ROW_NORMALISE(op, t) MT_PARAMETERS_ROW_NORMALISE(op, t)

/* The same for arithmetic that takes longer than memory, while the next tile's elements of `streams` arrays are on
 * their way: ahead[k] is where the next tile begins in array k. */
#define MT_AHEAD , const void *const *ahead, long streams
#define MT_PARAMETERS_AHEAD_UNARY(op, t) (MT_T(t) *y, const MT_T(t) *x, long n MT_AHEAD)
#define MT_PARAMETERS_AHEAD_BINARY(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, long n MT_AHEAD)
#define MT_PARAMETERS_AHEAD_BINARY_S(op, t) \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, long n MT_AHEAD)
#define MT_PARAMETERS_AHEAD_ADAM_STEP(op, t)                                                 \
  (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, MT_T(t) s, const MT_T(t) *c, MT_T(t) u,   \
   MT_T(t) v, long n MT_AHEAD)
#define MT_PARAMETERS_AHEAD_MULS_ERF_MUL(op, t)                                              \
  (MT_T(t) *y, const MT_T(t) *a, MT_T(t) s, const MT_T(t) *b, MT_T(t) u, MT_T(t) v, long n MT_AHEAD)
#define MT_PARAMETERS_AHEAD_RANDOM(op, t) \
  (MT_T(t) *y, long seed, long step, long stream, long start, long n MT_AHEAD)
/* Streamed stores are ordered before what follows. */
#define MT_PARAMETERS_FENCE(op, t) (void)

/* Families. */
/* exp and what is made of it: AVX-512 scales by a power of two in one instruction. */
#define MT_EXPONENTIALS(X, op) X(EXPONENTIAL, op##_f32, op, f32) X(UNARY, op##_f64, op, f64)
#define MT_FLOATS(X, kind, op) X(kind, op##_f32, op, f32) X(kind, op##_f64, op, f64)
#define MT_INTEGERS(X, kind, op) \
  X(kind, op##_i32, op, i32) X(kind, op##_i64, op, i64) X(kind, op##_u8, op, u8)
#define MT_NUMBERS(X, kind, op) MT_FLOATS(X, kind, op) MT_INTEGERS(X, kind, op)
#define MT_ALL(X, kind, op) MT_NUMBERS(X, kind, op) X(kind, op##_bool, op, bool)

#define MT_COMMUTATIVE(X, op, t) \
  X(BINARY, op##_##t, op, t) X(BINARY_S, op##s_##t, op, t)
#define MT_BOTH_WAYS(X, op, t) MT_COMMUTATIVE(X, op, t) X(S_BINARY, s##op##_##t, op, t)
#define MT_SLOWLY(X, op, t)           \
  X(SLOW_BINARY, op##_##t, op, t)     \
  X(SLOW_BINARY_S, op##s_##t, op, t)  \
  X(SLOW_S_BINARY, s##op##_##t, op, t)
#define MT_LOGIC(X, t) \
  MT_COMMUTATIVE(X, and, t) MT_COMMUTATIVE(X, or, t) MT_COMMUTATIVE(X, xor, t)
#define MT_ARITHMETIC(X, t)                                                   \
  MT_COMMUTATIVE(X, add, t) MT_BOTH_WAYS(X, sub, t) MT_COMMUTATIVE(X, mul, t) \
  MT_COMMUTATIVE(X, max, t) MT_COMMUTATIVE(X, min, t)
#define MT_COMPARE(X, op)                              \
  MT_ALL(X, COMPARE, op)                               \
  X(COMPARE_S, op##s_f32, op, f32) X(COMPARE_S, op##s_f64, op, f64) X(COMPARE_S, op##s_i32, op, i32) \
  X(COMPARE_S, op##s_i64, op, i64) X(COMPARE_S, op##s_u8, op, u8) X(COMPARE_S, op##s_bool, op, bool)
#define MT_CONVERT_FROM(X, from)                                                              \
  X(CONVERT, convert_##from##_f32, from, f32) X(CONVERT, convert_##from##_f64, from, f64)     \
  X(CONVERT, convert_##from##_i32, from, i32) X(CONVERT, convert_##from##_i64, from, i64)     \
  X(CONVERT, convert_##from##_u8, from, u8) X(CONVERT, convert_##from##_bool, from, bool)
#define MT_SIZES(X, kind, op) \
  X(kind, op##_1, op, 1) X(kind, op##_2, op, 2) X(kind, op##_4, op, 4) X(kind, op##_8, op, 8)
#define MT_ROW_REDUCTION(X, op) \
  MT_NUMBERS(X, ROW, row_##op) MT_NUMBERS(X, COMBINE, combine_##op) MT_NUMBERS(X, COLUMN, col_##op)
#define MT_ROW_OPERAND(X, op)                                            \
  X(BINARY_R, op##r_f32, op, f32) X(BINARY_R, op##r_f64, op, f64)        \
  X(BINARY_C, op##c_f32, op, f32) X(BINARY_C, op##c_f64, op, f64)

#define MT_UNARY_TILES(X)                                                                     \
  MT_FLOATS(X, UNARY, neg) MT_FLOATS(X, UNARY, abs) MT_FLOATS(X, UNARY, sign)                 \
  MT_INTEGERS(X, UNARY, neg) MT_INTEGERS(X, UNARY, abs) MT_INTEGERS(X, UNARY, sign)           \
  X(UNARY, not_bool, not, bool)                                                               \
  MT_EXPONENTIALS(X, exp) MT_FLOATS(X, UNARY, exp2) MT_FLOATS(X, UNARY, expm1)                \
  MT_FLOATS(X, UNARY, log) MT_FLOATS(X, UNARY, log1p)                                         \
  MT_EXPONENTIALS(X, tanh) MT_EXPONENTIALS(X, logistic) MT_EXPONENTIALS(X, erf)               \
  MT_FLOATS(X, UNARY, sqrt) MT_FLOATS(X, UNARY, rsqrt) MT_FLOATS(X, UNARY, reciprocal)        \
  MT_FLOATS(X, TRIG, sin) MT_FLOATS(X, TRIG, cos)                                             \
  MT_FLOATS(X, UNARY, floor) MT_FLOATS(X, UNARY, ceil) MT_FLOATS(X, UNARY, round)

#define MT_BINARY_TILES(X)                                                                    \
  MT_ARITHMETIC(X, f32) MT_ARITHMETIC(X, f64)                                                 \
  MT_BOTH_WAYS(X, div, f32) MT_BOTH_WAYS(X, div, f64)                                         \
  MT_BOTH_WAYS(X, pow, f32) MT_BOTH_WAYS(X, pow, f64)                                         \
  MT_BOTH_WAYS(X, atan2, f32) MT_BOTH_WAYS(X, atan2, f64)                                     \
  MT_SLOWLY(X, rem, f32) MT_SLOWLY(X, rem, f64)                                               \
  MT_ARITHMETIC(X, i32) MT_ARITHMETIC(X, i64) MT_ARITHMETIC(X, u8)                            \
  MT_BOTH_WAYS(X, div, i32) MT_SLOWLY(X, div, i64) MT_BOTH_WAYS(X, div, u8)                   \
  MT_BOTH_WAYS(X, rem, i32) MT_SLOWLY(X, rem, i64) MT_BOTH_WAYS(X, rem, u8)                   \
  MT_SLOWLY(X, pow, i32) MT_SLOWLY(X, pow, i64) MT_SLOWLY(X, pow, u8)                         \
  MT_LOGIC(X, bool) MT_LOGIC(X, i32) MT_LOGIC(X, i64) MT_LOGIC(X, u8)                         \
  MT_COMPARE(X, eq) MT_COMPARE(X, ne) MT_COMPARE(X, lt)                                       \
  MT_COMPARE(X, le) MT_COMPARE(X, gt) MT_COMPARE(X, ge)

#define MT_STORED(X, t, wide)                                                                 \
  X(CONVERT, convert_##t##_##wide, t, wide) X(CONVERT, convert_##wide##_##t, wide, t)         \
  X(FILL, fill_##t, fill, t) X(COPY, copy_##t, copy, t)                                       \
  X(EXPAND, expand_##t, expand, t) X(REPEAT, repeat_##t, repeat, t)
#define MT_STORED_TILES(X)                                                                    \
  MT_STORED(X, bf16, f32) MT_STORED(X, f16, f32) MT_STORED(X, i8, i32) MT_STORED(X, i16, i32) \
  MT_STORED(X, u16, i32) MT_STORED(X, u32, i64) MT_STORED(X, u64, i64)                        \
  X(CONVERT, convert_f64_bf16, f64, bf16) X(CONVERT, convert_f64_f16, f64, f16)

#define MT_MOVING_TILES(X)                                                                    \
  MT_ALL(X, SELECT, select) MT_ALL(X, SELECT_S, selects)                                      \
  MT_ALL(X, S_SELECT, sselect) MT_ALL(X, S_SELECT_S, sselects)                                \
  MT_CONVERT_FROM(X, f32) MT_CONVERT_FROM(X, f64) MT_CONVERT_FROM(X, i32)                     \
  MT_CONVERT_FROM(X, i64) MT_CONVERT_FROM(X, u8) MT_CONVERT_FROM(X, bool)                     \
  MT_ALL(X, FILL, fill) MT_ALL(X, COPY, copy)                                                 \
  MT_SIZES(X, VIEW, view) MT_SIZES(X, PAD, pad)                                               \
  MT_NUMBERS(X, IOTA, iota)

#define MT_ROW_TILES(X)                                                                       \
  MT_ROW_REDUCTION(X, sum) MT_ROW_REDUCTION(X, prod)                                          \
  MT_ROW_REDUCTION(X, max) MT_ROW_REDUCTION(X, min)                                           \
  MT_NUMBERS(X, ROW_ARGUMENT, row_argmax) MT_NUMBERS(X, ROW_ARGUMENT, row_argmin)             \
  MT_ALL(X, EXPAND, expand) MT_ALL(X, REPEAT, repeat)                                         \
  MT_ROW_OPERAND(X, add) MT_ROW_OPERAND(X, sub) MT_ROW_OPERAND(X, mul) MT_ROW_OPERAND(X, div)

#define MT_RANDOM_TILES(X)                                                                    \
  X(RANDOM, random_bits_i32, bits, i32)                                                       \
  X(RANDOM, random_uniform_f32, uniform, f32) X(RANDOM, random_uniform_f64, uniform, f64)     \
  X(RANDOM, random_normal_f32, normal, f32) X(RANDOM, random_normal_f64, normal, f64)

#define MT_FUSED_TILES(X)                                                                     \
  MT_FLOATS(X, MUL_ADD, mul_add) MT_FLOATS(X, MULS_ADD, muls_add) MT_FLOATS(X, AXPBY, axpby)  \
  MT_FLOATS(X, MAXS_MULS, maxs_muls) MT_FLOATS(X, MUL_MUL, mul_mul)                           \
  MT_FLOATS(X, LOGISTIC_MUL, logistic_mul) MT_FLOATS(X, EXP_SUBS, exp_subs)                   \
  MT_FLOATS(X, SUB_MUL, sub_mul) MT_FLOATS(X, GTS_SELECT, gts_select)                         \
  MT_FLOATS(X, LTS_MULS_SELECT, lts_muls_select) MT_FLOATS(X, SUBS_MULS, subs_muls)           \
  MT_FLOATS(X, MAXS_MULS_ADD, maxs_muls_add) MT_FLOATS(X, MAXS_MUL_ADD, maxs_mul_add)         \
  MT_FLOATS(X, AXPBY_MUL, axpby_mul) MT_FLOATS(X, ADAM_STEP, adam_step)                       \
  MT_FLOATS(X, MULS_ERF_MUL, muls_erf_mul)                                                    \
  X(DEQUANTIZE, dequantize_f32, dequantize, f32)                                              \
  X(MAXS_MULS_ROUND, maxs_muls_round_u8, maxs_muls_round, u8)                                 \
  X(MULS_ROUND_ADDS, muls_round_adds_u8, muls_round_adds, u8)                                 \
  X(MULS_ROUND, muls_round_u8, muls_round, u8)

#define MT_FUSED_ROW_TILES(X)                                                                 \
  MT_FLOATS(X, ROW_DOT, row_dot) MT_FLOATS(X, ROW_DIFFERENCES, row_differences)               \
  MT_FLOATS(X, ROW_NORMALISE, row_normalise) MT_FLOATS(X, COLUMN_DOT, col_dot)

/* Of each primitive that may be the last of a large kernel. */
#define MT_STREAM_TILES(X)                                                                    \
  X(STREAM_COPY, stream_copy_f32, copy, f32) X(STREAM_BINARY, stream_add_f32, add, f32)       \
  X(STREAM_BINARY, stream_sub_f32, sub, f32) X(STREAM_BINARY, stream_mul_f32, mul, f32)       \
  X(STREAM_BINARY, stream_div_f32, div, f32) X(STREAM_BINARY_S, stream_adds_f32, add, f32)    \
  X(STREAM_BINARY_S, stream_subs_f32, sub, f32) X(STREAM_BINARY_S, stream_muls_f32, mul, f32) \
  X(STREAM_BINARY_S, stream_divs_f32, div, f32) X(STREAM_BINARY_S, stream_maxs_f32, max, f32) \
  X(STREAM_MUL_ADD, stream_mul_add_f32, mul_add, f32)                                         \
  X(STREAM_MULS_ADD, stream_muls_add_f32, muls_add, f32)                                      \
  X(STREAM_AXPBY, stream_axpby_f32, axpby, f32)                                               \
  X(STREAM_AXPBY_MUL, stream_axpby_mul_f32, axpby_mul, f32)                                   \
  X(STREAM_MAXS_MULS_ADD, stream_maxs_muls_add_f32, maxs_muls_add, f32)                       \
  X(STREAM_MAXS_MUL_ADD, stream_maxs_mul_add_f32, maxs_mul_add, f32)                          \
  X(STREAM_GTS_SELECT, stream_gts_select_f32, gts_select, f32)                                \
  X(STREAM_ADAM_STEP, stream_adam_step_f32, adam_step, f32)                                   \
  X(STREAM_MULS_ERF_MUL, stream_muls_erf_mul_f32, muls_erf_mul, f32)
#define MT_STREAM_ROW_TILES(X) X(STREAM_ROW_NORMALISE, stream_row_normalise_f32, row_normalise, f32)

#define MT_AHEAD_TILES(X)                                                                     \
  X(AHEAD_UNARY, ahead_exp_f32, exp, f32) X(AHEAD_UNARY, ahead_tanh_f32, tanh, f32)           \
  X(AHEAD_UNARY, ahead_logistic_f32, logistic, f32) X(AHEAD_UNARY, ahead_erf_f32, erf, f32)   \
  X(AHEAD_UNARY, ahead_log_f32, log, f32)                                                     \
  X(AHEAD_BINARY, ahead_logistic_mul_f32, logistic_mul, f32)                                  \
  X(AHEAD_BINARY_S, ahead_exp_subs_f32, exp_subs, f32)                                        \
  X(AHEAD_ADAM_STEP, ahead_adam_step_f32, adam_step, f32)                                     \
  X(AHEAD_ADAM_STEP, ahead_stream_adam_step_f32, stream_adam_step, f32)                       \
  X(AHEAD_MULS_ERF_MUL, ahead_muls_erf_mul_f32, muls_erf_mul, f32)                            \
  X(AHEAD_MULS_ERF_MUL, ahead_stream_muls_erf_mul_f32, stream_muls_erf_mul, f32)              \
  X(AHEAD_RANDOM, ahead_random_uniform_f32, random_uniform, f32)

#define MT_TILES(X)                                                                           \
  MT_UNARY_TILES(X) MT_BINARY_TILES(X) MT_MOVING_TILES(X) MT_ROW_TILES(X) MT_RANDOM_TILES(X)  \
  MT_STORED_TILES(X)                                                                          \
  MT_FUSED_TILES(X) MT_FUSED_ROW_TILES(X) MT_STREAM_TILES(X) MT_STREAM_ROW_TILES(X)           \
  MT_AHEAD_TILES(X) X(FENCE, stream_end, end, f32)

#endif
