/* Gather, scatter-add and scatter along one axis, where indices out of range clamp; and copies of rows. */
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
MT_GATHER(gather_i32_2, int, 2)
MT_GATHER(gather_i32_4, int, 4)
MT_GATHER(gather_i32_8, int, 8)
MT_GATHER(gather_i64_1, long, 1)
MT_GATHER(gather_i64_2, long, 2)
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

/* dst[o, index[c], :] = src[o, c, :], c ascending: of equal indices the last one stays. Threads share
 * outer x inner bytes, so each byte has one writer. */
#define MT_SCATTER_SET(NAME, T, SIZE)                                                           \
  static void NAME##_part(void *argument, int part) {                                           \
    const job *g = argument;                                                                    \
    const T *index = g->index;                                                                  \
    const long width = g->inner * SIZE, bytes = g->outer * width;                               \
    const long share = mt_ceil(mt_ceil(bytes, g->parts), 64) * 64;                              \
    const long stop = mt_min(share * (part + 1), bytes);                                        \
    for (long u = share * part, some; u < stop; u += some) {                                    \
      const long o = u / width, from = u % width;                                               \
      some = mt_min(width - from, stop - u);                                                    \
      const char *x = (const char *)g->from + o * g->count * width + from;                      \
      char *y = (char *)g->to + o * g->axis * width + from;                                     \
      for (long c = 0; c < g->count; ++c, x += width) {                                         \
        memcpy(y + clamp(index[c], g->axis) * width, x, (size_t)some);                          \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME MT_P_GATHER(mt_context *, T) {                                                 \
    job g = {s[0], s[1], s[2], s[3], index, src, dst, 1};                                       \
    const long bytes = g.outer * g.inner * SIZE;                                                \
    if (bytes <= 0 || g.axis <= 0) return;                                                      \
    g.parts = (int)mt_min(mt_parts_for(cx, bytes * g.count, 1 << 18), mt_ceil(bytes, 64));      \
    mt_run_parts(cx, g.parts, NAME##_part, &g);                                                 \
  }
MT_SCATTER_SET(scatter_set_i32_1, int, 1)
MT_SCATTER_SET(scatter_set_i32_2, int, 2)
MT_SCATTER_SET(scatter_set_i32_4, int, 4)
MT_SCATTER_SET(scatter_set_i32_8, int, 8)
MT_SCATTER_SET(scatter_set_i64_1, long, 1)
MT_SCATTER_SET(scatter_set_i64_2, long, 2)
MT_SCATTER_SET(scatter_set_i64_4, long, 4)
MT_SCATTER_SET(scatter_set_i64_8, long, 8)

typedef struct {
  long width, from_stride, to_stride, bytes;
  const char *from;
  char *to;
  int parts;
} copy_job;

/* A part is a range of bytes, not of rows: a single long row is shared among the threads too. */
static void copy_part(void *argument, int part) {
  const copy_job *g = argument;
  /* A multiple of 64, so that two threads seldom write to one cache line. */
  const long share = mt_ceil(mt_ceil(g->bytes, g->parts), 64) * 64;
  const long stop = mt_min(share * (part + 1), g->bytes);
  for (long i = share * part, some; i < stop; i += some) {
    const long row = i / g->width, begin = i % g->width;
    some = mt_min(g->width - begin, stop - i);
    memcpy(g->to + row * g->to_stride + begin, g->from + row * g->from_stride + begin, (size_t)some);
  }
}

/* s = {rows, bytes of a row, stride of src, stride of dst, offset in dst}, all in bytes. */
void mt_copy_rows MT_P_COPY_ROWS(mt_context *, void) {
  copy_job g = {s[1], s[2], s[3], s[0] * s[1], src, (char *)dst + s[4], 1};
  if (g.bytes <= 0) return;
  if (g.width == g.from_stride && g.width == g.to_stride) g.width = g.bytes;
  g.parts = mt_parts_for(cx, g.bytes, 1 << 18);
  mt_run_parts(cx, g.parts, copy_part, &g);
}

typedef struct {
  long rows, width[4];
  const char *from[4];
  char *to;
  int parts;
} join_job;

static void join_part(void *argument, int part) {
  const join_job *g = argument;
  const long begin = g->rows * part / g->parts, end = g->rows * (part + 1) / g->parts;
  char *to = g->to + begin * (g->width[0] + g->width[1] + g->width[2] + g->width[3]);
  for (long r = begin; r < end; ++r) {
    for (int i = 0; i < 4; to += g->width[i++]) {
      if (g->width[i]) memcpy(to, g->from[i] + r * g->width[i], (size_t)g->width[i]);
    }
  }
}

/* Rows of two to four arrays side by side; s = {rows, bytes of a row of each, 0 for those that are not there}. */
void mt_join_rows MT_P_JOIN_ROWS(mt_context *, void) {
  join_job g = {s[0], {s[1], s[2], s[3], s[4]}, {x0, x1, x2, x3}, dst, 1};
  const long bytes = g.rows * (s[1] + s[2] + s[3] + s[4]);
  if (bytes <= 0) return;
  g.parts = (int)mt_min(mt_parts_for(cx, bytes, 1 << 15), g.rows);
  mt_run_parts(cx, g.parts, join_part, &g);
}
