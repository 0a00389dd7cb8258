/* Every float input of every unary primitive (or of those named as arguments), on every instruction set of this CPU,
 * with denormals and in a step's mode, where denormal inputs and results count as zero of their sign: prints the table of
 * docs/accuracy.md; `make ulp`. A result that is the primitive on doubles, rounded, is right to half a unit (that
 * primitive is within 2.5 * 2^-29 of one: test_accuracy.c); each other result is measured against libm in double. */
#include <stdio.h>

#include "ulp.h"

typedef void (*unary_f64)(double *, const double *, long);

enum { N = 4096, MOST = 4 };
typedef struct {
  double worst, at;
} ulp_worst;

static int chosen(const char *name, int count, char **names) {
  for (int i = 1; i < count; ++i)
    if (strcmp(name, names[i]) == 0) return 1;
  return count < 2;
}

static int is_denormal(float x) { return x != 0 && fabsf(x) < 0x1p-126f; }

/* The error of y in a step's mode, where want is exact. */
static double step_error(float y, double want) {
  if (is_denormal(y)) y = copysignf(0, y); /* what only moves bits does not flush: its reader does */
  if (y != 0 || fabs(want) >= 0x1p-125) return ulp_error_f32(y, want);
  /* Zero for what is below the smallest normal number, or is rounded to it; a function may lose a unit before that. */
  if ((signbit(y) != 0) != (signbit(want) != 0)) return 1e9;
  return fabs(want) < 0x1p-126 ? 0 : (fabs(want) - 0x1p-126) * 0x1p149;
}

/* The last results in a mode, their errors, and the largest of those: instruction sets mostly agree, libm is slow. */
typedef struct {
  float y[N];
  double error[N];
  ulp_worst worst;
  int known;
} ulp_memory;

static int bits_differ(const float *a, const float *b) {
  uint32_t u, v;
  memcpy(&u, a, 4);
  memcpy(&v, b, 4);
  return u != v;
}

static double error_of(const ulp_function *g, float y, double x, double want, int step) {
  const float rounded = (float)want;
  if (!bits_differ(&y, &rounded) && !(step && is_denormal(rounded))) return 0;
  const double exact = g->f(x);
  if (step) return step_error(y, exact);
  if (y == 0 && exact == 0) return (signbit(y) != 0) == (signbit(exact) != 0) ? 0 : 1e9;
  return ulp_error_f32(y, exact);
}

static void compare(
    ulp_worst *worst, ulp_memory *memory, const ulp_function *g, const float *y, const double *wide, const double *want,
    int step) {
  if (!memory->known || memcmp(memory->y, y, sizeof memory->y) != 0) {
    memory->worst = (ulp_worst){0, 0};
    for (int k = 0; k < N; ++k) {
      if (!memory->known || bits_differ(&memory->y[k], &y[k]))
        memory->error[k] = error_of(g, y[k], wide[k], want[k], step);
      if (memory->error[k] > memory->worst.worst) memory->worst = (ulp_worst){memory->error[k], wide[k]};
    }
    memcpy(memory->y, y, sizeof memory->y);
    memory->known = 1;
  }
  if (memory->worst.worst > worst->worst) *worst = memory->worst;
}

int main(int argc, char **argv) {
  static float x[N], y[N];
  static double wide[N], want[N];
  static ulp_memory memory;
  mt_isa isas[MOST];
  int count = 0, failures = 0;
  mt_context *context = mt_context_create(1, 0);
  if (!context) return 1;
  for (int i = 0; i < MT_ISA_COUNT; ++i)
    if (mt_isa_supported((mt_isa)i)) isas[count++] = (mt_isa)i;
  printf("| function |");
  for (int i = 0; i < count; ++i) printf(" %s | at | in a step | at |", mt_isa_name(isas[i]));
  printf("\n|---|");
  for (int i = 0; i < count; ++i) printf("---|---|---|---|");
  printf("\n");
  for (size_t u = 0; u < sizeof functions / sizeof *functions; ++u) {
    const ulp_function *g = &functions[u];
    if (!chosen(g->name, argc, argv)) continue;
    char name[40];
    snprintf(name, sizeof name, "mt_%s_f64", g->name);
    unary_f64 reference = __extension__(unary_f64) mt_symbol_address(mt_find_symbol(name), mt_best_isa());
    unary_f32 tried[MOST];
    for (int i = 0; i < count; ++i) tried[i] = find_f32(g->name, isas[i]);
    ulp_worst worst[MOST][2] = {{{0, 0}}};
    for (uint64_t first = 0; first < 1ull << 32; first += N) {
      for (uint32_t k = 0; k < N; ++k) {
        x[k] = float_of((uint32_t)first + k);
        wide[k] = (double)x[k];
      }
      reference(want, wide, N);
      memory.known = 0;
      for (int i = 0; i < count; ++i) {
        tried[i](y, x, N);
        compare(&worst[i][0], &memory, g, y, wide, want, 0);
      }
      /* Only where denormals are results do equal ones have other errors in a step. */
      for (int k = 0; k < N; ++k)
        if (is_denormal((float)want[k]) || is_denormal(memory.y[k])) memory.known = 0;
      if (is_denormal(x[N - 1])) { /* blocks are all denormal, but for the zero in front, or not at all */
        for (uint32_t k = 0; k < N; ++k) wide[k] = copysign(0.0, wide[k]);
        reference(want, wide, N);
        memory.known = 0;
      }
      for (int i = 0; i < count; ++i) {
        mt_context_enter(context);
        tried[i](y, x, N);
        mt_context_leave(context);
        compare(&worst[i][1], &memory, g, y, wide, want, 1);
      }
    }
    printf("| %s |", g->name);
    for (int i = 0; i < count; ++i) {
      for (int step = 0; step < 2; ++step) {
        const ulp_worst w = worst[i][step];
        if (w.worst > 0.5)
          printf(" %.3f | %a |", w.worst, w.at);
        else
          printf(" 0.5 | |");
        if (w.worst > 0.5 && w.worst > g->bound) ++failures;
      }
    }
    printf("\n");
    fflush(stdout);
  }
  mt_context_destroy(context);
  return failures != 0;
}
