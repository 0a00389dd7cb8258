/* Gather and scatter-add along one axis. Indices out of range clamp. */
#include <string.h>

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

static long clamp(int64_t i, long count) {
  return i < 0 ? 0 : i >= count ? count - 1 : (long)i;
}

typedef struct {
  long outer, axis, inner, count;
  const void *index, *from;
  void *to;
  int parts;
} job;

/* dst[o, c, :] = src[o, index[c], :], the (o, c) split among the threads. */
#define MT_GATHER(NAME, T, SIZE)                                                                \
  static void NAME##_part(void *argument, int part) {                                           \
    const job *g = argument;                                                                    \
    const T *index = g->index;                                                                  \
    const long rows = g->outer * g->count, stop = rows * (part + 1) / g->parts;                 \
    for (long r = rows * part / g->parts; r < stop; ++r) {                                      \
      const long o = r / g->count, i = clamp(index[r % g->count], g->axis);                     \
      const char *x = (const char *)g->from + (o * g->axis + i) * g->inner * SIZE;              \
      char *y = (char *)g->to + r * g->inner * SIZE;                                            \
      if (g->inner == 1) {                                                                      \
        memcpy(y, x, SIZE);                                                                     \
      } else {                                                                                  \
        memcpy(y, x, (size_t)g->inner * SIZE);                                                  \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME MT_P_GATHER(mt_context *, T) {                                                 \
    job g = {s[0], s[1], s[2], s[3], index, src, dst, 1};                                       \
    const long rows = g.outer * g.count;                                                        \
    if (rows <= 0 || g.inner <= 0) return;                                                      \
    if (g.axis <= 0) { /* nothing to read: an empty axis has no element to clamp to */          \
      memset(dst, 0, (size_t)(rows * g.inner) * SIZE);                                          \
      return;                                                                                   \
    }                                                                                           \
    g.parts = (int)mt_min(mt_parts_for(cx, rows * g.inner, 32768), rows);                       \
    mt_run_parts(cx, g.parts, NAME##_part, &g);                                                 \
  }
MT_GATHER(gather_i32_1, int, 1)
MT_GATHER(gather_i32_4, int, 4)
MT_GATHER(gather_i32_8, int, 8)
MT_GATHER(gather_i64_1, long, 1)
MT_GATHER(gather_i64_4, long, 4)
MT_GATHER(gather_i64_8, long, 8)

/* dst[o, index[c], :] += updates[o, c, :], c ascending. Threads share outer x inner, never an element:
 * each sees all updates of its elements in order. */
#define MT_SCATTER(NAME, I, T, U, PARAMETERS)                                                   \
  static void NAME##_part(void *argument, int part) {                                           \
    const job *g = argument;                                                                    \
    const I *index = g->index;                                                                  \
    const long units = g->outer * g->inner, stop = units * (part + 1) / g->parts;               \
    for (long u = units * part / g->parts, some; u < stop; u += some) {                         \
      const long o = u / g->inner, from = u % g->inner;                                         \
      some = mt_min(g->inner - from, stop - u);                                                 \
      const T *x = (const T *)g->from + o * g->count * g->inner + from;                         \
      T *y = (T *)g->to + o * g->axis * g->inner + from;                                        \
      for (long c = 0; c < g->count; ++c, x += g->inner) {                                      \
        T *row = y + clamp(index[c], g->axis) * g->inner;                                       \
        for (long i = 0; i < some; ++i) row[i] = (T)((U)row[i] + (U)x[i]);                      \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME PARAMETERS(mt_context *, T) {                                                  \
    job g = {s[0], s[1], s[2], s[3], index, updates, dst, 1};                                   \
    const long units = g.outer * g.inner;                                                       \
    if (units <= 0 || g.axis <= 0) return;                                                      \
    g.parts = (int)mt_min(mt_parts_for(cx, units * g.count, 32768), mt_ceil(units, 16));        \
    mt_run_parts(cx, g.parts, NAME##_part, &g);                                                 \
  }
#define MT_SCATTERS(T, U, S)                                    \
  MT_SCATTER(scatter_add_i32_##S, int, T, U, MT_P_SCATTER_I32)  \
  MT_SCATTER(scatter_add_i64_##S, long, T, U, MT_P_SCATTER_I64)
MT_SCATTERS(float, float, f32)
MT_SCATTERS(double, double, f64)
MT_SCATTERS(int, unsigned, i32)
MT_SCATTERS(long, unsigned long, i64)
MT_SCATTERS(unsigned char, unsigned, u8)
