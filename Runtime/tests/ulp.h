/* The elementary functions with their references and allowed errors, for test_accuracy.c and ulp_sweep.c. */
#ifndef ULP_H
#define ULP_H

#include "martlet_runtime.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef void (*unary_f32)(float *, const float *, long);

typedef struct {
  const char *name;
  double (*f)(double);
  long double (*l)(long double);
  double low, high; /* where doubles are tried */
  double bound, bound_f64;
} ulp_function;

static double ref_logistic(double x) { return 1 / (1 + exp(-x)); }
static long double ref_logistic_l(long double x) { return 1 / (1 + expl(-x)); }
static double ref_rsqrt(double x) { return 1 / sqrt(x); }
static long double ref_rsqrt_l(long double x) { return 1 / sqrtl(x); }
static double ref_reciprocal(double x) { return 1 / x; }
static long double ref_reciprocal_l(long double x) { return 1 / x; }
static double ref_neg(double x) { return -x; }
static long double ref_neg_l(long double x) { return -x; }
static double ref_sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
static long double ref_sign_l(long double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

static const ulp_function functions[] = {
    {"exp", exp, expl, -745, 709, 1.1, 1.0},
    {"exp2", exp2, exp2l, -1070, 1023, 1.5, 1.0},
    {"expm1", expm1, expm1l, -40, 709, 2.0, 2.0},
    {"log", log, logl, 0, 1e9, 1.0, 1.0},
    {"log1p", log1p, log1pl, -1, 1e9, 1.5, 1.5},
    {"tanh", tanh, tanhl, -20, 20, 1.5, 1.5},
    {"logistic", ref_logistic, ref_logistic_l, -700, 40, 2.0, 2.0},
    {"erf", erf, erfl, -6, 6, 1.5, 1.5},
    {"sin", sin, sinl, -1e6, 1e6, 1.0, 1.0},
    {"cos", cos, cosl, -1e6, 1e6, 1.0, 1.0},
    {"sqrt", sqrt, sqrtl, 0, 1e9, 0.5, 0.5},
    {"rsqrt", ref_rsqrt, ref_rsqrt_l, 0, 1e9, 1.5, 1.5},
    {"reciprocal", ref_reciprocal, ref_reciprocal_l, -1e9, 1e9, 0.5, 0.5},
    {"floor", floor, floorl, -1e3, 1e3, 0, 0},
    {"ceil", ceil, ceill, -1e3, 1e3, 0, 0},
    {"round", rint, rintl, -1e3, 1e3, 0, 0},
    {"neg", ref_neg, ref_neg_l, -1e3, 1e3, 0, 0},
    {"abs", fabs, fabsl, -1e3, 1e3, 0, 0},
    {"sign", ref_sign, ref_sign_l, -1e3, 1e3, 0, 0},
};

static inline unary_f32 find_f32(const char *name, mt_isa isa) {
  char full[40];
  snprintf(full, sizeof full, "mt_%s_f32", name);
  return __extension__(unary_f32) mt_symbol_address(mt_find_symbol(full), isa);
}

static inline float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

/* |y - want| in units of want's last place (of the smallest denormal below the normal range); want is exact to far more
 * than a float. Infinities and NaN are right or wrong: 0 or 1e9. */
static inline double ulp_error_f32(float y, double want) {
  if (isnan(want)) return isnan(y) ? 0 : 1e9;
  if (isnan(y)) return 1e9;
  const float w = (float)want;
  if (isinf(w)) {
    /* Where the exact value rounds to infinity, the largest float is the neighbour below. */
    if (y == w) return 0;
    return isinf(want) || fabs((double)y) < 3.4028234663852886e38 ? 1e9 : 0.5;
  }
  if (isinf(y)) return fabs(want) > 3.4028235e38 && (y > 0) == (want > 0) ? 1 : 1e9;
  uint64_t bits;
  memcpy(&bits, &want, 8);
  const int exponent = (int)(bits >> 52 & 2047) - 1023;
  const uint64_t scale = (uint64_t)(1023 + 23 - (exponent < -126 ? -126 : exponent)) << 52;
  double factor;
  memcpy(&factor, &scale, 8);
  return fabs((double)y - want) * factor;
}
static inline double ulp_error_f64(double y, long double want) {
  if (isnan(want)) return isnan(y) ? 0 : 1e9;
  if (isnan(y)) return 1e9;
  const double w = (double)want;
  if (isinf(w)) return y == w ? 0 : isinf(want) || fabs(y) < 1.7976931348623157e308 ? 1e9 : 0.5;
  if (isinf(y)) return fabsl(want) > 1.7976931348623156e308L && (y > 0) == (want > 0) ? 1 : 1e9;
  int exponent;
  frexpl(want, &exponent);
  return (double)ldexpl(fabsl((long double)y - want), 53 - (exponent < -1021 ? -1021 : exponent));
}

#endif
