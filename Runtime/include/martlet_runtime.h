/* The kernel ABI: what emitted code may call, and the table through which it is bound to an instruction set.
 * What the machine can do at most is measured by martlet_probe.h. */
#ifndef MARTLET_RUNTIME_H
#define MARTLET_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads, per-thread scratch and workspaces of one caller at a time. */
typedef struct mt_context mt_context;

/* An emitted kernel: works on units [begin, end) (flat elements, or rows); scratch is 64-byte aligned, one per thread. */
typedef void (*mt_kernel)(void *const *p, long begin, long end, void *scratch);

/* Instruction sets that the primitives are compiled for. */
typedef enum { MT_BASELINE, MT_AVX2, MT_AVX512, MT_NEON } mt_isa;
enum { MT_ISA_COUNT = 4 };

/* The best instruction set of this CPU. */
mt_isa mt_best_isa(void);
/* Whether this CPU (and this build) has the instruction set. */
int mt_isa_supported(mt_isa isa);
/* Whether AVX-512 has the sums of products of bytes. */
int mt_has_vnni(void);
/* "baseline", "avx2", "avx512" or "neon"; NULL for any other value. */
const char *mt_isa_name(mt_isa isa);
/* The reverse of mt_isa_name: 1 and *isa is set, or 0. */
int mt_isa_from_name(const char *name, mt_isa *isa);

/* One function that emitted code may call. */
typedef struct {
  const char *name;
  const char *prototype; /* C text that needs no header, ends in a semicolon */
  void *address[MT_ISA_COUNT]; /* NULL where this build has no version of its own */
} mt_symbol;

/* The symbol of that name, or NULL. */
const mt_symbol *mt_find_symbol(const char *name);
/* The i-th symbol, or NULL. */
const mt_symbol *mt_symbol_at(size_t i);
size_t mt_symbol_count(void);
/* The address for an instruction set; the baseline's where there is no version of its own. */
void *mt_symbol_address(const mt_symbol *symbol, mt_isa isa);

#ifdef __cplusplus
}
#endif

#include "martlet_runtime_calls.h"

#endif
