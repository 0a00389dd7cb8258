/* Reductions of a row in one fixed order. Included by martlet_math.h.
 *
 * Blocks of 4096 elements; in a block, element i goes to accumulator i mod 64; the 64 accumulators are combined
 * pairwise (i with i + 32, then 16, 8, 4, 2, 1). Block results form a list, combined as a tree whose left half is the
 * largest power of two below the length: so they can be pushed one by one onto a stack, as a binary counter carries,
 * and the result depends on nothing but the elements.
 *   mtm_row_sum_f32(x, n), prod, max, min: the whole row      mtm_row_argmax_f32(x, n), argmin
 *   mtm_combine_sum_f32(results, count): of the results of successive blocks of 4096 */
#ifndef MARTLET_MATH_ROWS_H
#define MARTLET_MATH_ROWS_H

enum { MTM_BLOCK = 4096, MTM_LANES = 64 };

#define MTM_IOTA_16_(o)                                                                                 \
  o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6, o + 7, o + 8, o + 9, o + 10, o + 11, o + 12, o + 13,     \
      o + 14, o + 15
#define MTM_IOTA_16 MTM_IOTA_16_(0)
#define MTM_IOTA_32 MTM_IOTA_16, MTM_IOTA_16_(16)
#define MTM_IOTA_64 MTM_IOTA_32, MTM_IOTA_16_(32), MTM_IOTA_16_(48)

/* Vectors of 2 to 64 elements (compiled to as many registers as it takes), the loads of them that need no alignment,
 * and the integers that their comparisons give. */
#define MTM_VECTOR(t, T, I, n)                                                                  \
  typedef T mtm_v##n##_##t __attribute__((vector_size(n * sizeof(T))));                         \
  typedef T mtm_u##n##_##t __attribute__((vector_size(n * sizeof(T)), aligned(sizeof(T)), may_alias)); \
  typedef I mtm_m##n##_##t __attribute__((vector_size(n * sizeof(T))));
#define MTM_VECTORS(t, T, I) \
  MTM_VECTOR(t, T, I, 2)     \
  MTM_VECTOR(t, T, I, 4)     \
  MTM_VECTOR(t, T, I, 8)     \
  MTM_VECTOR(t, T, I, 16)    \
  MTM_VECTOR(t, T, I, 32)    \
  MTM_VECTOR(t, T, I, 64)
MTM_VECTORS(f32, float, int)
MTM_VECTORS(f64, double, long)
MTM_VECTORS(i32, int, int)
MTM_VECTORS(i64, long, long)
MTM_VECTORS(u8, unsigned char, signed char)

/* y = y OP x on vectors of type V with comparison type M. The order of operands is that of mtm_max_f32(y, x). */
#define MTM_STEP_sum(V, M, y, x) y += x;
#define MTM_STEP_prod(V, M, y, x) y *= x;
#define MTM_CHOOSE_(V, M, y, x, condition)              \
  {                                                     \
    const M mask = (M)(condition);                      \
    y = (V)(((M)y & mask) | ((M)x & ~mask));            \
  }
#define MTM_STEP_max(V, M, y, x) MTM_CHOOSE_(V, M, y, x, y > x)
#define MTM_STEP_min(V, M, y, x) MTM_CHOOSE_(V, M, y, x, y < x)
/* The larger, and then y after all if it is NaN: the same choice as one condition, with a shorter chain. */
#define MTM_STEP_fmax(V, M, y, x)                \
  {                                              \
    V larger = y;                                \
    MTM_CHOOSE_(V, M, larger, x, larger > x)     \
    MTM_CHOOSE_(V, M, y, larger, y != y)         \
  }
#define MTM_STEP_fmin(V, M, y, x)                \
  {                                              \
    V smaller = y;                               \
    MTM_CHOOSE_(V, M, smaller, x, smaller < x)   \
    MTM_CHOOSE_(V, M, y, smaller, y != y)        \
  }

