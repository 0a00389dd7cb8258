/* What this machine can do at most: multiply-adds in registers, bytes copied through memory. The bench
 * reports a step's time against both. Measured, not looked up: clocks and neighbours differ. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "martlet_runtime.h"
#include "martlet_compiler.h"
#include "martlet_probe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct mt_probe {
  float (*run)(long rounds, float seed);
  double flops; /* of one round */
};

#define MT_BITS 32
#define MT_ISA baseline
#define MT_VECTOR 128
#include "martlet_vector.inc"
#include "martlet_probe.inc"
#undef MT_ISA
#undef MT_VECTOR
#undef MT_MASKED
#if MT_X86
#include <immintrin.h>
MT_TARGET_AVX2
#define MT_ISA avx2
#define MT_VECTOR 256
#include "martlet_vector.inc"
#include "martlet_probe.inc"
#undef MT_ISA
#undef MT_VECTOR
#undef MT_MASKED
MT_TARGET_END
MT_TARGET_AVX512
#define MT_ISA avx512
#define MT_VECTOR 512
#include "martlet_vector.inc"
#include "martlet_probe.inc"
#undef MT_ISA
#undef MT_VECTOR
#undef MT_MASKED
MT_TARGET_END
#elif MT_ARM64
#include <arm_neon.h>
#define MT_ISA neon
#define MT_VECTOR 129
#define mt_vector_f32 mt_vector_neon_f32
#define mt_unaligned_f32 mt_unaligned_neon_f32
#include "martlet_vector.inc"
#include "martlet_probe.inc"
#endif

static const struct mt_probe *probe_of(mt_isa isa) {
#if MT_X86
  if (isa == MT_AVX512) return &mt_probe_row_f32_avx512;
  if (isa == MT_AVX2) return &mt_probe_row_f32_avx2;
#elif MT_ARM64
  if (isa == MT_NEON) return &mt_probe_row_f32_neon;
#endif
  (void)isa;
  return &mt_probe_row_f32_baseline;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One thread's share; `rate` is the best of several rounds. */
typedef struct {
  const struct mt_probe *probe; /* NULL: copy */
  pthread_barrier_t *barrier;
  double rate;
  volatile float sink;
} mt_share;

enum { MT_PROBE_ROUNDS = 8, MT_PROBE_BYTES = 48 << 20, MT_PROBE_THREADS = 64 };

static void *measure_share(void *argument) {
  mt_share *share = argument;
  char *from = NULL, *to = NULL;
  if (!share->probe) {
    from = malloc(MT_PROBE_BYTES);
    to = malloc(MT_PROBE_BYTES);
    if (from && to) {
      memset(from, 1, MT_PROBE_BYTES);
      memset(to, 2, MT_PROBE_BYTES);
    }
  }
  for (int round = 0; round < MT_PROBE_ROUNDS; ++round) {
    if (share->barrier) pthread_barrier_wait(share->barrier);
    const double start = seconds();
    double work = 0;
    if (share->probe) {
      const long rounds = 300000;
      share->sink = share->probe->run(rounds, 1e-3f);
      work = share->probe->flops * (double)rounds;
    } else if (from && to) {
      memcpy(to, from, MT_PROBE_BYTES);
      share->sink = (float)to[round];
      work = 2.0 * (double)MT_PROBE_BYTES; /* read once, written once */
    }
    const double rate = work / (seconds() - start) * 1e-9;
    if (rate > share->rate) share->rate = rate;
  }
  free(from);
  free(to);
  return NULL;
}

static double measure(const struct mt_probe *probe, int threads) {
  if (threads < 1) threads = 1;
  if (threads > MT_PROBE_THREADS) threads = MT_PROBE_THREADS;
  static mt_share shares[MT_PROBE_THREADS];
  pthread_t ids[MT_PROBE_THREADS];
  pthread_barrier_t barrier;
  int started = 0;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  for (int i = 0; i < threads; ++i) {
    shares[i] = (mt_share){.probe = probe, .barrier = threads > 1 ? &barrier : NULL};
  }
  for (int i = 1; i < threads; ++i) {
    /* A missing thread would leave the others at the barrier for ever: the caller is a child
     * process of its own and gives up. */
    if (pthread_create(&ids[i], NULL, measure_share, &shares[i]) != 0) return 0;
    ++started;
  }
  measure_share(&shares[0]);
  double sum = shares[0].rate;
  for (int i = 1; i <= started; ++i) {
    pthread_join(ids[i], NULL);
    sum += shares[i].rate;
  }
  pthread_barrier_destroy(&barrier);
  return sum;
}

/* In a child process: its buffers must not count in the resident memory that the bench reports. */
int mt_probe(mt_isa isa, int threads, mt_probe_result *result) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    mt_probe_result made = {measure(probe_of(isa), threads), measure(NULL, threads)};
    const ssize_t written = write(ends[1], &made, sizeof made);
    _exit(written == (ssize_t)sizeof made ? 0 : 1);
  }
  close(ends[1]);
  ssize_t got = -1;
  if (child > 0) {
    got = read(ends[0], result, sizeof *result);
    waitpid(child, NULL, 0);
  }
  close(ends[0]);
  return got == (ssize_t)sizeof *result && result->fma_gflops > 0 && result->copy_gbs > 0;
}
