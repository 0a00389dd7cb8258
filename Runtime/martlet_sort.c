/* The order of the elements along one axis: a stable sort and the first k of it, as i32 places.
 *
 * An element becomes an unsigned key of the same order (-0 like +0, NaN above infinity), keys are sorted by their bytes from
 * the last to the first; bytes that all keys share cost nothing. A line is sorted by one thread. */
#include <string.h>

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

typedef struct {
  uint64_t key;
  uint32_t place;
} entry;

static uint64_t key_f32(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  if (x != x) return UINT32_MAX;
  if (u == 0x80000000u) u = 0;
  return u >> 31 ? ~u : u | 0x80000000u;
}
static uint64_t key_f64(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  if (x != x) return UINT64_MAX;
  if (u == 0x8000000000000000u) u = 0;
  return u >> 63 ? ~u : u | 0x8000000000000000u;
}
static uint64_t key_i32(int x) { return (uint32_t)x ^ 0x80000000u; }
static uint64_t key_i64(long x) { return (uint64_t)x ^ 0x8000000000000000u; }
static uint64_t key_u8(unsigned char x) { return x; }

static void sort_few(entry *x, long n) {
  for (long i = 1; i < n; ++i) {
    const entry e = x[i];
    long j = i;
    for (; j > 0 && x[j - 1].key > e.key; --j) x[j] = x[j - 1];
    x[j] = e;
  }
}

/* Sorts x; `other` has the same room. Returns where the result is. */
static entry *sort_bytes(entry *x, entry *other, long n, int bytes) {
  static const int few = 48;
  if (n <= few) {
    sort_few(x, n);
    return x;
  }
  for (int b = 0; b < bytes; ++b) {
    uint32_t count[256] = {0};
    for (long i = 0; i < n; ++i) ++count[x[i].key >> (8 * b) & 255];
    if (count[x[0].key >> (8 * b) & 255] == (uint32_t)n) continue;
    for (uint32_t v = 0, sum = 0; v < 256; ++v) {
      const uint32_t c = count[v];
      count[v] = sum;
      sum += c;
    }
    for (long i = 0; i < n; ++i) other[count[x[i].key >> (8 * b) & 255]++] = x[i];
    entry *swap = x;
    x = other;
    other = swap;
  }
  return x;
}

typedef struct {
  mt_context *cx;
  long outer, axis, inner, count;
  int flag, parts;
  const void *from;
  int *to;
} job;

enum { FEW = 64 };

/* Without memory for the entries: each place goes before the first of the sorted ones whose key is larger. */
#define MT_SORT_IN_PLACE(KEY)                                                                   \
  for (long k = 0; k < g->axis; ++k) {                                                          \
    const uint64_t key = KEY(x[k * g->inner]);                                                  \
    long j = mt_min(k, g->count);                                                               \
    for (; j > 0 && KEY(x[y[(j - 1) * g->inner] * g->inner]) > key; --j)                        \
      if (j < g->count) y[j * g->inner] = y[(j - 1) * g->inner];                                \
    if (j < g->count) y[j * g->inner] = (int)k;                                                 \
  }

/* places[o, c, i]: c-th of the line's elements in ascending order of KEY(element, flag), c < count. Few places keep a sorted
 * list of the best so far; the most significant use is k of a vocabulary. */
#define MT_ORDER(NAME, T, S, KEY)                                                               \
  static void NAME##_##S##_part(void *argument, int part) {                                     \
    const job *g = argument;                                                                    \
    const int flag = g->flag;                                                                   \
    const long lines = g->outer * g->inner, stop = lines * (part + 1) / g->parts;               \
    const int whole = g->count > FEW || g->axis <= FEW;                                         \
    entry few[2 * FEW], *room = few;                                                            \
    if (g->axis > FEW && whole)                                                                 \
      room = mt_part_workspace(g->cx, part, 2 * (size_t)g->axis * sizeof *room);                \
    for (long u = lines * part / g->parts; u < stop; ++u) {                                     \
      const T *x = (const T *)g->from + (u / g->inner * g->axis) * g->inner + u % g->inner;     \
      int *y = g->to + (u / g->inner * g->count) * g->inner + u % g->inner;                     \
      if (!whole) {                                                                             \
        long held = 0;                                                                          \
        for (long k = 0; k < g->axis; ++k) {                                                    \
          const uint64_t key = KEY(x[k * g->inner]);                                            \
          if (held == g->count && key >= few[held - 1].key) continue;                           \
          long j = held < g->count ? held++ : held - 1;                                         \
          for (; j > 0 && few[j - 1].key > key; --j) few[j] = few[j - 1];                       \
          few[j].key = key, few[j].place = (uint32_t)k;                                         \
        }                                                                                       \
        for (long c = 0; c < g->count; ++c) y[c * g->inner] = (int)few[c].place;                \
      } else if (room == NULL) {                                                                \
        MT_SORT_IN_PLACE(KEY)                                                                   \
      } else {                                                                                  \
        for (long k = 0; k < g->axis; ++k)                                                      \
          room[k].key = KEY(x[k * g->inner]), room[k].place = (uint32_t)k;                      \
        const entry *sorted = sort_bytes(room, room + g->axis, g->axis, (int)sizeof(T));        \
        for (long c = 0; c < g->count; ++c) y[c * g->inner] = (int)sorted[c].place;             \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  void mt_##NAME##_##S MT_P_PLACES(mt_context *, T) {                                           \
    job g = {cx, s[0], s[1], s[2], s[3], (int)s[4], 1, src, places};                            \
    const long lines = g.outer * g.inner;                                                       \
    if (lines <= 0 || g.axis <= 0 || g.count <= 0) return;                                      \
    g.parts = (int)mt_min(mt_parts_for(cx, lines * g.axis, 4096), lines);                       \
    mt_run_parts(cx, g.parts, NAME##_##S##_part, &g);                                           \
  }

/* Sorting, s = {outer, axis, inner, axis, descending}: NaN last both ways. */
#define SORT_f32(e) (flag && (e) == (e) ? UINT32_MAX - key_f32(e) : key_f32(e))
#define SORT_f64(e) (flag && (e) == (e) ? UINT64_MAX - key_f64(e) : key_f64(e))
#define SORT_i32(e) (flag ? UINT32_MAX - key_i32(e) : key_i32(e))
#define SORT_i64(e) (flag ? UINT64_MAX - key_i64(e) : key_i64(e))
#define SORT_u8(e) (flag ? 255 - key_u8(e) : key_u8(e))
/* The first k, s = {outer, axis, inner, k, largest}: NaN counts as the largest. */
#define TOP_f32(e) (flag ? UINT32_MAX - key_f32(e) : key_f32(e))
#define TOP_f64(e) (flag ? UINT64_MAX - key_f64(e) : key_f64(e))
#define TOP_i32(e) SORT_i32(e)
#define TOP_i64(e) SORT_i64(e)
#define TOP_u8(e) SORT_u8(e)
#define MT_ORDERS(T, S)                \
  MT_ORDER(arg_sort, T, S, SORT_##S)   \
  MT_ORDER(arg_top, T, S, TOP_##S)
MT_ORDERS(float, f32)
MT_ORDERS(double, f64)
MT_ORDERS(int, i32)
MT_ORDERS(long, i64)
MT_ORDERS(unsigned char, u8)
