/* Which primitives have a scalar function, and the addresses of those functions for an instruction set. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "../martlet_compiler.h"
#include "../martlet_tiles_list.h"

#define MT_KEEP_ROWS(X)                                                                       \
  MT_NUMBERS(X, ROW, row_sum) MT_NUMBERS(X, COMBINE, combine_sum)                             \
  MT_NUMBERS(X, ROW, row_prod) MT_NUMBERS(X, COMBINE, combine_prod)                           \
  MT_NUMBERS(X, ROW, row_max) MT_NUMBERS(X, COMBINE, combine_max)                             \
  MT_NUMBERS(X, ROW, row_min) MT_NUMBERS(X, COMBINE, combine_min)                             \
  MT_NUMBERS(X, ROW_ARGUMENT, row_argmax) MT_NUMBERS(X, ROW_ARGUMENT, row_argmin)
#define MT_KEEP_MOVES(X)                                                                      \
  MT_ALL(X, SELECT, select) MT_ALL(X, SELECT_S, selects)                                      \
  MT_ALL(X, S_SELECT, sselect) MT_ALL(X, S_SELECT_S, sselects)                                \
  MT_CONVERT_FROM(X, f32) MT_CONVERT_FROM(X, f64) MT_CONVERT_FROM(X, i32)                     \
  MT_CONVERT_FROM(X, i64) MT_CONVERT_FROM(X, u8) MT_CONVERT_FROM(X, bool)
#define MT_SCALAR_TILES(X)                                                                    \
  MT_UNARY_TILES(X) MT_BINARY_TILES(X) MT_KEEP_MOVES(X) MT_KEEP_ROWS(X) MT_RANDOM_TILES(X)    \
  MT_FUSED_TILES(X) MT_STREAM_TILES(X)

#define REF_DECLARE(kind, name, op, t)                   \
  void ref_##name##_baseline MT_PARAMETERS_##kind(op, t); \
  void ref_##name##_avx2 MT_PARAMETERS_##kind(op, t);     \
  void ref_##name##_avx512 MT_PARAMETERS_##kind(op, t);   \
  void ref_##name##_neon MT_PARAMETERS_##kind(op, t);
MT_SCALAR_TILES(REF_DECLARE)

#if MT_X86
#define REF_OF(name, isa) \
  ((isa) == MT_AVX512 ? ref_##name##_avx512 : (isa) == MT_AVX2 ? ref_##name##_avx2 : ref_##name##_baseline)
#elif MT_ARM64
#define REF_OF(name, isa) ((isa) == MT_NEON ? ref_##name##_neon : ref_##name##_baseline)
#else
#define REF_OF(name, isa) ref_##name##_baseline
#endif

#endif
