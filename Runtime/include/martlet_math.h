/* Scalar functions of emitted code: mtm_OP_SUFFIX, one element each.
 *
 * The scalar form of a kernel calls nothing else, and the tile primitives are loops over these very functions: on one
 * instruction set both give the same bits. Suffixes: f32 f64 i32 i64 u8 bool (bool is an unsigned char, 0 or 1);
 * bf16 f16 i8 i16 u16 u32 u64 are stored and converted only.
 *   mtm_exp_f32(x)  mtm_add_f32(a, b)  mtm_lt_f32(a, b) -> bool  mtm_select_f32(c, a, b)  mtm_convert_f32_i32(x)
 *   mtm_row_sum_f32(x, n)  mtm_random_uniform_f32(seed, step, stream, position)
 * Unary functions have no branches, only selects, so that a loop over one vectorises (sin, cos and the remainder
 * excepted: they leave for a slow path). No includes: the file stands in emitted C.
 *
 * Fused multiply-add is used inside polynomials only, and only where the instruction set has it; products and sums
 * are not contracted otherwise: gcc needs -ffp-contract=off. */
#ifndef MARTLET_MATH_H
#define MARTLET_MATH_H

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#ifndef MT_HAVE_FMA
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define MT_HAVE_FMA 1
#else
#define MT_HAVE_FMA 0
#endif
#endif

/* Before a loop whose iterations are independent although its pointers may be equal: an output in the memory of an
 * input, read and written at one index. The compilers' own check would send such a loop down its scalar path. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#define MTM_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define MTM_INDEPENDENT _Pragma("GCC ivdep")
#else
#define MTM_INDEPENDENT
#endif

#define MTM_FUNCTION static inline __attribute__((always_inline, unused))

#if MT_HAVE_FMA
#define MTM_FMA_F32(a, b, c) __builtin_fmaf(a, b, c)
#define MTM_FMA_F64(a, b, c) __builtin_fma(a, b, c)
#else
#define MTM_FMA_F32(a, b, c) ((a) * (b) + (c))
#define MTM_FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

/* clang's sqrtf keeps the call that sets errno; its elementwise builtin is the instruction. */
#if defined(__clang__)
#define MTM_SQRT_F32(x) __builtin_elementwise_sqrt(x)
#define MTM_SQRT_F64(x) __builtin_elementwise_sqrt(x)
#else
#define MTM_SQRT_F32(x) __builtin_sqrtf(x)
#define MTM_SQRT_F64(x) __builtin_sqrt(x)
#endif

#define MTM_INF_F32 __builtin_inff()
#define MTM_NAN_F32 __builtin_nanf("")
#define MTM_INF_F64 __builtin_inf()
#define MTM_NAN_F64 __builtin_nan("")

#include "martlet_math_f32.h"
#include "martlet_math_f64.h"
#include "martlet_math_basic.h"
#include "martlet_math_narrow.h"
#include "martlet_math_trig.h"
#include "martlet_math_pow.h"
#include "martlet_math_atan.h"
#include "martlet_math_rows.h"
#include "martlet_math_random.h"

#endif
