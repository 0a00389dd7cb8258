/* The symbol table: every name is found again, has a prototype and an address. */
#include "martlet_runtime.h"

#include <stdio.h>
#include <string.h>

static int failures = 0;
#define CHECK(condition, name) \
  do { \
    if (!(condition)) { \
      ++failures; \
      printf("FAILED %s: %s\n", #condition, name); \
    } \
  } while (0)

int main(void) {
  mt_isa isa = MT_BASELINE;
  CHECK(mt_isa_from_name(mt_isa_name(mt_best_isa()), &isa) && isa == mt_best_isa(), "isa");
  CHECK(!mt_isa_from_name("mmx", &isa), "mmx");
  CHECK(mt_isa_supported(MT_BASELINE) && mt_isa_supported(mt_best_isa()), "supported");
  CHECK(mt_find_symbol("mt_nothing") == NULL, "nothing");
  CHECK(mt_symbol_at(mt_symbol_count()) == NULL, "end");
  for (size_t i = 0; i < mt_symbol_count(); ++i) {
    const mt_symbol *s = mt_symbol_at(i);
    CHECK(mt_find_symbol(s->name) == s, s->name);
    CHECK(strstr(s->prototype, s->name) && strchr(s->prototype, ';'), s->name);
    CHECK(!strstr(s->prototype, "MT_") && !strstr(s->prototype, "_t "), s->prototype);
    CHECK(s->address[MT_BASELINE] != NULL, s->name);
    CHECK(mt_symbol_address(s, mt_best_isa()) != NULL, s->name);
  }
  printf("%zu symbols, best %s\n", mt_symbol_count(), mt_isa_name(mt_best_isa()));
  return failures != 0;
}
