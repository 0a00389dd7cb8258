/* The table of everything that emitted code may call: the tile primitives, then the library calls. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#include <pthread.h>
#include <string.h>

extern const mt_symbol mt_call_symbols[];
extern const size_t mt_call_symbol_count;

/* ISO C has no conversion from a function to an object pointer; POSIX and every JIT do. */
#define MT_ADDRESS(function) __extension__(void *)(function)

#if MT_X86
#define MT_ADDRESSES(name) \
  {MT_ADDRESS(mt_##name##_baseline), MT_ADDRESS(mt_##name##_avx2), MT_ADDRESS(mt_##name##_avx512), NULL}
#elif MT_ARM64
#define MT_ADDRESSES(name) \
  {MT_ADDRESS(mt_##name##_baseline), NULL, NULL, MT_ADDRESS(mt_##name##_neon)}
#else
#define MT_ADDRESSES(name) {MT_ADDRESS(mt_##name##_baseline), NULL, NULL, NULL}
#endif

#define MT_DECLARE(kind, name, a, b)            \
  void mt_##name##_baseline MT_PARAMETERS_##kind(a, b); \
  void mt_##name##_avx2 MT_PARAMETERS_##kind(a, b);     \
  void mt_##name##_avx512 MT_PARAMETERS_##kind(a, b);   \
  void mt_##name##_neon MT_PARAMETERS_##kind(a, b);
MT_TILES(MT_DECLARE)

#define MT_REGISTER(kind, name, a, b) \
  {"mt_" #name, "void mt_" #name MT_STRING(MT_PARAMETERS_##kind(a, b)) ";", MT_ADDRESSES(name)},
static const mt_symbol tile_symbols[] = {MT_TILES(MT_REGISTER)};
enum { TILE_COUNT = sizeof tile_symbols / sizeof tile_symbols[0] };

size_t mt_symbol_count(void) { return TILE_COUNT + mt_call_symbol_count; }

const mt_symbol *mt_symbol_at(size_t i) {
  if (i < TILE_COUNT) return &tile_symbols[i];
  i -= TILE_COUNT;
  return i < mt_call_symbol_count ? &mt_call_symbols[i] : NULL;
}

/* Open addressing, made once; a slot holds index + 1. */
enum { SLOTS = 4096 };
static unsigned short slots[SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static unsigned hash(const char *name) {
  unsigned h = 2166136261u;
  for (; *name; ++name) h = (h ^ (unsigned char)*name) * 16777619u;
  return h;
}

static void fill_slots(void) {
  for (size_t i = 0; i < mt_symbol_count() && i < SLOTS / 2; ++i) {
    unsigned s = hash(mt_symbol_at(i)->name) % SLOTS;
    while (slots[s]) s = (s + 1) % SLOTS;
    slots[s] = (unsigned short)(i + 1);
  }
}

const mt_symbol *mt_find_symbol(const char *name) {
  pthread_once(&slots_once, fill_slots);
  for (unsigned s = hash(name) % SLOTS; slots[s]; s = (s + 1) % SLOTS) {
    const mt_symbol *symbol = mt_symbol_at((size_t)slots[s] - 1);
    if (strcmp(symbol->name, name) == 0) return symbol;
  }
  return NULL;
}

void *mt_symbol_address(const mt_symbol *symbol, mt_isa isa) {
  void *own = (unsigned)isa < MT_ISA_COUNT ? symbol->address[isa] : NULL;
  return own ? own : symbol->address[MT_BASELINE];
}
