/* Every float input of every unary primitive against libm in double, on every instruction set of this CPU: prints the
 * table of docs/math-accuracy.md. A quarter of an hour; `make ulp`. */
#include <stdio.h>

#include "ulp.h"

enum { N = 4096, MOST = 4 };

int main(void) {
  static float x[N], y[N];
  static double want[N];
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
    double worst[MOST] = {0}, at[MOST] = {0};
    for (uint64_t first = 0; first < 1ull << 32; first += N) {
      for (uint32_t k = 0; k < N; ++k) {
        x[k] = float_of((uint32_t)first + k);
        want[k] = g->f((double)x[k]);
      }
      for (int i = 0; i < count; ++i) {
        find_f32(g->name, isas[i])(y, x, N);
        for (int k = 0; k < N; ++k) {
          const double e = ulp_error_f32(y[k], want[k]);
          if (e > worst[i]) worst[i] = e, at[i] = (double)x[k];
        }
      }
    }
    printf("| %s |", g->name);
    for (int i = 0; i < count; ++i) {
      printf(" %.3f | %a |", worst[i], at[i]);
      if (worst[i] > g->bound) ++failures;
    }
    printf("\n");
    fflush(stdout);
  }
  return failures != 0;
}
