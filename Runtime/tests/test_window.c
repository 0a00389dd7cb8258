/* Window reductions and their gradients, gather, scatter-add and row copies, against plain loops. */
#include "support.h"

enum { N, IH, IW, C, OH, OW, KH, KW, SH, SW, PT, PL, DH, DW };

#define E float
#define SUFFIX_TEXT "f32"
#define NAME(x) x##_f32
#define TOLERANCE 1e-4
#include "window_cases.inc"
#undef E
#undef SUFFIX_TEXT
#undef NAME
#undef TOLERANCE
#define E double
#define SUFFIX_TEXT "f64"
#define NAME(x) x##_f64
#define TOLERANCE 1e-12
#include "window_cases.inc"

static long clamped(long i, long count) { return i < 0 ? 0 : i >= count ? count - 1 : i; }

static void gathers(mt_context *cx, long outer, long axis, long inner, long count) {
  typedef void (*gather32)(mt_context *, const long *, const void *, const int *, void *);
  typedef void (*gather64)(mt_context *, const long *, const void *, const long *, void *);
  const long s[] = {outer, axis, inner, count}, sizes[] = {1, 4, 8};
  int *index = elements(count, sizeof(int));
  long *wide = elements(count, sizeof(long));
  for (long i = 0; i < count; ++i) wide[i] = index[i] = (int)(random_up_to(axis + 4) - 2);
  for (int k = 0; k < 3; ++k) {
    const long size = sizes[k];
    unsigned char *src = elements(outer * axis * inner, (size_t)size);
    unsigned char *dst = elements(outer * count * inner, (size_t)size);
    unsigned char *other = elements(outer * count * inner, (size_t)size);
    for (long i = 0; i < outer * axis * inner * size; ++i) src[i] = (unsigned char)random_bits();
    char name[32];
    snprintf(name, sizeof name, "mt_gather_i32_%ld", size);
    FUNCTION(gather32, name, MT_BASELINE)(cx, s, src, index, dst);
    snprintf(name, sizeof name, "mt_gather_i64_%ld", size);
    FUNCTION(gather64, name, MT_BASELINE)(cx, s, src, wide, other);
    long bad = 0;
    for (long r = 0; r < outer * count; ++r) {
      const long from = (r / count * axis + clamped(wide[r % count], axis)) * inner * size;
      bad += memcmp(dst + r * inner * size, src + from, (size_t)(inner * size)) != 0;
    }
    CHECK(bad == 0, "gather of %ld bytes, inner %ld: %ld wrong", size, inner, bad);
    CHECK(memcmp(dst, other, (size_t)(outer * count * inner * size)) == 0, "i64 like i32");
    free(src), free(dst), free(other);
  }
  free(index), free(wide);
}

static void copies(mt_context *cx, long rows, long width, long from_gap, long to_gap, long offset) {
  typedef void (*copy)(mt_context *, const long *, const void *, void *);
  const long from_stride = width + from_gap, to_stride = width + to_gap;
  const long s[] = {rows, width, from_stride, to_stride, offset};
  const long size = offset + rows * to_stride;
  unsigned char *src = elements(rows * from_stride, 1), *dst = elements(size, 1), *want = elements(size, 1);
  for (long i = 0; i < rows * from_stride; ++i) src[i] = (unsigned char)random_bits();
  for (long i = 0; i < size; ++i) want[i] = dst[i] = (unsigned char)random_bits();
  for (long r = 0; r < rows; ++r) {
    for (long i = 0; i < width; ++i) want[offset + r * to_stride + i] = src[r * from_stride + i];
  }
  FUNCTION(copy, "mt_copy_rows", MT_BASELINE)(cx, s, src, dst);
  CHECK(memcmp(dst, want, (size_t)size) == 0, "%ld rows of %ld bytes at %ld", rows, width, offset);
  free(src), free(dst), free(want);
}

static void joins(mt_context *cx, long rows, const long *width) {
  typedef void (*join)(mt_context *, const long *, const void *, const void *, const void *, const void *, void *);
  const long s[] = {rows, width[0], width[1], width[2], width[3]};
  const long row = width[0] + width[1] + width[2] + width[3];
  unsigned char *src[4], *dst = elements(rows * row, 1), *want = elements(rows * row, 1);
  long from = 0;
  for (int i = 0; i < 4; from += width[i++]) {
    src[i] = elements(rows * width[i] + 1, 1);
    for (long at = 0; at < rows * width[i]; ++at) {
      want[at / width[i] * row + from + at % width[i]] = src[i][at] = (unsigned char)random_bits();
    }
  }
  FUNCTION(join, "mt_join_rows", MT_BASELINE)(cx, s, src[0], src[1], src[2], src[3], dst);
  CHECK(memcmp(dst, want, (size_t)(rows * row)) == 0, "%ld rows of %ld bytes joined", rows, row);
  for (int i = 0; i < 4; ++i) free(src[i]);
  free(dst), free(want);
}

