/* Matrix products beside OpenBLAS (the only place that links it), in turns; GFLOP/s of medians
 * (of the best tenth for several threads).
 *   bench_gemm [-s seconds a line] [-i isa] [-t threads] [-p] [group …]
 * Groups: square nets vectors batches wide, or scaling: two threads against two processes of one thread each.
 * -p packs B before the clock starts, as the compiler does with constants.
 * OPENBLAS_CORETYPE=SKYLAKEX has OpenBLAS use AVX-512 where it does not know the CPU;
 * OPENBLAS_THREAD_TIMEOUT=10 has its threads sleep soon after a call instead of taking turns with ours. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

typedef enum { NO = 111, YES = 112 } transposed;
void cblas_sgemm(int order, transposed a, transposed b, int m, int n, int k, float alpha, const float *x,
                 int lda, const float *y, int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int order, transposed a, transposed b, int m, int n, int k, double alpha,
                 const double *x, int lda, const double *y, int ldb, double beta, double *c, int ldc);
void openblas_set_num_threads(int threads);

typedef void (*gemm)(mt_context *, const long *, const void *, const void *, void *, mt_kernel,
                     void *const *);

typedef struct {
  long m, n, k;
  int ta, tb, wide;
  long batch;
} product;

typedef struct {
  product q;
  long s[10], inner;
  char *a, *b, *c, *packed;
  double flops;
  gemm own;
} job;

/* One thread is timed by its own clock, which other programs' load does not move. */
static clockid_t watch = CLOCK_THREAD_CPUTIME_ID;
static mt_isa isa;
static int threads = 1, packs = 0;
static double seconds = 0.3, logarithms = 0, least = 1e9;
static int ratios = 0;

