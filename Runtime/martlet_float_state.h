/* The floating-point state of a thread: whether denormals are zero. */
#ifndef MARTLET_FLOAT_STATE_H
#define MARTLET_FLOAT_STATE_H

#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

static inline unsigned mt_float_state(void) {
#if defined(__x86_64__) || defined(__i386__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  uint64_t fpcr;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(fpcr));
  return (unsigned)fpcr;
#else
  return 0;
#endif
}

static inline void mt_set_float_state(unsigned state) {
#if defined(__x86_64__) || defined(__i386__)
  _mm_setcsr(state);
#elif defined(__aarch64__)
  uint64_t fpcr = state;
  __asm__ __volatile__("msr fpcr, %0" : : "r"(fpcr));
#else
  (void)state;
#endif
}

static inline unsigned mt_flushing(unsigned state) {
#if defined(__x86_64__) || defined(__i386__)
  return state | 0x8040u; /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
  return state | (1u << 24);
#else
  return state;
#endif
}

#endif
