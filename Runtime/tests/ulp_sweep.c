/* Every float input of every unary primitive (or of those named as arguments), on every instruction set of this CPU:
 * prints the table of docs/math-accuracy.md; `make ulp`. A result that is the primitive on doubles, rounded, is right to
 * half a unit (that primitive is within 2.5 * 2^-29 of one: test_accuracy.c); each other result is measured against libm
 * in double. */
#include <stdio.h>

#include "ulp.h"

typedef void (*unary_f64)(double *, const double *, long);

enum { N = 4096, MOST = 4 };

static int chosen(const char *name, int count, char **names) {
  for (int i = 1; i < count; ++i)
    if (strcmp(name, names[i]) == 0) return 1;
  return count < 2;
}

int main(int argc, char **argv) {
  static float x[N], y[N];
  static double wide[N], want[N];
  mt_isa isas[MOST];
  int count = 0, failures = 0;
  for (int i = 0; i < MT_ISA_COUNT; ++i)
    if (mt_isa_supported((mt_isa)i)) isas[count++] = (mt_isa)i;
  printf("| function |");
  for (int i = 0; i < count; ++i) printf(" %s | at |", mt_isa_name(isas[i]));
  printf("\n|---|");
  for (int i = 0; i < count; ++i) printf("---|---|");
  printf("\n");
  for (size_t u = 0; u < sizeof functions / sizeof *functions; ++u) {
    const ulp_function *g = &functions[u];
    if (!chosen(g->name, argc, argv)) continue;
    char name[40];
    snprintf(name, sizeof name, "mt_%s_f64", g->name);
    unary_f64 reference = __extension__(unary_f64) mt_symbol_address(mt_find_symbol(name), mt_best_isa());
    double worst[MOST] = {0}, at[MOST] = {0};
    for (uint64_t first = 0; first < 1ull << 32; first += N) {
      for (uint32_t k = 0; k < N; ++k) {
        x[k] = float_of((uint32_t)first + k);
        wide[k] = (double)x[k];
      }
      reference(want, wide, N);
      for (int i = 0; i < count; ++i) {
        find_f32(g->name, isas[i])(y, x, N);
        for (int k = 0; k < N; ++k) {
          if (y[k] == (float)want[k]) continue;
          const double e = ulp_error_f32(y[k], g->f(wide[k]));
          if (e > worst[i]) worst[i] = e, at[i] = (double)x[k];
        }
      }
    }
    printf("| %s |", g->name);
    for (int i = 0; i < count; ++i) {
      if (worst[i] > 0.5)
        printf(" %.3f | %a |", worst[i], at[i]);
      else
        printf(" 0.5 | |");
      if (worst[i] > 0.5 && worst[i] > g->bound) ++failures;
    }
    printf("\n");
    fflush(stdout);
  }
  return failures != 0;
}