#define MTM_FOLD_2(t, STEP, x)                                   \
  mtm_v2_##t x##2b = {x##2[1], x##2[1]};                         \
  STEP(mtm_v2_##t, mtm_m2_##t, x##2, x##2b)
#define MTM_FOLD_4(t, STEP, x)                                                          \
  mtm_v2_##t x##2 = __builtin_shufflevector(x##4, x##4, 0, 1);                          \
  const mtm_v2_##t x##2h = __builtin_shufflevector(x##4, x##4, 2, 3);                   \
  STEP(mtm_v2_##t, mtm_m2_##t, x##2, x##2h)                                             \
  MTM_FOLD_2(t, STEP, x)
#define MTM_FOLD_8(t, STEP, x)                                                          \
  mtm_v4_##t x##4 = __builtin_shufflevector(x##8, x##8, 0, 1, 2, 3);                    \
  const mtm_v4_##t x##4h = __builtin_shufflevector(x##8, x##8, 4, 5, 6, 7);             \
  STEP(mtm_v4_##t, mtm_m4_##t, x##4, x##4h)                                             \
  MTM_FOLD_4(t, STEP, x)
#define MTM_FOLD_16(t, STEP, x)                                                         \
  mtm_v8_##t x##8 = __builtin_shufflevector(x##16, x##16, 0, 1, 2, 3, 4, 5, 6, 7);      \
  const mtm_v8_##t x##8h = __builtin_shufflevector(x##16, x##16, 8, 9, 10, 11, 12, 13, 14, 15); \
  STEP(mtm_v8_##t, mtm_m8_##t, x##8, x##8h)                                             \
  MTM_FOLD_8(t, STEP, x)
#define MTM_FOLD_32(t, STEP, x)                                                         \
  mtm_v16_##t x##16 = __builtin_shufflevector(x##32, x##32, MTM_IOTA_16);               \
  const mtm_v16_##t x##16h = __builtin_shufflevector(x##32, x##32, MTM_IOTA_16_(16));   \
  STEP(mtm_v16_##t, mtm_m16_##t, x##16, x##16h)                                         \
  MTM_FOLD_16(t, STEP, x)
#define MTM_FOLD_64(t, STEP, x)                                                         \
  mtm_v32_##t x##32 = __builtin_shufflevector(x##64, x##64, MTM_IOTA_32);               \
  const mtm_v32_##t x##32h = __builtin_shufflevector(x##64, x##64, MTM_IOTA_16_(32), MTM_IOTA_16_(48)); \
  STEP(mtm_v32_##t, mtm_m32_##t, x##32, x##32h)                                         \
  MTM_FOLD_32(t, STEP, x)

/* x[0 .. count), identity in the other lanes; reads n elements where `readable` says that they exist. */
#define MTM_LOAD_SOME(t, T, v, n, x, count, readable, IDENTITY)                         \
  mtm_v##n##_##t v;                                                                     \
  if ((readable) >= n) {                                                                \
    const mtm_m##n##_##t lane = {MTM_IOTA_##n};                                         \
    const mtm_m##n##_##t mask =                                                         \
        lane < ((mtm_m##n##_##t){0} + (__typeof__(lane[0]))(count));                    \
    const mtm_v##n##_##t filler = (mtm_v##n##_##t){0} + (IDENTITY);                     \
    v = *(const mtm_u##n##_##t *)(x);                                                   \
    v = (mtm_v##n##_##t)(((mtm_m##n##_##t)v & mask) | ((mtm_m##n##_##t)filler & ~mask)); \
  } else {                                                                              \
    v = (mtm_v##n##_##t){0} + (IDENTITY);                                               \
    /* count is at most n: said again for gcc, which warns of branches that are never taken. */ \
    __builtin_memcpy(&v, x, (unsigned long)((count) < n ? (count) : n) * sizeof(T));    \
  }

/* Code that is to be small reduces element by element, in the same order. */
#if defined(__OPTIMIZE_SIZE__)
enum { MTM_SMALL = 1 };
#else
enum { MTM_SMALL = 0 };
#endif
/* So does code for elements of 64 bits where registers hold two of them: 64 lanes would be all loads and stores of
 * what does not fit, 30 KB a function. */
#if defined(__x86_64__) && !defined(__AVX2__)
enum { MTM_NARROW_REGISTERS = 1 };
#else
enum { MTM_NARROW_REGISTERS = 0 };
#endif

/* A short row needs only as many lanes as it has elements: the others would add the identity. The last step of a sum
 * makes +0 of a sum of -0, which is what accumulators that start at 0 give. */
#define MTM_ROW_REDUCTION(t, T, op, STEP, OP, IDENTITY, FINISH)                         \
  MTM_FUNCTION T mtm_block_##op##_##t(const T *x, long n, long readable) {              \
    if (MTM_SMALL || (MTM_NARROW_REGISTERS && sizeof(T) == 8)) {                        \
      T lane[MTM_LANES];                                                                \
      for (int k = 0; k < MTM_LANES; ++k) lane[k] = IDENTITY;                           \
      for (long i = 0; i < n; ++i) lane[i % MTM_LANES] = (T)OP(lane[i % MTM_LANES], x[i]); \
      for (int half = MTM_LANES / 2; half > 0; half /= 2)                               \
        for (int k = 0; k < half; ++k) lane[k] = (T)OP(lane[k], lane[k + half]);        \
      return (T)(lane[0] FINISH);                                                       \
    }                                                                                   \
    if (n <= 16) {                                                                      \
      MTM_LOAD_SOME(t, T, v16, 16, x, n, readable, IDENTITY)                            \
      MTM_FOLD_16(t, STEP, v)                                                           \
      return (T)(v2[0] FINISH);                                                         \
    }                                                                                   \
    if (n <= 32) {                                                                      \
      MTM_LOAD_SOME(t, T, v32, 32, x, n, readable, IDENTITY)                            \
      MTM_FOLD_32(t, STEP, v)                                                           \
      return (T)(v2[0] FINISH);                                                         \
    }                                                                                   \
    mtm_v64_##t v64 = (mtm_v64_##t){0} + (IDENTITY);                                    \
    long i = 0;                                                                         \
    for (; i + 64 <= n; i += 64) {                                                      \
      const mtm_v64_##t next = *(const mtm_u64_##t *)(x + i);                           \
      STEP(mtm_v64_##t, mtm_m64_##t, v64, next)                                         \
    }                                                                                   \
    if (i < n) {                                                                        \
      MTM_LOAD_SOME(t, T, next, 64, x + i, n - i, readable - i, IDENTITY)               \
      STEP(mtm_v64_##t, mtm_m64_##t, v64, next)                                         \
    }                                                                                   \
    MTM_FOLD_64(t, STEP, v)                                                             \
    return (T)(v2[0] FINISH);                                                           \
  }                                                                                     \
  static inline __attribute__((unused)) T mtm_long_row_##op##_##t(const T *x, long n) { \
    T stack[64];                                                                        \
    int top = 0;                                                                        \
    for (long b = 0; b * MTM_BLOCK < n; ++b) {                                          \
      const long rest = n - b * MTM_BLOCK;                                              \
      T r = mtm_block_##op##_##t(x + b * MTM_BLOCK, rest < MTM_BLOCK ? rest : MTM_BLOCK, rest); \
      for (long carry = b; carry & 1; carry >>= 1) r = OP(stack[--top], r);             \
      stack[top++] = r;                                                                 \
    }                                                                                   \
    T r = stack[--top];                                                                 \
    while (top > 0) r = OP(stack[--top], r);                                            \
    return r;                                                                           \
  }                                                                                     \
  MTM_FUNCTION T mtm_row_##op##_##t(const T *x, long n) {                               \
    return n <= MTM_BLOCK ? mtm_block_##op##_##t(x, n, n) : mtm_long_row_##op##_##t(x, n); \
  }                                                                                     \
  MTM_FUNCTION T mtm_combine_##op##_##t(const T *results, long count) {                 \
    if (count <= 0) return IDENTITY;                                                    \
    T stack[64];                                                                        \
    int top = 0;                                                                        \
    for (long b = 0; b < count; ++b) {                                                  \
      T r = results[b];                                                                 \
      for (long carry = b; carry & 1; carry >>= 1) r = OP(stack[--top], r);             \
      stack[top++] = r;                                                                 \
    }                                                                                   \
    T r = stack[--top];                                                                 \
    while (top > 0) r = OP(stack[--top], r);                                            \
    return r;                                                                           \
  }

#define MTM_FLOAT_ROWS(t, T, INF)                                                       \
  MTM_ROW_REDUCTION(t, T, sum, MTM_STEP_sum, mtm_add_##t, (T)0, +(T)0)                  \
  MTM_ROW_REDUCTION(t, T, prod, MTM_STEP_prod, mtm_mul_##t, (T)1, )                     \
  MTM_ROW_REDUCTION(t, T, max, MTM_STEP_fmax, mtm_max_##t, -INF, )                      \
  MTM_ROW_REDUCTION(t, T, min, MTM_STEP_fmin, mtm_min_##t, INF, )
#define MTM_INTEGER_ROWS(t, T, LEAST, GREATEST)                                         \
  MTM_ROW_REDUCTION(t, T, max, MTM_STEP_max, mtm_max_##t, LEAST, )                      \
  MTM_ROW_REDUCTION(t, T, min, MTM_STEP_min, mtm_min_##t, GREATEST, )

MTM_FLOAT_ROWS(f32, float, MTM_INF_F32)
MTM_FLOAT_ROWS(f64, double, MTM_INF_F64)
MTM_INTEGER_ROWS(i32, int, (-2147483647 - 1), 2147483647)
MTM_INTEGER_ROWS(i64, long, (-9223372036854775807L - 1), 9223372036854775807L)
MTM_INTEGER_ROWS(u8, unsigned char, (unsigned char)0, (unsigned char)255)

/* Wrapping sums are the same in any order, and must not be signed: one running total. */
#define MTM_WRAPPING_ROWS(t, T, U)                                                      \
  MTM_FUNCTION T mtm_row_sum_##t(const T *x, long n) {                                  \
    U total = 0;                                                                        \
    for (long i = 0; i < n; ++i) total = (U)(total + (U)x[i]);                          \
    return (T)total;                                                                    \
  }                                                                                     \
  MTM_FUNCTION T mtm_row_prod_##t(const T *x, long n) {                                 \
    U total = 1;                                                                        \
    for (long i = 0; i < n; ++i) total = (U)(total * (U)x[i]);                          \
    return (T)total;                                                                    \
  }                                                                                     \
  MTM_FUNCTION T mtm_block_sum_##t(const T *x, long n, long readable) {                 \
    (void)readable;                                                                     \
    return mtm_row_sum_##t(x, n);                                                       \
  }                                                                                     \
  MTM_FUNCTION T mtm_block_prod_##t(const T *x, long n, long readable) {                \
    (void)readable;                                                                     \
    return mtm_row_prod_##t(x, n);                                                      \
  }                                                                                     \
  MTM_FUNCTION T mtm_combine_sum_##t(const T *x, long n) { return mtm_row_sum_##t(x, n); } \
  MTM_FUNCTION T mtm_combine_prod_##t(const T *x, long n) { return mtm_row_prod_##t(x, n); }
MTM_WRAPPING_ROWS(i32, int, unsigned)
MTM_WRAPPING_ROWS(i64, long, unsigned long)
MTM_WRAPPING_ROWS(u8, unsigned char, unsigned char)

/* The first NaN, else the first extreme; 0 of an empty row. BEYOND(a, b): a is strictly more extreme. */
#define MTM_ROW_ARGUMENT(t, T, name, op, BEYOND)                                        \
  MTM_FUNCTION int mtm_row_##name##_##t(const T *x, long n) {                           \
    long at = 0;                                                                        \
    if (n < 64) {                                                                       \
      for (long i = 1; i < n; ++i) {                                                    \
        const int better = BEYOND(x[i], x[at]) | ((x[i] != x[i]) & (x[at] == x[at]));   \
        at = better ? i : at;                                                           \
      }                                                                                 \
      return (int)at;                                                                   \
    }                                                                                   \
    const T extreme = mtm_row_##op##_##t(x, n);                                         \
    for (; at + 64 <= n; at += 64) {                                                    \
      int found = 0;                                                                    \
      for (long k = 0; k < 64; ++k) found |= (x[at + k] == extreme) | (x[at + k] != x[at + k]); \
      if (found) break;                                                                 \
    }                                                                                   \
    while (at < n - 1 && !(x[at] == extreme) && x[at] == x[at]) ++at;                   \
    return (int)at;                                                                     \
  }
#define MTM_GREATER_(a, b) ((a) > (b))
#define MTM_LESS_(a, b) ((a) < (b))
#define MTM_ROW_ARGUMENTS(t, T)                           \
  MTM_ROW_ARGUMENT(t, T, argmax, max, MTM_GREATER_)       \
  MTM_ROW_ARGUMENT(t, T, argmin, min, MTM_LESS_)
MTM_ROW_ARGUMENTS(f32, float)
MTM_ROW_ARGUMENTS(f64, double)
MTM_ROW_ARGUMENTS(i32, int)
MTM_ROW_ARGUMENTS(i64, long)
MTM_ROW_ARGUMENTS(u8, unsigned char)

#endif
