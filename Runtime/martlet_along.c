/* Along one axis: elements taken and added at indices, running sums, products and extremes, and linear recurrences.
 *
 * Arrays are [outer, axis, inner]; each (outer, inner) is a line of its own, walked from one end to the other by one
 * thread: no result depends on how the lines are shared out. Floats are carried in double and rounded when stored. */
#include <string.h>

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

typedef struct {
  long outer, axis, inner, count, size, stop;
  int exclusive, reverse, parts;
  const void *index, *from, *more;
  void *to;
} job;

static long clamp(long i, long count) { return i < 0 ? 0 : i >= count ? count - 1 : i; }

static void run(mt_context *cx, job *g, long lines, long work, mt_task task) {
  if (lines <= 0) return;
  g->parts = (int)mt_min(mt_parts_for(cx, work, 32768), lines);
  mt_run_parts(cx, g->parts, task, g);
}

/* dst[o, c, i] = src[o, index[o, c, i], i]: s = {outer, axis, inner, count, bytes of an element}. */
#define MT_TAKE_SIZE(I, U)                                                                      \
  for (long r = first; r < stop; ++r) {                                                         \
    const long o = r / g->count;                                                                \
    const I *index = (const I *)g->index + r * g->inner;                                        \
    const U *x = (const U *)g->from + o * g->axis * g->inner;                                   \
    U *y = (U *)g->to + r * g->inner;                                                           \
    for (long i = 0; i < g->inner; ++i) y[i] = x[clamp((long)index[i], g->axis) * g->inner + i]; \
  }
