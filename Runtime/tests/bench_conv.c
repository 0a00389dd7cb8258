/* The convolutions and windows of one LeNet-5 training step at batch 64, one thread, microseconds.
 *   bench_conv [isa] [threads] */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <time.h>

#include "support.h"

typedef void (*conv)(mt_context *, const long *, const float *, const float *, float *, mt_kernel,
                     void *const *);
typedef void (*max_call)(mt_context *, const long *, const float *, float *, int *);
typedef void (*chosen_call)(mt_context *, const long *, const float *, const int *, float *);

static clockid_t watch = CLOCK_THREAD_CPUTIME_ID;
static double now(void) {
  struct timespec t;
  clock_gettime(watch, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double total = 0;
enum { REPEATS = 301 };
#define TIME(text, flops, call)                                                            \
  do {                                                                                     \
    static double times[REPEATS];                                                          \
    for (int i_ = 0; i_ < REPEATS; ++i_) {                                                 \
      const double start_ = now();                                                         \
      call;                                                                                \
      times[i_] = now() - start_;                                                          \
    }                                                                                      \
    qsort(times, REPEATS, sizeof(double), ascending);                                      \
    const double t_ = times[REPEATS / 2];                                                  \
    total += t_;                                                                           \
    printf("%-24s %8.1f us %7.1f GF\n", text, t_ * 1e6, (double)(flops) / t_ * 1e-9);      \
  } while (0)

int main(int argc, char **argv) {
  mt_isa isa = mt_best_isa();
  if (argc > 1 && !mt_isa_from_name(argv[1], &isa)) return 64;
  const int threads = argc > 2 ? atoi(argv[2]) : 1;
  if (threads > 1) watch = CLOCK_MONOTONIC;
  mt_context *cx = mt_context_create(threads, 4096);
  const long c1[] = {64, 28, 28, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1};
  const long c2[] = {64, 14, 14, 6, 10, 10, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1};
  const long w1[] = {64, 28, 28, 6, 14, 14, 2, 2, 2, 2, 0, 0, 1, 1};
  const long w2[] = {64, 10, 10, 16, 5, 5, 2, 2, 2, 2, 0, 0, 1, 1};
  float *x = reals_f32(64 * 784), *k1 = reals_f32(150), *k2 = reals_f32(2400);
  float *y1 = reals_f32(64 * 784 * 6), *p1 = reals_f32(64 * 196 * 6);
  float *y2 = reals_f32(64 * 1600), *p2 = reals_f32(64 * 400);
  int *i1 = elements(64 * 196 * 6, 4), *i2 = elements(64 * 400, 4);
  conv forward = FUNCTION(conv, "mt_conv2d_f32", isa);
  conv input = FUNCTION(conv, "mt_conv2d_input_gradient_f32", isa);
  conv filter = FUNCTION(conv, "mt_conv2d_filter_gradient_f32", isa);
  max_call pool = FUNCTION(max_call, "mt_max_window_f32", isa);
  chosen_call spread = FUNCTION(chosen_call, "mt_window_scatter_f32", isa);
  mt_context_enter(cx);
  const double f1 = 2.0 * 64 * 784 * 150, f2 = 2.0 * 64 * 100 * 2400;
  TIME("conv1 forward", f1, forward(cx, c1, x, k1, y1, NULL, NULL));
  TIME("pool1 forward", 0, pool(cx, w1, y1, p1, i1));
  TIME("conv2 forward", f2, forward(cx, c2, p1, k2, y2, NULL, NULL));
  TIME("pool2 forward", 0, pool(cx, w2, y2, p2, i2));
  TIME("pool2 gradient", 0, spread(cx, w2, p2, i2, y2));
  TIME("conv2 filter gradient", f2, filter(cx, c2, p1, y2, k2, NULL, NULL));
  TIME("conv2 input gradient", f2, input(cx, c2, y2, k2, p1, NULL, NULL));
  TIME("pool1 gradient", 0, spread(cx, w1, p1, i1, y1));
  TIME("conv1 filter gradient", f1, filter(cx, c1, x, y1, k1, NULL, NULL));
  mt_context_leave(cx);
  printf("%-24s %8.1f us\n", "sum", total * 1e6);
  mt_context_destroy(cx);
  return 0;
}