static double now(void) {
  struct timespec t;
  clock_gettime(watch, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static char *random_elements(long count, int wide) {
  char *x = aligned_alloc(64, (size_t)(count * (wide ? 8 : 4) + 63) / 64 * 64);
  if (x == NULL) exit(70);
  for (long i = 0; i < count; ++i) {
    if (wide) ((double *)(void *)x)[i] = random_real();
    else ((float *)(void *)x)[i] = (float)random_real();
  }
  return x;
}

static job job_of(product q) {
  if (q.batch == 0) q.batch = 1;
  const long lda = q.ta ? q.m : q.k, ldb = q.tb ? q.k : q.n;
  job j = {.q = q,
           .s = {q.batch, q.m, q.n, q.k, q.m * q.k, q.ta ? 1 : lda, q.ta ? lda : 1, q.k * q.n,
                 q.tb ? 1 : ldb, q.tb ? ldb : 1},
           .a = random_elements(q.batch * q.m * q.k, q.wide),
           .b = random_elements(q.batch * q.n * q.k, q.wide),
           .c = random_elements(q.batch * q.m * q.n, q.wide),
           .own = FUNCTION(gemm, q.wide ? "mt_gemm_f64" : "mt_gemm_f32", isa)};
  if (packs) {
    typedef void (*size)(const long *, long *);
    typedef void (*pack)(mt_context *, const long *, const void *, void *);
    long bytes = 0;
    FUNCTION(size, q.wide ? "mt_gemm_packed_size_f64" : "mt_gemm_packed_size_f32", isa)(j.s, &bytes);
    j.packed = random_elements(bytes / 4 + 16, 0);
    mt_context *cx = mt_context_create(1, 0);
    FUNCTION(pack, q.wide ? "mt_gemm_pack_f64" : "mt_gemm_pack_f32", isa)(cx, j.s, j.b, j.packed);
    mt_context_destroy(cx);
    j.own = FUNCTION(gemm, q.wide ? "mt_gemm_packed_f64" : "mt_gemm_packed_f32", isa);
  }
  j.flops = 2.0 * (double)q.batch * (double)q.m * (double)q.n * (double)q.k;
  j.inner = (long)(1e6 / j.flops) + 1;
  return j;
}

static void job_free(job *j) { free(j->a), free(j->b), free(j->c), free(j->packed); }

static double run_own(mt_context *cx, const job *j) {
  const double start = now();
  for (long i = 0; i < j->inner; ++i) j->own(cx, j->s, j->a, packs ? j->packed : j->b, j->c, NULL, NULL);
  return (now() - start) / (double)j->inner;
}

static double run_openblas(const job *j) {
  const product q = j->q;
  const int lda = (int)(q.ta ? q.m : q.k), ldb = (int)(q.tb ? q.k : q.n);
  const transposed ta = q.ta ? YES : NO, tb = q.tb ? YES : NO;
  const long size = q.wide ? 8 : 4;
  const double start = now();
  for (long i = 0; i < j->inner; ++i) {
    for (long g = 0; g < q.batch; ++g) {
      void *a = j->a + g * q.m * q.k * size, *b = j->b + g * q.k * q.n * size;
      void *c = j->c + g * q.m * q.n * size;
      if (q.wide) {
        cblas_dgemm(101, ta, tb, (int)q.m, (int)q.n, (int)q.k, 1, a, lda, b, ldb, 0, c, (int)q.n);
      } else {
        cblas_sgemm(101, ta, tb, (int)q.m, (int)q.n, (int)q.k, 1, a, lda, b, ldb, 0, c, (int)q.n);
      }
    }
  }
  return (now() - start) / (double)j->inner;
}

static void line(mt_context *cx, product q) {
  job j = job_of(q);
  enum { MOST = 2000 };
  static double times[2][MOST];
  int count = 0;
  run_own(cx, &j);
  /* OpenBLAS's threads spin for a while after each call: ours would share the cores with them. */
  const struct timespec pause = {0, 40000000};
  if (threads > 1) j.inner *= (long)(2e9 / (double)j.inner / j.flops) + 1;
  double spent = 0;
  for (; count < MOST && (spent < seconds || count < 5); ++count) {
    if (threads > 1) {
      mt_context_leave(cx);
      nanosleep(&pause, NULL);
      mt_context_enter(cx);
      job once = j;
      once.inner = 1;
      run_own(cx, &once);
    }
    times[0][count] = run_own(cx, &j);
    times[1][count] = run_openblas(&j);
    spent += (times[0][count] + times[1][count]) * (double)j.inner;
  }
  for (int who = 0; who < 2; ++who) qsort(times[who], (size_t)count, sizeof(double), ascending);
  const int at = threads > 1 ? count / 10 : count / 2; /* two threads: whoever had both cores */
  const double mine = times[0][at], theirs = times[1][at];
  const double bytes = (double)((q.m * q.k + q.k * q.n + q.m * q.n) * (q.wide ? 8 : 4) * j.q.batch);
  printf("%s %4ld x %5ld x %5ld x %5ld %c%c %10.2f us %6.1f GF %6.1f GB/s  openblas %10.2f us %6.1f GF"
         "  ratio %.2f\n",
         q.wide ? "f64" : "f32", j.q.batch, q.m, q.n, q.k, q.ta ? 'T' : 'N', q.tb ? 'T' : 'N', mine * 1e6,
         j.flops / mine * 1e-9, bytes / mine * 1e-9, theirs * 1e6, j.flops / theirs * 1e-9,
         theirs / mine);
  fflush(stdout);
  logarithms += log(theirs / mine);
  ++ratios;
  if (theirs / mine < least) least = theirs / mine;
  job_free(&j);
}

static void summary(const char *group) {
  if (ratios > 0) {
    printf("%s: geometric mean %.3f, least %.3f\n", group, exp(logarithms / ratios), least);
  }
  logarithms = 0, ratios = 0, least = 1e9;
}

/* Products a second of one process in `span` seconds. */
static double rate(mt_context *cx, const job *j, double span) {
  const double start = now();
  double t = start;
  long count = 0;
  for (; count < 2 || t < start + span; ++count) {
    run_own(cx, j);
    t = now();
  }
  return (double)count / (t - start);
}

/* Two threads, then two processes at once, in turns. */
static void scaling(long size) {
  watch = CLOCK_MONOTONIC;
  int ask[2], answer[2];
  if (pipe(ask) != 0 || pipe(answer) != 0) exit(71);
  const job j = job_of((product){size, size, size, 0, 0, 0, 1});
  enum { TURNS = 9 };
  const pid_t child = fork();
  mt_context *one = mt_context_create(1, 4096), *two = mt_context_create(2, 4096);
  char order;
  if (child == 0) {
    close(ask[1]);
    while (read(ask[0], &order, 1) == 1) {
      const double r = rate(one, &j, seconds);
      if (write(answer[1], &r, sizeof r) != sizeof r) break;
    }
    _exit(0);
  }
  double together[TURNS], apart[TURNS], alone[TURNS];
  for (int i = 0; i < TURNS; ++i) {
    mt_context_enter(two);
    together[i] = rate(two, &j, seconds);
    mt_context_leave(two);
    if (write(ask[1], "r", 1) != 1) exit(71);
    apart[i] = rate(one, &j, seconds);
    double other;
    if (read(answer[0], &other, sizeof other) != sizeof other) exit(71);
    apart[i] += other;
    alone[i] = rate(one, &j, seconds);
  }
  close(ask[1]);
  waitpid(child, NULL, 0);
  qsort(together, TURNS, sizeof(double), ascending);
  qsort(apart, TURNS, sizeof(double), ascending);
  qsort(alone, TURNS, sizeof(double), ascending);
  const double scale = j.flops * 1e-9;
  printf("%5ld: one thread %.1f GF, two threads %.1f GF, two processes %.1f GF, ratio %.3f\n", size,
         alone[TURNS / 2] * scale, together[TURNS / 2] * scale, apart[TURNS / 2] * scale,
         together[TURNS / 2] / apart[TURNS / 2]);
  fflush(stdout);
  mt_context_destroy(one), mt_context_destroy(two);
}

static const product nets[] = {
    {128, 512, 784, 0, 0, 0, 1},   {784, 512, 128, 1, 0, 0, 1}, {128, 784, 512, 0, 1, 0, 1},
    {128, 512, 512, 0, 0, 0, 1},   {128, 10, 512, 0, 0, 0, 1},  {512, 10, 128, 1, 0, 0, 1},
    {256, 2048, 1024, 0, 0, 0, 1}, {1024, 2048, 256, 1, 0, 0, 1}, {256, 1024, 2048, 0, 1, 0, 1},
    {64, 120, 400, 0, 0, 0, 1},    {400, 120, 64, 1, 0, 0, 1},  {64, 400, 120, 0, 1, 0, 1},
    {64, 84, 120, 0, 0, 0, 1},     {64, 10, 84, 0, 0, 0, 1},    {84, 10, 64, 1, 0, 0, 1},
    {64, 84, 10, 0, 1, 0, 1},      {16, 16, 4, 0, 0, 0, 1},     {4, 16, 16, 1, 0, 0, 1},
    {16, 3, 16, 0, 0, 0, 1},       {16, 3, 16, 1, 0, 0, 1},     {32, 1024, 256, 0, 0, 0, 1},
    {256, 1024, 32, 1, 0, 0, 1},   {32, 256, 1024, 0, 1, 0, 1}, {1024, 768, 256, 0, 0, 0, 1},
    {256, 768, 1024, 1, 0, 0, 1},  {1024, 256, 768, 0, 1, 0, 1}, {16, 4096, 1024, 0, 0, 0, 1},
    {6400, 16, 150, 0, 0, 0, 1},
};
static const product vectors[] = {
    {1, 4096, 25088, 0, 0, 0, 1}, {1, 4096, 25088, 0, 1, 0, 1}, {1, 4096, 4096, 0, 0, 0, 1},
    {1, 1024, 1024, 0, 0, 0, 1},  {1, 1024, 1024, 0, 1, 0, 1},  {1024, 1, 1024, 0, 0, 0, 1},
    {1024, 1, 1024, 1, 0, 0, 1},  {1, 256, 256, 0, 0, 0, 1},    {1, 256, 256, 0, 1, 0, 1},
    {4, 4096, 4096, 0, 0, 0, 1},  {4, 4096, 4096, 0, 1, 0, 1},  {1000, 1, 100000, 0, 0, 0, 1},
};
static const product batches[] = {
    {128, 128, 64, 0, 1, 0, 32}, {128, 64, 128, 0, 0, 0, 32}, {64, 128, 128, 1, 0, 0, 32},
    {32, 32, 32, 0, 0, 0, 64},   {8, 8, 8, 0, 0, 0, 256},     {512, 512, 64, 0, 1, 0, 8},
};
static const product wide[] = {
    {64, 64, 64, 0, 0, 1, 1},       {256, 256, 256, 0, 0, 1, 1},    {512, 512, 512, 0, 0, 1, 1},
    {1024, 1024, 1024, 0, 0, 1, 1}, {2048, 2048, 2048, 0, 0, 1, 1}, {1024, 1024, 1024, 1, 1, 1, 1},
};

int main(int argc, char **argv) {
  isa = mt_best_isa();
  for (int c; (c = getopt(argc, argv, "s:i:t:p")) != -1;) {
    if (c == 's') seconds = atof(optarg);
    else if (c == 'p') packs = 1;
    else if (c == 't') threads = atoi(optarg);
    else if (c != 'i' || !mt_isa_from_name(optarg, &isa)) return 64;
  }
  if (optind < argc && strcmp(argv[optind], "scaling") == 0) {
    for (long size = 512; size <= 2048; size *= 2) scaling(size);
    return 0;
  }
  if (threads > 1) watch = CLOCK_MONOTONIC;
  openblas_set_num_threads(threads);
  mt_context *cx = mt_context_create(threads, 4096);
  mt_context_enter(cx);
#define GROUP(name)                                                                \
  if (optind == argc || strcmp(argv[i], #name) == 0) {                             \
    for (size_t l = 0; l < sizeof name / sizeof name[0]; ++l) line(cx, name[l]); \
    summary(#name);                                                                \
  }
  for (int i = optind; i < argc || (i == optind && optind == argc); ++i) {
    if (optind == argc || strcmp(argv[i], "square") == 0) {
      for (long n = 64; n <= 2048; n *= 2) {
        for (int t = 0; t < 4; ++t) line(cx, (product){n, n, n, t / 2, t % 2, 0, 1});
        if (n < 256) summary("square");
      }
      summary("square from 256");
    }
    GROUP(nets)
    GROUP(vectors)
    GROUP(batches)
    GROUP(wide)
  }
  mt_context_leave(cx);
  mt_context_destroy(cx);
  return 0;
}