static void scatters(mt_context *const *contexts, int contexts_count, long outer, long axis, long inner,
                     long count) {
  typedef void (*scatter)(mt_context *, const long *, const int *, const float *, float *);
  typedef void (*placing)(mt_context *, const long *, const void *, const int *, void *);
  typedef void (*placing_wide)(mt_context *, const long *, const void *, const long *, void *);
  typedef void (*scatter_i32)(mt_context *, const long *, const long *, const int *, int *);
  const long s[] = {outer, axis, inner, count}, size = outer * axis * inner;
  int *index = elements(count, sizeof(int));
  long *wide = elements(count, sizeof(long));
  for (long i = 0; i < count; ++i) wide[i] = index[i] = (int)(random_up_to(axis + 4) - 2);
  float *updates = reals_f32(outer * count * inner), *start = reals_f32(size);
  float *want = elements(size, 4), *got = elements(size, 4);
  int *numbers = elements(outer * count * inner, 4), *sums = elements(size, 4), *wanted = elements(size, 4);
  memcpy(want, start, (size_t)size * 4);
  float *placed = elements(size, 4);
  memcpy(placed, start, (size_t)size * 4);
  for (long i = 0; i < outer * count * inner; ++i) numbers[i] = (int)random_bits();
  for (long r = 0; r < outer * count; ++r) {
    for (long i = 0; i < inner; ++i) {
      const long to = (r / count * axis + clamped(index[r % count], axis)) * inner + i;
      want[to] += updates[r * inner + i];
      placed[to] = updates[r * inner + i];
      wanted[to] = (int)((unsigned)wanted[to] + (unsigned)numbers[r * inner + i]);
    }
  }
  for (int t = 0; t < contexts_count; ++t) {
    memcpy(got, start, (size_t)size * 4);
    memset(sums, 0, (size_t)size * 4);
    FUNCTION(scatter, "mt_scatter_add_i32_f32", MT_BASELINE)(contexts[t], s, index, updates, got);
    FUNCTION(scatter_i32, "mt_scatter_add_i64_i32", MT_BASELINE)(contexts[t], s, wide, numbers, sums);
    CHECK(memcmp(want, got, (size_t)size * 4) == 0, "scatter_add f32, inner %ld", inner);
    CHECK(memcmp(wanted, sums, (size_t)size * 4) == 0, "scatter_add i32, inner %ld", inner);
    memcpy(got, start, (size_t)size * 4);
    FUNCTION(placing, "mt_scatter_set_i32_4", MT_BASELINE)(contexts[t], s, updates, index, got);
    CHECK(memcmp(placed, got, (size_t)size * 4) == 0, "scatter_set i32, inner %ld", inner);
    memcpy(got, start, (size_t)size * 4);
    FUNCTION(placing_wide, "mt_scatter_set_i64_4", MT_BASELINE)(contexts[t], s, updates, wide, got);
    CHECK(memcmp(placed, got, (size_t)size * 4) == 0, "scatter_set i64, inner %ld", inner);
  }
  free(placed);
  free(index), free(wide), free(updates), free(start), free(want), free(got), free(numbers), free(sums);
  free(wanted);
}

int main(void) {
  const int threads[] = {1, 2, 3, 8};
  mt_context *contexts[4];
  for (int i = 0; i < 4; ++i) contexts[i] = mt_context_create(threads[i], 64);
  all_f32(contexts, 4);
  all_f64(contexts, 4);
  const long shapes[][4] = {{1, 10, 1, 64}, {3, 7, 5, 9}, {2, 100, 64, 1000}, {1, 5, 300, 400},
                            {700, 6, 1, 64}, {2, 3, 4, 0}, {0, 3, 4, 5}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    const long *s = shapes[i];
    gathers(contexts[i % 4], s[0], s[1], s[2], s[3]);
    copies(contexts[i % 4], s[0], s[1], s[2], s[3], random_up_to(9));
    scatters(contexts, 4, s[0], s[1], s[2], s[3]);
  }
  for (int i = 0; i < 4; ++i) { /* large enough to be shared among threads */
    copies(contexts[i], 3000, 333, 5, 7, 11);
    copies(contexts[i], 1, 2000003, 0, 0, 3);
    copies(contexts[i], 1000, 1024, 0, 0, 64);
    joins(contexts[i], 1, (const long[]){5, 8, 0, 0});
    joins(contexts[i], 37, (const long[]){4, 1, 12, 7});
    joins(contexts[i], 501, (const long[]){128, 0, 256, 64});
  }
  for (int i = 0; i < 4; ++i) mt_context_destroy(contexts[i]);
  return finish("window");
}
