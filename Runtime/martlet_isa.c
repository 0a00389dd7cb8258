/* Which instruction sets this CPU has. */
#include "martlet_runtime.h"
#include "martlet_compiler.h"

#include <stdatomic.h>
#include <string.h>

#if MT_X86
#include <cpuid.h>

/* The operating system must save the wider registers too: XCR0 says which it does. */
static unsigned saved_registers(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static mt_isa detect(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return MT_BASELINE;
  const int osxsave = (c >> 27) & 1, avx = (c >> 28) & 1, fma = (c >> 12) & 1;
  if (!osxsave || !avx || !fma) return MT_BASELINE;
  const unsigned saved = saved_registers();
  if ((saved & 0x6u) != 0x6u) return MT_BASELINE;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return MT_BASELINE;
  const int avx2 = (b >> 5) & 1, bmi2 = (b >> 8) & 1;
  if (!avx2 || !bmi2) return MT_BASELINE;
  const unsigned wanted = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
  if ((b & wanted) != wanted || (saved & 0xe6u) != 0xe6u) return MT_AVX2;
  return MT_AVX512;
}
#endif

/* Asked once: under a hypervisor cpuid traps and takes tens of microseconds. */
mt_isa mt_best_isa(void) {
#if MT_X86
  static _Atomic int known = -1;
  int isa = atomic_load_explicit(&known, memory_order_relaxed);
  if (isa < 0) {
    isa = (int)detect();
    atomic_store_explicit(&known, isa, memory_order_relaxed);
  }
  return (mt_isa)isa;
#elif MT_ARM64
  return MT_NEON;
#else
  return MT_BASELINE;
#endif
}

int mt_has_vnni(void) {
#if MT_X86
  static _Atomic int known = -1;
  int has = atomic_load_explicit(&known, memory_order_relaxed);
  if (has < 0) {
    unsigned a, b, c = 0, d;
    has = mt_best_isa() == MT_AVX512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && ((c >> 11) & 1);
    atomic_store_explicit(&known, has, memory_order_relaxed);
  }
  return has;
#else
  return 0;
#endif
}

int mt_isa_supported(mt_isa isa) {
  if (isa == MT_BASELINE) return 1;
  const mt_isa best = mt_best_isa();
  if (isa == MT_NEON) return best == MT_NEON;
  return best != MT_NEON && isa <= best;
}

static const char *const names[MT_ISA_COUNT] = {"baseline", "avx2", "avx512", "neon"};

const char *mt_isa_name(mt_isa isa) {
  return (unsigned)isa < MT_ISA_COUNT ? names[isa] : NULL;
}

int mt_isa_from_name(const char *name, mt_isa *isa) {
  for (unsigned i = 0; i < MT_ISA_COUNT; ++i) {
    if (strcmp(names[i], name) == 0) {
      *isa = (mt_isa)i;
      return 1;
    }
  }
  return 0;
}
