/* Every unary primitive against libm in double, on every instruction set of this CPU. */
#include "martlet_runtime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double logistic(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double reciprocal(double x) { return 1 / x; }
static double negate(double x) { return -x; }
static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

static const struct {
  const char *name;
  double (*f)(double);
  double low, high;
} unary[] = {
    {"exp", exp, -100, 88},      {"exp2", exp2, -140, 127},     {"expm1", expm1, -50, 80},
    {"log", log, 1e-30, 1e3},    {"log1p", log1p, -0.999, 10},  {"tanh", tanh, -11, 11},
    {"logistic", logistic, -80, 80}, {"erf", erf, -5, 5},       {"sqrt", sqrt, 0, 100},
    {"rsqrt", rsqrt, 1e-6, 100}, {"reciprocal", reciprocal, 0.1, 9}, {"floor", floor, -9, 9},
    {"ceil", ceil, -9, 9},       {"round", rint, -9, 9},        {"neg", negate, -9, 9},
    {"abs", fabs, -9, 9},        {"sign", sign, -1, 1},
    {"sin", sin, -100, 100},     {"cos", cos, -100, 100},
};

typedef void (*unary_f32)(float *, const float *, long);
typedef void (*unary_f64)(double *, const double *, long);

static double ulp_f32(float y, double want) {
  const float w = (float)want;
  if (isnan(w)) return isnan(y) ? 0 : 1e9;
  if (y == w) return 0;
  int e;
  frexp(want, &e);
  if (e < -125) e = -125;
  return fabs((double)y - want) / ldexp(1, e - 24);
}
static double ulp_f64(double y, double want) {
  if (isnan(want)) return isnan(y) ? 0 : 1e9;
  if (y == want) return 0;
  int e;
  frexp(want, &e);
  if (e < -1021) e = -1021;
  return fabs(y - want) / ldexp(1, e - 53);
}

enum { N = 4099 };
int main(void) {
  int failures = 0;
  static float x[N], y[N];
  static double xd[N], yd[N];
  for (size_t u = 0; u < sizeof unary / sizeof *unary; ++u) {
    for (int i = 0; i < N; ++i) {
      xd[i] = unary[u].low + (unary[u].high - unary[u].low) * i / (N - 1);
      if (i % 3 == 0) xd[i] *= 1e-3;
      x[i] = (float)xd[i];
    }
    for (int isa = 0; isa < MT_ISA_COUNT; ++isa) {
      if (!mt_isa_supported((mt_isa)isa)) continue;
      char name[64];
      snprintf(name, sizeof name, "mt_%s_f32", unary[u].name);
      const mt_symbol *s = mt_find_symbol(name);
      double worst = 0, worst_d = 0;
      float at = 0;
      double at_d = 0;
      if (s) {
        unary_f32 f = __extension__(unary_f32) mt_symbol_address(s, (mt_isa)isa);
        f(y, x, N);
        for (int i = 0; i < N; ++i) {
          const double e = ulp_f32(y[i], unary[u].f((double)x[i]));
          if (e > worst) worst = e, at = x[i];
        }
      }
      snprintf(name, sizeof name, "mt_%s_f64", unary[u].name);
      s = mt_find_symbol(name);
      if (s) {
        unary_f64 f = __extension__(unary_f64) mt_symbol_address(s, (mt_isa)isa);
        f(yd, xd, N);
        for (int i = 0; i < N; ++i) {
          const double e = ulp_f64(yd[i], unary[u].f(xd[i]));
          if (e > worst_d) worst_d = e, at_d = xd[i];
        }
      }
      if (worst > 3 || worst_d > 5) ++failures;
      printf("%-10s %-8s f32 %.2f ulp at %g   f64 %.2f ulp at %g\n", unary[u].name, mt_isa_name((mt_isa)isa),
             worst, (double)at, worst_d, at_d);
    }
  }
  return failures != 0;
}
