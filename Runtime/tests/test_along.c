/* What walks along an axis: taking and adding at indices, running sums, products and extremes, recurrences, sorting and the
 * first k; against plain loops, and the same whatever the threads. */
#include "support.h"

static long clamped(long i, long count) { return i < 0 ? 0 : i >= count ? count - 1 : i; }

typedef struct {
  long outer, axis, inner;
} shape;
static long at(shape s, long o, long k, long i) { return (o * s.axis + k) * s.inner + i; }

static void indices(mt_context *cx, shape s, long count) {
  typedef void (*take)(mt_context *, const long *, const void *, const int *, void *);
  typedef void (*take64)(mt_context *, const long *, const void *, const long *, void *);
  typedef void (*add)(mt_context *, const long *, const int *, const float *, float *);
  const long n = s.outer * s.axis * s.inner, m = s.outer * count * s.inner;
  int *index = elements(m, sizeof *index);
  long *wide = elements(m, sizeof *wide);
  for (long i = 0; i < m; ++i) wide[i] = index[i] = (int)(random_up_to(s.axis + 4) - 2);
  for (long size = 1; size <= 8; size *= 2) {
    const long table[] = {s.outer, s.axis, s.inner, count, size};
    unsigned char *x = elements(n, (size_t)size), *y = elements(m, (size_t)size), *z = elements(m, (size_t)size);
    for (long i = 0; i < n * size; ++i) x[i] = (unsigned char)random_bits();
    FUNCTION(take, "mt_take_along_i32", MT_BASELINE)(cx, table, x, index, y);
    FUNCTION(take64, "mt_take_along_i64", MT_BASELINE)(cx, table, x, wide, z);
    long bad = 0;
    for (long o = 0; o < s.outer; ++o)
      for (long c = 0; c < count; ++c)
        for (long i = 0; i < s.inner; ++i) {
          const long to = (o * count + c) * s.inner + i;
          bad += memcmp(y + to * size, x + at(s, o, clamped(index[to], s.axis), i) * size, (size_t)size) != 0;
        }
    CHECK(bad == 0, "take along, %ld bytes: %ld wrong", size, bad);
    CHECK(memcmp(y, z, (size_t)(m * size)) == 0, "i64 like i32");
    free(x), free(y), free(z);
  }
  const long table[] = {s.outer, s.axis, s.inner, count, 0};
  float *u = reals_f32(m), *y = reals_f32(n), *want = elements(n, sizeof *want);
  for (long o = 0; o < s.outer; ++o)
    for (long c = 0; c < count; ++c)
      for (long i = 0; i < s.inner; ++i) {
        const long from = (o * count + c) * s.inner + i;
        want[at(s, o, clamped(index[from], s.axis), i)] += u[from];
      }
  FUNCTION(add, "mt_add_along_i32_f32", MT_BASELINE)(cx, table, index, u, y);
  CHECK(memcmp(y, want, (size_t)n * sizeof *y) == 0, "add along");
  free(index), free(wide), free(u), free(y), free(want);
}

static void running(mt_context *cx, shape s, int reverse, int exclusive) {
  typedef void (*line)(mt_context *, const long *, const float *, float *);
  typedef void (*places)(mt_context *, const long *, const float *, int *);
  typedef void (*recurrence)(mt_context *, const long *, const double *, const double *, double *);
  const long n = s.outer * s.axis * s.inner, table[] = {s.outer, s.axis, s.inner, exclusive, reverse};
  float *x = reals_f32(n), *sum = elements(n, 4), *product = elements(n, 4);
  int *most = elements(n, 4), *least = elements(n, 4);
  double *a = reals_f64(n), *b = reals_f64(n), *y = elements(n, 8);
  for (long i = 0; i < n; ++i) {
    if (i % 5 == 0) x[i] = (float)(i % 3);
    if (i % 97 == 50) x[i] = NAN;
  }
  FUNCTION(line, "mt_cumulative_sum_f32", MT_BASELINE)(cx, table, x, sum);
  FUNCTION(line, "mt_cumulative_product_f32", MT_BASELINE)(cx, table, x, product);
  FUNCTION(places, "mt_cumulative_argmax_f32", MT_BASELINE)(cx, table, x, most);
  FUNCTION(places, "mt_cumulative_argmin_f32", MT_BASELINE)(cx, table, x, least);
  FUNCTION(recurrence, "mt_linear_recurrence_f64", MT_BASELINE)(cx, table, a, b, y);
  long bad[5] = {0};
  for (long o = 0; o < s.outer; ++o)
    for (long i = 0; i < s.inner; ++i) {
      double total = 0, all = 1, state = 0;
      long high = -1, low = -1;
      for (long step = 0; step < s.axis; ++step) {
        const long k = reverse ? s.axis - 1 - step : step, p = at(s, o, k, i);
        const double now = (double)x[p];
        if (exclusive) bad[0] += !(sum[p] == (float)total || isnan(total)), bad[1] += !(product[p] == (float)all || isnan(all));
        total += now, all *= now;
        if (!exclusive) bad[0] += !(sum[p] == (float)total || isnan(total)), bad[1] += !(product[p] == (float)all || isnan(all));
        if (high < 0 || (!isnan(x[at(s, o, high, i)]) && (x[p] > x[at(s, o, high, i)] || isnan(x[p])))) high = k;
        if (low < 0 || (!isnan(x[at(s, o, low, i)]) && (x[p] < x[at(s, o, low, i)] || isnan(x[p])))) low = k;
        bad[2] += most[p] != high, bad[3] += least[p] != low;
        state = step == 0 ? b[p] : a[p] * state + b[p];
        bad[4] += y[p] != state;
      }
    }
  for (int k = 0; k < 5; ++k) CHECK(bad[k] == 0, "running %d, %ldx%ldx%ld: %ld wrong", k, s.outer, s.axis, s.inner, bad[k]);
  free(x), free(sum), free(product), free(most), free(least), free(a), free(b), free(y);
}

