/* What the tests of the library calls share. */
#ifndef MARTLET_TESTS_SUPPORT_H
#define MARTLET_TESTS_SUPPORT_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "martlet_runtime.h"

static int failures = 0;
static long checks = 0;
#define CHECK(condition, ...)                            \
  do {                                                   \
    ++checks;                                            \
    if (!(condition)) {                                  \
      if (++failures <= 20) {                            \
        printf("FAILED %s:%d %s: ", __FILE__, __LINE__, #condition); \
        printf(__VA_ARGS__);                             \
        printf("\n");                                    \
      }                                                  \
    }                                                    \
  } while (0)

static inline int finish(const char *name) {
  printf("%s: %ld checks, %d failed\n", name, checks, failures);
  return failures != 0;
}

static uint64_t random_state = 88172645463325252u;
static inline uint32_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 16);
}
static inline double random_real(void) { return (double)random_bits() / 2147483648.0 - 1.0; }

static inline long random_up_to(long most) { return (long)(random_bits() % (uint32_t)(most + 1)); }

/* Exactly `count` elements, so that a sanitizer sees one read too many. */
static inline void *elements(long count, size_t size) {
  return calloc((size_t)(count > 0 ? count : 1), size);
}
static inline float *reals_f32(long count) {
  float *x = elements(count, sizeof *x);
  for (long i = 0; i < count; ++i) x[i] = (float)random_real();
  return x;
}
static inline double *reals_f64(long count) {
  double *x = elements(count, sizeof *x);
  for (long i = 0; i < count; ++i) x[i] = random_real();
  return x;
}

/* Function pointers come out of the table as objects. */
#define FUNCTION(type, name, isa) \
  (__extension__(type)mt_symbol_address(mt_find_symbol(name), isa))

/* An epilogue that counts how often it got each row; p[0] = int counts. */
static inline void count_rows(void *const *p, long begin, long end, void *scratch) {
  int *counts = p[0];
  if (scratch) *(char *)scratch = 1;
  for (long i = begin; i < end; ++i) counts[i] += 1;
}
static inline int all_once(const int *counts, long rows) {
  for (long i = 0; i < rows; ++i) {
    if (counts[i] != 1) return 0;
  }
  return 1;
}

#endif