#define MT_TAKE(NAME, I)                                                                        \
  static void NAME##_part(void *argument, int part) {                                           \
    const job *g = argument;                                                                    \
    const long rows = g->outer * g->count;                                                      \
    const long first = rows * part / g->parts, stop = rows * (part + 1) / g->parts;             \
    switch (g->size) {                                                                          \
      case 1: MT_TAKE_SIZE(I, uint8_t) break;                                                   \
      case 2: MT_TAKE_SIZE(I, uint16_t) break;                                                  \
      case 4: MT_TAKE_SIZE(I, uint32_t) break;                                                  \
      default: MT_TAKE_SIZE(I, uint64_t) break;                                                 \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME MT_P_GATHER(mt_context *, I) {                                                 \
    job g = {.outer = s[0], .axis = s[1], .inner = s[2], .count = s[3], .size = s[4]};          \
    g.index = index, g.from = src, g.to = dst;                                                  \
    if (g.axis <= 0 || g.inner <= 0) return;                                                    \
    run(cx, &g, g.outer *g.count, g.outer *g.count *g.inner, NAME##_part);                      \
  }
MT_TAKE(take_along_i32, int)
MT_TAKE(take_along_i64, long)

/* dst = 0, then dst[o, index[o, c, i], i] += updates[o, c, i], c ascending: s = {outer, axis, inner, count}. */
#define MT_ADD(NAME, I, T, U, PARAMETERS)                                                       \
  static void NAME##_part(void *argument, int part) {                                           \
    const job *g = argument;                                                                    \
    const long lines = g->outer * g->inner, stop = lines * (part + 1) / g->parts;               \
    for (long u = lines * part / g->parts, some; u < stop; u += some) {                         \
      const long o = u / g->inner, from = u % g->inner;                                         \
      some = mt_min(g->inner - from, stop - u);                                                 \
      T *y = (T *)g->to + o * g->axis * g->inner + from;                                        \
      for (long k = 0; k < g->axis; ++k) memset(y + k * g->inner, 0, (size_t)some * sizeof *y); \
      for (long c = 0; c < g->count; ++c) {                                                     \
        const long at = (o * g->count + c) * g->inner + from;                                   \
        const T *x = (const T *)g->from + at;                                                   \
        const I *index = (const I *)g->index + at;                                              \
        for (long i = 0; i < some; ++i) {                                                       \
          T *sum = y + clamp((long)index[i], g->axis) * g->inner + i;                           \
          *sum = (T)((U)*sum + (U)x[i]);                                                        \
        }                                                                                       \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME PARAMETERS(mt_context *, T) {                                                  \
    job g = {.outer = s[0], .axis = s[1], .inner = s[2], .count = s[3]};                        \
    g.index = index, g.from = updates, g.to = dst;                                              \
    if (g.axis <= 0) return;                                                                    \
    run(cx, &g, g.outer *g.inner, g.outer *g.inner *(g.count + g.axis), NAME##_part);           \
  }
#define MT_ADDS(T, U, S)                               \
  MT_ADD(add_along_i32_##S, int, T, U, MT_P_SCATTER_I32) \
  MT_ADD(add_along_i64_##S, long, T, U, MT_P_SCATTER_I64)
MT_ADDS(float, float, f32)
MT_ADDS(double, double, f64)
MT_ADDS(int, unsigned, i32)
MT_ADDS(long, unsigned long, i64)
MT_ADDS(unsigned char, unsigned, u8)

/* Lines next to each other are walked together, up to this many. */
enum { ABREAST = 128 };

/* For `some` neighbouring lines, the offset of the first element and the step to the next. */
#define MT_FOR_LINES(T, ...)                                                                    \
  const job *g = argument;                                                                      \
  const long lines = g->outer * g->inner, stop = lines * (part + 1) / g->parts;                 \
  for (long u = lines * part / g->parts, some; u < stop; u += some) {                           \
    const long o = u / g->inner, from = u % g->inner;                                           \
    some = mt_min(mt_min(g->inner - from, stop - u), ABREAST);                                  \
    const long start = (o * g->axis + (g->reverse ? g->axis - 1 : 0)) * g->inner + from;        \
    const long step = g->reverse ? -g->inner : g->inner;                                        \
    __VA_ARGS__                                                                                 \
  }

/* s = {outer, axis, inner, exclusive, reverse}. */
#define MT_CUMULATE(NAME, T, A, NEUTRAL, OP)                                                    \
  static void NAME##_part(void *argument, int part) {                                           \
    MT_FOR_LINES(T, {                                                                           \
      const T *x = (const T *)g->from + start;                                                  \
      T *y = (T *)g->to + start;                                                                \
      A carried[ABREAST];                                                                       \
      for (long i = 0; i < some; ++i) carried[i] = (NEUTRAL);                                   \
      for (long k = 0; k < g->axis; ++k, x += step, y += step) {                                \
        if (g->exclusive) {                                                                     \
          for (long i = 0; i < some; ++i) {                                                     \
            const A next = carried[i] OP(A) x[i];                                               \
            y[i] = (T)carried[i];                                                               \
            carried[i] = next;                                                                  \
          }                                                                                     \
        } else {                                                                                \
          for (long i = 0; i < some; ++i) y[i] = (T)(carried[i] = carried[i] OP(A) x[i]);       \
        }                                                                                       \
      }                                                                                         \
    })                                                                                          \
  }                                                                                             \
  void mt_##NAME MT_P_LINE(mt_context *, T) {                                                   \
    job g = {.outer = s[0], .axis = s[1], .inner = s[2], .exclusive = (int)s[3], .reverse = (int)s[4]}; \
    g.from = src, g.to = dst;                                                                   \
    run(cx, &g, g.outer *g.inner, g.outer *g.inner *g.axis, NAME##_part);                       \
  }
#define MT_CUMULATES(T, A, S)               \
  MT_CUMULATE(cumulative_sum_##S, T, A, 0, +) \
  MT_CUMULATE(cumulative_product_##S, T, A, 1, *)
MT_CUMULATES(float, double, f32)
MT_CUMULATES(double, double, f64)
MT_CUMULATES(int, unsigned, i32)
MT_CUMULATES(long, unsigned long, i64)
MT_CUMULATES(unsigned char, unsigned, u8)

/* Where the extreme of all elements up to this one is; the first of equal ones, and a NaN stays. s as above. */
#define MT_CUMULATE_PLACE(NAME, T, BETTER)                                                      \
  static void NAME##_part(void *argument, int part) {                                           \
    MT_FOR_LINES(T, {                                                                           \
      const T *x = (const T *)g->from + start;                                                  \
      int *y = (int *)g->to + start;                                                            \
      T best[ABREAST];                                                                          \
      int place[ABREAST];                                                                       \
      for (long k = 0; k < g->axis; ++k, x += step, y += step) {                                \
        const int here = (int)(g->reverse ? g->axis - 1 - k : k);                               \
        for (long i = 0; i < some; ++i) {                                                       \
          if (k == 0 || (best[i] == best[i] && (x[i] BETTER best[i] || x[i] != x[i])))          \
            best[i] = x[i], place[i] = here;                                                    \
          y[i] = place[i];                                                                      \
        }                                                                                       \
      }                                                                                         \
    })                                                                                          \
  }                                                                                             \
  void mt_##NAME MT_P_PLACES(mt_context *, T) {                                                 \
    job g = {.outer = s[0], .axis = s[1], .inner = s[2], .reverse = (int)s[4]};                 \
    g.from = src, g.to = places;                                                                \
    run(cx, &g, g.outer *g.inner, g.outer *g.inner *g.axis, NAME##_part);                       \
  }
#define MT_CUMULATE_PLACES(T, S)                  \
  MT_CUMULATE_PLACE(cumulative_argmax_##S, T, >)  \
  MT_CUMULATE_PLACE(cumulative_argmin_##S, T, <)
MT_CUMULATE_PLACES(float, f32)
MT_CUMULATE_PLACES(double, f64)
MT_CUMULATE_PLACES(int, i32)
MT_CUMULATE_PLACES(long, i64)
MT_CUMULATE_PLACES(unsigned char, u8)

/* y[k] = a[k] y[k - 1] + b[k], from 0: s = {outer, axis, inner, 0, reverse}. */
#define MT_RECURRENCE(NAME, T)                                                                  \
  static void NAME##_part(void *argument, int part) {                                           \
    MT_FOR_LINES(T, {                                                                           \
      const T *a = (const T *)g->from + start;                                                  \
      const T *b = (const T *)g->more + start;                                                  \
      T *y = (T *)g->to + start;                                                                \
      double carried[ABREAST];                                                                  \
      for (long i = 0; i < some; ++i) carried[i] = 0;                                           \
      for (long k = 0; k < g->axis; ++k, a += step, b += step, y += step) {                     \
        for (long i = 0; i < some; ++i) {                                                       \
          carried[i] = k == 0 ? (double)b[i] : (double)a[i] * carried[i] + (double)b[i];        \
          y[i] = (T)carried[i];                                                                 \
        }                                                                                       \
      }                                                                                         \
    })                                                                                          \
  }                                                                                             \
  void mt_##NAME MT_P_RECURRENCE(mt_context *, T) {                                             \
    job g = {.outer = s[0], .axis = s[1], .inner = s[2], .reverse = (int)s[4]};                 \
    g.from = factors, g.more = terms, g.to = dst;                                               \
    run(cx, &g, g.outer *g.inner, g.outer *g.inner *g.axis, NAME##_part);                       \
  }
MT_RECURRENCE(linear_recurrence_f32, float)
MT_RECURRENCE(linear_recurrence_f64, double)
