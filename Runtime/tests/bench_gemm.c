/* Matrix products beside OpenBLAS (the only place that links it), in turns; GFLOP/s of medians.
 *   bench_gemm [seconds per line] [isa]       OPENBLAS_NUM_THREADS=1 for one thread against one */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <time.h>

#include "support.h"

typedef enum { NO = 111, YES = 112 } transposed;
void cblas_sgemm(int order, transposed a, transposed b, int m, int n, int k, float alpha, const float *x,
                 int lda, const float *y, int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int order, transposed a, transposed b, int m, int n, int k, double alpha,
                 const double *x, int lda, const double *y, int ldb, double beta, double *c, int ldc);

typedef void (*gemm)(mt_context *, const long *, const void *, const void *, void *, mt_kernel,
                     void *const *);

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
  long m, n, k;
  int ta, tb, wide;
} product;

static double line(mt_context *cx, mt_isa isa, product q, double seconds, int quiet) {
  const long lda = q.ta ? q.m : q.k, ldb = q.tb ? q.k : q.n, size = q.wide ? 8 : 4;
  const long s[] = {1, q.m, q.n, q.k, 0, q.ta ? 1 : lda, q.ta ? lda : 1,
                    0, q.tb ? 1 : ldb, q.tb ? ldb : 1};
  char *a = aligned_alloc(64, (size_t)(q.m * q.k * size + 63) / 64 * 64);
  char *b = aligned_alloc(64, (size_t)(q.n * q.k * size + 63) / 64 * 64);
  char *c = aligned_alloc(64, (size_t)(q.m * q.n * size + 63) / 64 * 64);
  for (long i = 0; i < q.m * q.k; ++i) {
    if (q.wide) ((double *)(void *)a)[i] = random_real();
    else ((float *)(void *)a)[i] = (float)random_real();
  }
  for (long i = 0; i < q.n * q.k; ++i) {
    if (q.wide) ((double *)(void *)b)[i] = random_real();
    else ((float *)(void *)b)[i] = (float)random_real();
  }
  gemm own = FUNCTION(gemm, q.wide ? "mt_gemm_f64" : "mt_gemm_f32", isa);
  const double flops = 2.0 * (double)q.m * (double)q.n * (double)q.k;
  const long inner = (long)(1e6 / flops) + 1;
  enum { MOST = 2000 };
  static double times[2][MOST];
  int count = 0;
  const double stop = now() + seconds;
  for (; count < MOST && (now() < stop || count < 5); ++count) {
    for (int who = 0; who < 2; ++who) {
      const double start = now();
      for (long i = 0; i < inner; ++i) {
        if (who == 0) {
          own(cx, s, a, b, c, NULL, NULL);
        } else if (q.wide) {
          cblas_dgemm(101, q.ta ? YES : NO, q.tb ? YES : NO, (int)q.m, (int)q.n, (int)q.k, 1,
                      (void *)a, (int)lda, (void *)b, (int)ldb, 0, (void *)c, (int)q.n);
        } else {
          cblas_sgemm(101, q.ta ? YES : NO, q.tb ? YES : NO, (int)q.m, (int)q.n, (int)q.k, 1,
                      (void *)a, (int)lda, (void *)b, (int)ldb, 0, (void *)c, (int)q.n);
        }
      }
      times[who][count] = (now() - start) / (double)inner;
    }
  }
  for (int who = 0; who < 2; ++who) qsort(times[who], (size_t)count, sizeof(double), ascending);
  const double mine = times[0][count / 2], theirs = times[1][count / 2];
  if (!quiet) {
    printf("%s %5ld x%5ld x%5ld %c%c  %9.2f us %7.1f GF   openblas %9.2f us %7.1f GF   ratio %.2f\n",
           q.wide ? "f64" : "f32", q.m, q.n, q.k, q.ta ? 'T' : 'N', q.tb ? 'T' : 'N', mine * 1e6,
           flops / mine * 1e-9, theirs * 1e6, flops / theirs * 1e-9, theirs / mine);
    fflush(stdout);
  }
  free(a), free(b), free(c);
  return mine;
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 0.3;
  mt_isa isa = mt_best_isa();
  if (argc > 2 && !mt_isa_from_name(argv[2], &isa)) return 64;
  const int threads = argc > 3 ? atoi(argv[3]) : 1;
  static const product products[] = {
      {64, 64, 64, 0, 0, 0},    {128, 128, 128, 0, 0, 0},  {256, 256, 256, 0, 0, 0},
      {512, 512, 512, 0, 0, 0}, {1024, 1024, 1024, 0, 0, 0}, {2048, 2048, 2048, 0, 0, 0},
      {512, 512, 512, 1, 0, 0}, {512, 512, 512, 0, 1, 0},  {64, 120, 400, 0, 0, 0},
      {64, 400, 120, 0, 1, 0},  {400, 120, 64, 1, 0, 0},   {64, 84, 120, 0, 0, 0},
      {64, 10, 84, 0, 0, 0},    {64, 84, 10, 0, 1, 0},     {84, 10, 64, 1, 0, 0},
      {16, 16, 4, 0, 0, 0},     {16, 3, 16, 0, 0, 0},      {4, 16, 16, 1, 0, 0},
      {16, 16, 3, 0, 1, 0},     {128, 512, 784, 0, 0, 0},  {784, 512, 128, 1, 0, 0},
      {128, 512, 512, 0, 1, 0}, {1, 1024, 1024, 0, 0, 0},  {1024, 1, 1024, 0, 0, 0},
      {1024, 1, 1024, 1, 0, 0}, {6400, 16, 150, 0, 0, 0},  {64, 64, 64, 0, 0, 1},
      {256, 256, 256, 0, 0, 1}, {512, 512, 512, 0, 0, 1},  {1024, 1024, 1024, 0, 0, 1},
  };
  if (threads > 1) watch = CLOCK_MONOTONIC;
  mt_context *cx = mt_context_create(threads, 4096);
  mt_context_enter(cx);
  for (size_t i = 0; i < sizeof products / sizeof products[0]; ++i) {
    line(cx, isa, products[i], seconds, 0);
  }
  mt_context_leave(cx);
  mt_context_destroy(cx);
  return 0;
}
