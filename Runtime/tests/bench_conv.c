/* The three convolutions of each layer of the benchmark's networks: median microseconds, GFLOP/s and
 * the share of the FMA peak (of the memory bandwidth for depthwise layers, whose limit that is).
 *   bench_conv [set] [isa] [threads]     set: resnet vgg lenet mobile pools all
 * Benchmarks/peers/conv_layers.py measures the same layers in PyTorch. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <time.h>

#include "martlet_probe.h"
#include "support.h"

typedef void (*conv)(mt_context *, const long *, const float *, const float *, float *, mt_kernel,
                     void *const *);
typedef void (*max_call)(mt_context *, const long *, const float *, float *, int *);
typedef void (*chosen_call)(mt_context *, const long *, const float *, const int *, float *);

/* One thread is timed by its own clock, which other programs' load does not move. */
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

typedef struct {
  const char *set, *name;
  long times; /* in the network */
  long n, size, ic, oc, kernel, stride, pad, groups;
} layer;

static const layer layers[] = {
    {"resnet", "3-16 32x32", 1, 32, 32, 3, 16, 3, 1, 1, 1},
    {"resnet", "16-16 32x32", 6, 32, 32, 16, 16, 3, 1, 1, 1},
    {"resnet", "16-32 s2", 1, 32, 32, 16, 32, 3, 2, 1, 1},
    {"resnet", "16-32 1x1 s2", 1, 32, 32, 16, 32, 1, 2, 0, 1},
    {"resnet", "32-32 16x16", 5, 32, 16, 32, 32, 3, 1, 1, 1},
    {"resnet", "32-64 s2", 1, 32, 16, 32, 64, 3, 2, 1, 1},
    {"resnet", "32-64 1x1 s2", 1, 32, 16, 32, 64, 1, 2, 0, 1},
    {"resnet", "64-64 8x8", 5, 32, 8, 64, 64, 3, 1, 1, 1},
    {"vgg", "3-64 224", 1, 1, 224, 3, 64, 3, 1, 1, 1},
    {"vgg", "64-64 224", 1, 1, 224, 64, 64, 3, 1, 1, 1},
    {"vgg", "64-128 112", 1, 1, 112, 64, 128, 3, 1, 1, 1},
    {"vgg", "128-128 112", 1, 1, 112, 128, 128, 3, 1, 1, 1},
    {"vgg", "128-256 56", 1, 1, 56, 128, 256, 3, 1, 1, 1},
    {"vgg", "256-256 56", 2, 1, 56, 256, 256, 3, 1, 1, 1},
    {"vgg", "256-512 28", 1, 1, 28, 256, 512, 3, 1, 1, 1},
    {"vgg", "512-512 28", 2, 1, 28, 512, 512, 3, 1, 1, 1},
    {"vgg", "512-512 14", 3, 1, 14, 512, 512, 3, 1, 1, 1},
    {"lenet", "1-6 28x28 5x5", 1, 64, 28, 1, 6, 5, 1, 2, 1},
    {"lenet", "6-16 14x14 5x5", 1, 64, 14, 6, 16, 5, 1, 0, 1},
    {"mobile", "dw 32 112", 1, 1, 112, 32, 32, 3, 1, 1, 32},
    {"mobile", "dw 64 112 s2", 1, 1, 112, 64, 64, 3, 2, 1, 64},
    {"mobile", "dw 128 56", 1, 1, 56, 128, 128, 3, 1, 1, 128},
    {"mobile", "dw 256 28", 1, 1, 28, 256, 256, 3, 1, 1, 256},
    {"mobile", "dw 512 14", 5, 1, 14, 512, 512, 3, 1, 1, 512},
    {"mobile", "dw 1024 7", 1, 1, 7, 1024, 1024, 3, 1, 1, 1024},
    {"mobile", "pw 64-128 56", 1, 1, 56, 64, 128, 1, 1, 0, 1},
    {"mobile", "grouped 128/4 28", 1, 1, 28, 128, 128, 3, 1, 1, 4},
};

static void measure(mt_context *cx, mt_isa isa, const layer *l, mt_probe_result limit, double *sums) {
  static const char *const calls[] = {"mt_conv2d_f32", "mt_conv2d_input_gradient_f32",
                                      "mt_conv2d_filter_gradient_f32"};
  const long out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  const long g[] = {l->n, l->size, l->size, l->ic, out, out, l->oc, l->kernel, l->kernel, l->stride,
                    l->stride, l->pad, l->pad, 1, 1, l->groups};
  const long sizes[] = {l->n * l->size * l->size * l->ic,
                        l->kernel * l->kernel * l->ic / l->groups * l->oc, l->n * out * out * l->oc};
  float *x = reals_f32(sizes[0]), *w = reals_f32(sizes[1]), *y = reals_f32(sizes[2]);
  const float *left[] = {x, y, x}, *right[] = {w, w, y};
  float *to[] = {y, x, w};
  const double flops = 2.0 * (double)l->n * (double)(out * out) * (double)sizes[1];
  const double bytes = 4.0 * (double)(sizes[0] + sizes[1] + sizes[2]);
  const double least = flops / limit.fma_gflops, moved = bytes / limit.copy_gbs;
  const double bound = 1e-9 * (least > moved ? least : moved);
  printf("%-18s", l->name);
  for (int f = 0; f < 3; ++f) {
    enum { MOST = 400 };
    double times[MOST];
    int count = 0;
    conv call = FUNCTION(conv, calls[f], isa);
    call(cx, g, left[f], right[f], to[f], NULL, NULL);
    for (double spent = 0; count < MOST && (spent < 0.12 || count < 5); spent += times[count++]) {
      const double start = now();
      call(cx, g, left[f], right[f], to[f], NULL, NULL);
      times[count] = now() - start;
    }
    qsort(times, (size_t)count, sizeof(double), ascending);
    const double t = times[count / 2];
    sums[f] += t * (double)l->times;
    sums[3 + f] += bound * (double)l->times;
    printf(" | %9.1f us %6.1f GF %4.2f%s", t * 1e6, flops / t * 1e-9, bound / t,
           moved > least ? "m" : " ");
  }
  printf("\n");
  fflush(stdout);
  free(x), free(w), free(y);
}

