/* The context: ranges split exactly once, floating-point state, sleeping and waking, fork. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string.h>

#include "support.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef void (*parallel)(mt_context *, mt_kernel, void *const *, long, long);
typedef void (*segments)(mt_context *, mt_kernel, long, void *const *const *, const long *, long);

static void add_one(void *const *p, long begin, long end, void *scratch) {
  int *x = p[0];
  *(volatile char *)scratch = 1;
  const int aligned = ((uintptr_t)scratch & 63) == 0;
  for (long i = begin; i < end; ++i) x[i] += aligned ? 1 : 100;
}

static void every_unit_once(mt_context *cx) {
  const long sizes[] = {0, 1, 2, 7, 63, 64, 511, 512, 513, 5000, 100001};
  const long grains[] = {0, 1, 3, 512, 4096};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    for (size_t j = 0; j < sizeof grains / sizeof grains[0]; ++j) {
      int *x = elements(sizes[i], sizeof(int));
      void *p[] = {x};
      FUNCTION(parallel, "mt_parallel", MT_BASELINE)(cx, add_one, p, sizes[i], grains[j]);
      CHECK(all_once(x, sizes[i]), "%ld units, grain %ld, %d threads", sizes[i], grains[j],
            mt_context_threads(cx));
      free(x);
    }
  }
  const long units[] = {10, 0, 3000, 1, 700};
  void *buffers[5][1];
  void *const *lists[5];
  for (int i = 0; i < 5; ++i) {
    buffers[i][0] = elements(units[i], sizeof(int));
    lists[i] = buffers[i];
  }
  FUNCTION(segments, "mt_parallel_segments", MT_BASELINE)(cx, add_one, 5, lists, units, 16);
  for (int i = 0; i < 5; ++i) {
    CHECK(all_once(buffers[i][0], units[i]), "segment %d", i);
    free(buffers[i][0]);
  }
}

/* 1e-39 is a denormal: half of it plus itself is zero where denormals are. */
static void halve(void *const *p, long begin, long end, void *scratch) {
  (void)scratch;
  volatile float *x = p[0];
  for (long i = begin; i < end; ++i) x[i] = x[i] * 0.5f;
}

static void denormals(mt_context *cx) {
  float x[8];
  void *p[] = {x};
#if defined(__x86_64__)
  const unsigned before = _mm_getcsr() ^ 0x2000; /* some rounding mode of the caller's own */
  _mm_setcsr(before);
#endif
  mt_context_enter(cx);
  mt_context_enter(cx);
  for (int i = 0; i < 8; ++i) x[i] = 1e-39f;
  FUNCTION(parallel, "mt_parallel", MT_BASELINE)(cx, halve, p, 8, 1);
  mt_context_leave(cx);
  mt_context_leave(cx);
  for (int i = 0; i < 8; ++i) CHECK(x[i] == 0, "flushed on every thread");
#if defined(__x86_64__)
  CHECK((_mm_getcsr() & ~0x3fu) == (before & ~0x3fu), "the caller's state is back");
  _mm_setcsr(before ^ 0x2000);
#endif
  x[0] = 1e-39f;
  halve(p, 0, 1, NULL);
  CHECK(x[0] != 0, "denormals live outside");
}

static void steps(mt_context *cx, int count, int pause) {
  int x[64] = {0};
  void *p[] = {x};
  parallel run = FUNCTION(parallel, "mt_parallel", MT_BASELINE);
  for (int i = 0; i < count; ++i) {
    mt_context_enter(cx);
    for (int k = 0; k < 5; ++k) {
      run(cx, add_one, p, 64, 1);
      if (pause) {
        const struct timespec t = {0, k % 2 * 100000};
        nanosleep(&t, NULL);
      }
    }
    mt_context_leave(cx);
  }
  for (int i = 0; i < 64; ++i) CHECK(x[i] == 5 * count, "%d, not %d", x[i], 5 * count);
}

