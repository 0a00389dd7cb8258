/* Errors of the elementary functions in units of the last place, on every instruction set of this CPU: floats at a
 * stride against libm in double (ulp_sweep.c tries every one), doubles at random against libm in long double. */
#include "tiles_support.h"
#include "ulp.h"

typedef void (*unary_f64)(double *, const double *, long);
typedef void (*binary_f64)(double *, const double *, const double *, long);
typedef void (*binary_f32)(float *, const float *, const float *, long);

enum { N = 4096 };
static float x[N], y[N], x2[N];
static double xd[N], yd[N], xd2[N];

static void check(const char *name, const char *t, mt_isa isa, double worst, double bound, double at) {
  if (worst <= bound) return;
  ++failures;
  printf("FAILED %s_%s %s: %.3f ulp at %.17g, %.1f allowed\n", name, t, mt_isa_name(isa), worst, at, bound);
}

static void floats(mt_isa isa, uint32_t stride) {
  for (size_t u = 0; u < sizeof functions / sizeof *functions; ++u) {
    const ulp_function *g = &functions[u];
    unary_f32 f = find_f32(g->name, isa);
    double worst = 0, at = 0;
    for (uint64_t bits = 0; bits < 1ull << 32;) {
      int count = 0;
      for (; count < N && bits < 1ull << 32; ++count, bits += stride) x[count] = float_of((uint32_t)bits);
      f(y, x, count);
      for (int k = 0; k < count; ++k) {
        const double e = ulp_error_f32(y[k], g->f((double)x[k]));
        if (e > worst) worst = e, at = (double)x[k];
      }
    }
    check(g->name, "f32", isa, worst, g->bound, at);
  }
}

/* Neighbours of inputs where `make ulp` once found more than the bound, which a stride steps over. */
static void known_places(mt_isa isa) {
  static const struct {
    const char *name;
    float at;
  } places[] = {{"logistic", -0x1.0a111ap+2f}, {"logistic", -0x1.20c458p+0f}, {"erf", 0x1.c5a9ap-126f}};
  static float x[N], y[N];
  for (size_t p = 0; p < sizeof places / sizeof *places; ++p)
    for (size_t u = 0; u < sizeof functions / sizeof *functions; ++u) {
      const ulp_function *g = &functions[u];
      if (strcmp(g->name, places[p].name) != 0) continue;
      uint32_t bits;
      memcpy(&bits, &places[p].at, 4);
      for (int k = 0; k < N; ++k) x[k] = float_of(bits - N / 2 + (uint32_t)k);
      find_f32(g->name, isa)(y, x, N);
      double worst = 0, at = 0;
      for (int k = 0; k < N; ++k) {
        const double e = ulp_error_f32(y[k], g->f((double)x[k]));
        if (e > worst) worst = e, at = (double)x[k];
      }
      check(g->name, "f32", isa, worst, g->bound, at);
    }
}

static const float edges[] = {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN};
enum { EDGES = sizeof edges / sizeof *edges };

static void doubles(mt_isa isa, int rounds) {
  for (size_t u = 0; u < sizeof functions / sizeof *functions; ++u) {
    const ulp_function *g = &functions[u];
    char name[32];
    snprintf(name, sizeof name, "mt_%s_f64", g->name);
    unary_f64 f = __extension__(unary_f64) mt_symbol_address(mt_find_symbol(name), isa);
    double worst = 0, at = 0;
    for (int round = 0; round < rounds; ++round) {
      for (int k = 0; k < N; ++k) {
        const double unit = (double)(random_word() >> 11) * 0x1p-53;
        xd[k] = g->low + (g->high - g->low) * unit;
        if (k % 4 == 0) xd[k] = unit * 4 - 2;
        if (k % 4 == 1) xd[k] = ldexp(unit, -(int)(random_word() % 60));
        if (k % 4 == 1 && k % 8 == 1) xd[k] = -xd[k];
      }
      for (int k = 0; k < EDGES; ++k) xd[k] = (double)edges[k];
      f(yd, xd, N);
      for (int k = 0; k < N; ++k) {
        const double e = ulp_error_f64(yd[k], g->l((long double)xd[k]));
        if (e > worst) worst = e, at = xd[k];
      }
    }
    check(g->name, "f64", isa, worst, g->bound_f64, at);
  }
}