#define TIME(text, call)                               \
  do {                                                 \
    enum { REPEATS = 301 };                            \
    static double times[REPEATS];                      \
    for (int i_ = 0; i_ < REPEATS; ++i_) {             \
      const double start_ = now();                     \
      call;                                            \
      times[i_] = now() - start_;                      \
    }                                                  \
    qsort(times, REPEATS, sizeof(double), ascending);  \
    printf("%-18s | %9.1f us\n", text, times[REPEATS / 2] * 1e6); \
  } while (0)

/* VGG-16's pooling of one image. */
static void vgg_pools(mt_context *cx, mt_isa isa) {
  max_call pool = FUNCTION(max_call, "mt_max_window_f32", isa);
  for (long size = 224, c = 64; size >= 14; size /= 2, c = c < 512 ? 2 * c : c) {
    const long w[] = {1, size, size, c, size / 2, size / 2, 2, 2, 2, 2, 0, 0, 1, 1};
    float *x = reals_f32(size * size * c), *y = reals_f32(size * size * c / 4);
    int *chosen = elements(size * size * c / 4, 4);
    char text[32];
    snprintf(text, sizeof text, "pool %ldx%ld", size, c);
    TIME(text, pool(cx, w, x, y, chosen));
    free(x), free(y), free(chosen);
  }
}

/* LeNet-5's pooling at batch 64. */
static void pools(mt_context *cx, mt_isa isa) {
  const long w1[] = {64, 28, 28, 6, 14, 14, 2, 2, 2, 2, 0, 0, 1, 1};
  const long w2[] = {64, 10, 10, 16, 5, 5, 2, 2, 2, 2, 0, 0, 1, 1};
  float *y1 = reals_f32(64 * 784 * 6), *p1 = reals_f32(64 * 196 * 6);
  float *y2 = reals_f32(64 * 1600), *p2 = reals_f32(64 * 400);
  int *i1 = elements(64 * 196 * 6, 4), *i2 = elements(64 * 400, 4);
  max_call pool = FUNCTION(max_call, "mt_max_window_f32", isa);
  chosen_call spread = FUNCTION(chosen_call, "mt_window_scatter_f32", isa);
  TIME("pool1 forward", pool(cx, w1, y1, p1, i1));
  TIME("pool2 forward", pool(cx, w2, y2, p2, i2));
  TIME("pool1 gradient", spread(cx, w1, p1, i1, y1));
  TIME("pool2 gradient", spread(cx, w2, p2, i2, y2));
  free(y1), free(p1), free(y2), free(p2), free(i1), free(i2);
}

int main(int argc, char **argv) {
  const char *set = argc > 1 ? argv[1] : "all";
  mt_isa isa = mt_best_isa();
  if (argc > 2 && !mt_isa_from_name(argv[2], &isa)) return 64;
  const int threads = argc > 3 ? atoi(argv[3]) : 1;
  if (threads > 1) watch = CLOCK_MONOTONIC;
  mt_probe_result limit = {0};
  if (!mt_probe(isa, threads, &limit)) return 1;
  printf("%s, %d threads: %.0f GFLOP/s, %.1f GB/s copied\n", mt_isa_name(isa), threads,
         limit.fma_gflops, limit.copy_gbs);
  printf("%-18s | %-27s | %-27s | %s\n", "layer", "forward", "input gradient", "filter gradient");
  mt_context *cx = mt_context_create(threads, 4096);
  mt_context_enter(cx);
  const char *current = NULL;
  double sums[6] = {0};
  for (size_t i = 0; i <= sizeof layers / sizeof layers[0]; ++i) {
    const int end = i == sizeof layers / sizeof layers[0];
    if (!end && strcmp(set, "all") != 0 && strcmp(set, layers[i].set) != 0) continue;
    if (current && (end || strcmp(current, layers[i].set) != 0)) {
      printf("%-10s network", current);
      for (int f = 0; f < 3; ++f) {
        printf(" | %9.1f us           %4.2f ", sums[f] * 1e6, sums[3 + f] / sums[f]);
      }
      printf("\n\n");
      memset(sums, 0, sizeof sums);
    }
    if (end) break;
    current = layers[i].set;
    measure(cx, isa, &layers[i], limit, sums);
  }
  if (strcmp(set, "pools") == 0 || strcmp(set, "all") == 0) pools(cx, isa), vgg_pools(cx, isa);
  mt_context_leave(cx);
  mt_context_destroy(cx);
  return 0;
}
