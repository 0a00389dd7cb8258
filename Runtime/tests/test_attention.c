/* Attention, forward and backward, against plain loops in double precision; NaN where nobody may look. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "../martlet_attention.h"
#include "support.h"

#include <stdatomic.h>

/* The allocator of workspaces, which can be told to refuse. */
static atomic_int refusals;
void *aligned_alloc(size_t alignment, size_t size) {
  void *memory = NULL;
  if (atomic_load(&refusals) > 0 && atomic_fetch_sub(&refusals, 1) > 0) return NULL;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

typedef struct {
  const char *name;
  long b, h, kv, t, s, d, causal, masked, lengths, chunks;
} shape;

#define E float
#define SUFFIX_TEXT "f32"
#define NAME(x) x##_f32
#define TOLERANCE 3e-5
#include "attention_cases.inc"
#undef E
#undef SUFFIX_TEXT
#undef NAME
#undef TOLERANCE
#define E double
#define SUFFIX_TEXT "f64"
#define NAME(x) x##_f64
#define TOLERANCE 1e-11
#include "attention_cases.inc"

int main(void) {
  static const shape shapes[] = {
      {"one element", 1, 1, 1, 1, 1, 1, 0, 0, 0, 1},
      {"odd", 2, 3, 3, 7, 11, 5, 0, 0, 0, 1},
      {"grouped", 2, 4, 2, 33, 70, 17, 1, 0, 0, 1},
      {"causal over tiles", 1, 2, 2, 300, 300, 16, 1, 0, 0, 2},
      {"causal to the end", 2, 2, 1, 65, 200, 20, 2, 0, 0, 1},
      {"lengths", 3, 2, 2, 70, 150, 8, 0, 0, 1, 2},
      {"lengths, causal to the end", 4, 2, 2, 70, 150, 8, 2, 0, 1, 2},
      {"lengths, causal", 4, 1, 1, 130, 130, 12, 1, 0, 1, 1},
      {"bytes", 2, 2, 2, 66, 140, 24, 0, 1, 0, 1},
      {"bytes, causal, lengths", 2, 2, 2, 66, 140, 24, 1, 1, 1, 2},
      {"added", 2, 2, 2, 66, 140, 24, 0, 2, 0, 3},
      {"one query", 2, 4, 4, 1, 257, 64, 0, 0, 1, 1},
      {"few queries, causal to the end", 2, 4, 2, 3, 300, 40, 2, 0, 1, 1},
      {"few queries, bytes", 1, 2, 2, 4, 260, 17, 0, 1, 0, 1},
      {"few queries, added", 1, 2, 2, 2, 70, 16, 1, 2, 0, 1},
      {"few wide queries", 1, 1, 1, 2, 40, 520, 0, 0, 0, 1},
      {"no key", 1, 2, 2, 3, 0, 4, 0, 0, 0, 1},
  };
  mt_context *one = mt_context_create(1, 0), *two = mt_context_create(3, 0);
  for (int isa = 0; isa < MT_ISA_COUNT; ++isa) {
    if (!mt_isa_supported((mt_isa)isa)) continue;
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
      attention_case_f32(one, two, (mt_isa)isa, shapes[i]);
      attention_case_f64(one, two, (mt_isa)isa, shapes[i]);
    }
  }
  mt_context_destroy(one);
  mt_context_destroy(two);
  return finish("attention");
}