/* -1, 0 or 1 by value; NaN above all. */
static int order(double a, double b) {
  if (isnan(a) || isnan(b)) return !!isnan(a) - !!isnan(b);
  return (a > b) - (a < b);
}

#define TEST_ORDER(T, S, VALUE)                                                                             \
  static void orders_##S(mt_context *cx, shape s, long count, int flag, int top) {                          \
    typedef void (*function)(mt_context *, const long *, const T *, int *);                                 \
    const long n = s.outer * s.axis * s.inner, table[] = {s.outer, s.axis, s.inner, count, flag};           \
    T *x = elements(n, sizeof *x);                                                                          \
    int *y = elements(s.outer * count * s.inner, 4);                                                        \
    for (long i = 0; i < n; ++i) x[i] = VALUE;                                                              \
    FUNCTION(function, top ? "mt_arg_top_" #S : "mt_arg_sort_" #S, MT_BASELINE)(cx, table, x, y);           \
    long bad = 0;                                                                                           \
    for (long o = 0; o < s.outer; ++o)                                                                      \
      for (long i = 0; i < s.inner; ++i) {                                                                  \
        unsigned char *seen = elements(s.axis, 1);                                                          \
        for (long c = 0; c < count; ++c) {                                                                  \
          const long k = y[(o * count + c) * s.inner + i];                                                  \
          if (k < 0 || k >= s.axis || seen[k]) {                                                            \
            ++bad;                                                                                          \
            continue;                                                                                       \
          }                                                                                                 \
          seen[k] = 1;                                                                                      \
          if (c == 0) continue;                                                                             \
          const long before = y[(o * count + c - 1) * s.inner + i];                                         \
          const double p = (double)x[at(s, o, before, i)], q = (double)x[at(s, o, k, i)];                   \
          int sense = order(p, q);                                                                          \
          if (flag && (top || (!isnan(p) && !isnan(q)))) sense = -sense;                                    \
          bad += sense > 0 || (sense == 0 && before > k);                                                   \
        }                                                                                                   \
        /* What was left out is not better than the last of the chosen. */                                  \
        for (long k = 0; k < s.axis && count > 0; ++k) {                                                    \
          const long last = y[(o * count + count - 1) * s.inner + i];                                       \
          int sense = order((double)x[at(s, o, k, i)], (double)x[at(s, o, last, i)]);                       \
          if (flag) sense = -sense;                                                                         \
          if (top && !seen[k]) bad += sense < 0 || (sense == 0 && k < last);                                \
        }                                                                                                   \
        free(seen);                                                                                         \
      }                                                                                                     \
    CHECK(bad == 0, #S " order, %ldx%ldx%ld, first %ld, flag %d, top %d: %ld wrong", s.outer, s.axis,       \
          s.inner, count, flag, top, bad);                                                                  \
    free(x), free(y);                                                                                       \
  }
static float float_value(void) {
  static const float edges[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -1.0f};
  return random_bits() % 4 ? (float)random_real() : edges[random_bits() % 7];
}
TEST_ORDER(float, f32, float_value())
TEST_ORDER(double, f64, (double)float_value())
TEST_ORDER(int, i32, (int)random_bits())
TEST_ORDER(long, i64, (long)random_up_to(40) - 20)
TEST_ORDER(unsigned char, u8, (unsigned char)random_bits())

int main(void) {
  static const shape shapes[] = {{1, 7, 1}, {3, 5, 4}, {2, 130, 3}, {1, 1, 9}, {5, 2000, 1}, {2, 300, 200}, {0, 4, 2}, {3, 1, 0}};
  for (int threads = 1; threads <= 3; threads += 2) {
    mt_context *cx = mt_context_create(threads, 4096);
    mt_context_enter(cx);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; ++k) {
      const shape s = shapes[k];
      indices(cx, s, 6);
      for (int flag = 0; flag < 4; ++flag) running(cx, s, flag & 1, flag >> 1);
      for (int flag = 0; flag < 2; ++flag) {
        orders_f32(cx, s, s.axis, flag, 0), orders_f64(cx, s, s.axis, flag, 0), orders_i32(cx, s, s.axis, flag, 0);
        orders_i64(cx, s, s.axis, flag, 0), orders_u8(cx, s, s.axis, flag, 0);
        for (long few = 1; few <= s.axis; few = few * 5 + 1) {
          orders_f32(cx, s, few, flag, 1), orders_f64(cx, s, few, flag, 1), orders_i32(cx, s, few, flag, 1);
          orders_i64(cx, s, few, flag, 1), orders_u8(cx, s, few, flag, 1);
        }
      }
    }
    mt_context_leave(cx);
    mt_context_destroy(cx);
  }
  return finish("along");
}
