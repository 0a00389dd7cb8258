/* What the tests share: values worth trying, comparison of bits, flushing of denormals, failure counting. */
#ifndef TILES_SUPPORT_H
#define TILES_SUPPORT_H

#include "martlet_runtime.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;
static uint64_t random_state = 88172645463325252ull;
static inline uint64_t random_word(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static inline int fail(const char *name, mt_isa isa, const char *what, long n, long at) {
  if (++failures <= 40) printf("FAILED %s %s: %s, n = %ld, at %ld\n", name, mt_isa_name(isa), what, n, at);
  return 0;
}

static inline double small_real(void) { return ((double)(random_word() % 20001) - 10000.0) / 1024.0; }

static inline float value_f32(void) {
  static const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 2.0f, INFINITY, -INFINITY, NAN, FLT_MIN,
                                  -FLT_MIN, FLT_MAX, -FLT_MAX, 1e-40f, -1e-40f, 3e9f, -3e9f, 300.0f, 1e19f};
  const uint64_t r = random_word();
  if (r % 8 == 0) return special[(r >> 8) % (sizeof special / sizeof *special)];
  if (r % 8 == 1) {
    const uint32_t u = (uint32_t)(r >> 16);
    float f;
    memcpy(&f, &u, 4);
    return f;
  }
  return (float)small_real();
}
static inline double value_f64(void) {
  const uint64_t r = random_word();
  if (r % 8 == 0) return r & 256 ? (double)value_f32() : r & 512 ? 1e300 : r & 1024 ? -1e-310 : 1e19;
  if (r % 8 == 1) {
    double f;
    memcpy(&f, &r, 8);
    return f;
  }
  return small_real();
}
static inline int value_i32(void) {
  const uint64_t r = random_word();
  return r % 8 == 0 ? INT32_MIN : r % 8 == 1 ? INT32_MAX : r % 8 == 2 ? -1 : r % 8 == 3 ? 0
         : r & 8    ? (int)(r >> 40) - 8000000 : (int)(r >> 32) % 20;
}
static inline long value_i64(void) {
  const uint64_t r = random_word();
  return r % 8 == 0 ? INT64_MIN : r % 8 == 1 ? INT64_MAX : r % 8 == 2 ? -1 : r % 8 == 3 ? 0
         : r & 8    ? (long)r : (long)(r >> 32) % 20;
}
static inline unsigned char value_u8(void) { return (unsigned char)(random_word() >> 20); }
static inline unsigned char value_bool(void) { return (random_word() >> 20) & 1; }

/* Equal bits, or both NaN: which NaN comes out of two is the instruction's choice. */
static inline int same_f32(float a, float b) { return memcmp(&a, &b, 4) == 0 || (a != a && b != b); }
static inline int same_f64(double a, double b) { return memcmp(&a, &b, 8) == 0 || (a != a && b != b); }
static inline int same_i32(int a, int b) { return a == b; }
static inline int same_i64(long a, long b) { return a == b; }
static inline int same_u8(unsigned char a, unsigned char b) { return a == b; }
static inline int same_bool(unsigned char a, unsigned char b) { return a == b; }

/* Denormals to zero, as in a step. */
static inline void flush_denormals(int on) {
#if defined(__x86_64__)
  unsigned csr;
  __asm__ volatile("stmxcsr %0" : "=m"(csr));
  csr = on ? csr | 0x8040u : csr & ~0x8040u;
  __asm__ volatile("ldmxcsr %0" : : "m"(csr));
#elif defined(__aarch64__)
  uint64_t fpcr;
  __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
  fpcr = on ? fpcr | 1u << 24 : fpcr & ~(uint64_t)(1u << 24);
  __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
#else
  (void)on;
#endif
}

#endif