static void powers(mt_isa isa, int rounds) {
  binary_f32 f = __extension__(binary_f32) mt_symbol_address(mt_find_symbol("mt_pow_f32"), isa);
  binary_f64 d = __extension__(binary_f64) mt_symbol_address(mt_find_symbol("mt_pow_f64"), isa);
  static const float exponents[] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, 3.0f, -3.0f, 0.5f, -0.5f, INFINITY, -INFINITY, NAN, 1e10f, 16777217.0f, -5.0f};
  enum { EXPONENTS = sizeof exponents / sizeof *exponents };
  double worst = 0, at = 0, worst_d = 0, at_d = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int k = 0; k < N; ++k) {
      const double unit = (double)(random_word() >> 11) * 0x1p-53;
      xd[k] = ldexp(unit + 0.5, (int)(random_word() % 40) - 20);
      if (k % 3 == 0) xd[k] = 0.9 + 0.2 * unit;
      xd2[k] = small_real() * (k % 5 ? 1 : 20);
      if (k % 7 == 0) xd[k] = -xd[k], xd2[k] = rint(xd2[k]);
      if (k < EDGES * EXPONENTS) xd[k] = (double)edges[k / EXPONENTS], xd2[k] = (double)exponents[k % EXPONENTS];
      x[k] = (float)xd[k];
      x2[k] = (float)xd2[k];
    }
    f(y, x, x2, N);
    d(yd, xd, xd2, N);
    for (int k = 0; k < N; ++k) {
      double e = ulp_error_f32(y[k], pow((double)x[k], (double)x2[k]));
      if (e > worst) worst = e, at = (double)x[k];
      e = ulp_error_f64(yd[k], powl((long double)xd[k], (long double)xd2[k]));
      if (e > worst_d) worst_d = e, at_d = xd[k];
    }
  }
  check("pow", "f32", isa, worst, 1.0, at);
  check("pow", "f64", isa, worst_d, 2.0, at_d);
}

/* Angles, in all octants and at the edges: signed zeros too. */
static void angles(mt_isa isa, int rounds) {
  binary_f32 f = __extension__(binary_f32) mt_symbol_address(mt_find_symbol("mt_atan2_f32"), isa);
  binary_f64 d = __extension__(binary_f64) mt_symbol_address(mt_find_symbol("mt_atan2_f64"), isa);
  double worst = 0, at = 0, worst_d = 0, at_d = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int k = 0; k < N; ++k) {
      xd[k] = ldexp((double)(random_word() >> 11) * 0x1p-53 + 0.5, (int)(random_word() % 60) - 30);
      xd2[k] = xd[k] * ldexp((double)(random_word() >> 11) * 0x1p-53 + 0.5, (int)(random_word() % 24) - 12);
      if (k % 3 == 0) xd2[k] = xd[k] * (0.3 + 0.3 * (double)(random_word() >> 11) * 0x1p-53);
      if (random_word() & 1) xd[k] = -xd[k];
      if (random_word() & 1) xd2[k] = -xd2[k];
      if (k < EDGES * EDGES) xd[k] = (double)edges[k / EDGES], xd2[k] = (double)edges[k % EDGES];
      x[k] = (float)xd[k];
      x2[k] = (float)xd2[k];
    }
    f(y, x, x2, N);
    d(yd, xd, xd2, N);
    for (int k = 0; k < N; ++k) {
      const double want = atan2((double)x[k], (double)x2[k]);
      const double want_d = atan2(xd[k], xd2[k]);
      double e = !!signbit(want) != !!signbit(y[k]) && !isnan(want) ? 1e9 : ulp_error_f32(y[k], want);
      if (e > worst) worst = e, at = (double)x[k];
      e = !!signbit(want_d) != !!signbit(yd[k]) && !isnan(want_d) ? 1e9 : ulp_error_f64(yd[k], atan2l((long double)xd[k], (long double)xd2[k]));
      if (e > worst_d) worst_d = e, at_d = xd[k];
    }
  }
  check("atan2", "f32", isa, worst, 0.6, at);
  check("atan2", "f64", isa, worst_d, 2.0, at_d);
}

/* Zeros keep their sign where the function is odd. */
static void zeros(mt_isa isa) {
  static const char *const odd[] = {"expm1", "log1p", "tanh", "erf", "sin", "sqrt", "neg", "sign", "floor", "ceil", "round"};
  for (size_t k = 0; k < sizeof odd / sizeof *odd; ++k) {
    const float zero[2] = {0.0f, -0.0f};
    float got[2];
    find_f32(odd[k], isa)(got, zero, 2);
    const int negated = !strcmp(odd[k], "neg");
    if (got[0] != 0 || got[1] != 0 || !!signbit(got[0]) != negated || !!signbit(got[1]) == negated)
      fail(odd[k], isa, "sign of zero", 2, 0);
  }
}

int main(void) {
#if defined(__aarch64__)
  const int rounds = 2; /* emulated, and long double is software */
  const uint32_t stride = 400009;
#else
  const int rounds = 40;
  const uint32_t stride = 10007;
#endif
  for (int i = 0; i < MT_ISA_COUNT; ++i) {
    if (!mt_isa_supported((mt_isa)i)) continue;
    floats((mt_isa)i, stride);
    known_places((mt_isa)i);
    doubles((mt_isa)i, rounds);
    powers((mt_isa)i, rounds);
    angles((mt_isa)i, rounds);
    zeros((mt_isa)i);
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