static void forked(mt_context *cx) {
  every_unit_once(cx);
  if (getenv("MARTLET_EMULATED")) return; /* qemu-user cannot fork a process that has threads */
  const pid_t child = fork();
  if (child == 0) {
    failures = 0;
    every_unit_once(cx);
    steps(cx, 50, 0);
    mt_context_destroy(cx);
    _exit(failures != 0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child: %d", status);
  steps(cx, 50, 0);
}

static void *one_context(void *argument) {
  mt_context *cx = argument;
  typedef void (*gemm)(mt_context *, const long *, const float *, const float *, float *, mt_kernel,
                       void *const *);
  const long s[] = {1, 150, 140, 130, 0, 130, 1, 0, 140, 1};
  float *a = elements(150 * 130, 4), *b = elements(130 * 140, 4), *c = elements(150 * 140, 4);
  for (long i = 0; i < 150 * 130; ++i) a[i] = 1;
  for (long i = 0; i < 130 * 140; ++i) b[i] = 2;
  for (int i = 0; i < 20; ++i) {
    mt_context_enter(cx);
    FUNCTION(gemm, "mt_gemm_f32", mt_best_isa())(cx, s, a, b, c, NULL, NULL);
    mt_context_leave(cx);
  }
  int good = 1;
  for (long i = 0; i < 150 * 140; ++i) good &= c[i] == 260;
  free(a), free(b), free(c);
  return good ? NULL : argument;
}

static long observed[2][3];
static void observer(void *user, long step, int done) {
  if (user == observed) observed[done][step] += 1;
}

/* Steps are timed on the caller and on each worker, shown before and after, and only with a watch. */
static void watched(int threads) {
  typedef void (*observe)(mt_context *, long, int);
  const observe note = FUNCTION(observe, "mt_observe", MT_BASELINE);
  mt_context *cx = mt_context_create(threads, 64);
  mt_timing timings[64];
  note(cx, 0, 0), note(cx, 0, 1);
  CHECK(mt_context_take_timings(cx, timings, 64) == 0, "no watch, no timings");
  CHECK(mt_context_watch(cx, observer, observed), "watch");
  memset(observed, 0, sizeof observed);
  mt_context_enter(cx);
  for (long step = 0; step < 3; ++step) {
    note(cx, step, 0);
    every_unit_once(cx);
    note(cx, step, 1);
    CHECK(observed[0][step] == 1 && observed[1][step] == 1, "step %ld is shown", step);
  }
  mt_context_leave(cx);
  static mt_timing many[200000];
  const long count = mt_context_take_timings(cx, many, 200000);
  int parts = 0;
  for (long i = 0; i < count; ++i) {
    CHECK(many[i].begin <= many[i].end && many[i].step >= 0 && many[i].step < 3, "timing %ld", i);
    parts |= 1 << many[i].part;
  }
  CHECK(parts == (1 << threads) - 1, "parts %x of %d threads", (unsigned)parts, threads);
  CHECK(mt_context_take_timings(cx, many, 200000) == 0, "taken once");
  mt_context_destroy(cx);
}

static void asserted_ranges(void) {
  mt_range_failure failure;
  mt_check_range("k01", 0, 7, 7);
  mt_check_range("k01", 7, 7, 7);
  CHECK(mt_take_range_failure(&failure) == 0, "ranges within");
  mt_check_range("k02", 3, 8, 7);
  mt_check_range("k03", -1, 2, 7);
  CHECK(mt_take_range_failure(&failure) == 1, "a range outside");
  CHECK(strcmp(failure.kernel, "k02") == 0 && failure.begin == 3 && failure.end == 8
            && failure.units == 7, "the first failure is kept");
  CHECK(mt_take_range_failure(&failure) == 0, "taken once");
  mt_check_range("k04", 3, 2, 7);
  CHECK(mt_take_range_failure(&failure) == 1, "a range backwards");
}

int main(void) {
  asserted_ranges();
  for (int i = 1; i <= 3; ++i) watched(i);
  const int threads[] = {1, 2, 3, 8};
  for (int i = 0; i < 4; ++i) {
    mt_context *cx = mt_context_create(threads[i], 1000);
    CHECK(mt_context_threads(cx) == threads[i], "threads");
    every_unit_once(cx);
    denormals(cx);
    steps(cx, 2000, 0);
    steps(cx, 20, 1);
    forked(cx);
    const size_t before = mt_context_workspace_bytes(cx);
    one_context(cx);
    CHECK(mt_context_workspace_bytes(cx) >= before, "workspaces are counted");
    mt_context_destroy(cx);
  }
  mt_context_destroy(NULL);
  mt_context_destroy(mt_context_create(4, 0)); /* never used: never started */
  pthread_t callers[4];
  mt_context *contexts[4];
  for (int i = 0; i < 4; ++i) {
    contexts[i] = mt_context_create(2, 0);
    pthread_create(&callers[i], NULL, one_context, contexts[i]);
  }
  for (int i = 0; i < 4; ++i) {
    void *wrong = contexts[i];
    pthread_join(callers[i], &wrong);
    CHECK(wrong == NULL, "caller %d", i);
    mt_context_destroy(contexts[i]);
  }
  return finish("threads");
}
