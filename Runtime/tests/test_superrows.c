/* Superinstructions over rows, and the forms that fetch the next tile meanwhile, have the bits of the primitives that
 * they replace, on every instruction set of this CPU. */
#include "../martlet_compiler.h"
#include "../martlet_tiles_list.h"
#include "tiles_support.h"

static mt_isa isa;
enum { CELLS = 24000, ROOM = CELLS + 64 };
static const long sizes[] = {1,  2,  3,  7,   10,  15,  16,  17,  31,   32,   33,   47,   48,   63,
                             64, 65, 79, 100, 127, 128, 256, 300, 1000, 1024, 4095, 4096, 4097, 9000};
enum { SIZES = sizeof sizes / sizeof *sizes };

#define GET(f, name, kind, op, t)                    \
  typedef void f##_function MT_PARAMETERS_##kind(op, t); \
  f##_function *f = __extension__(f##_function *) mt_symbol_address(mt_find_symbol("mt_" name "_" #t), isa);
#define EQUAL(name, t, got, want, count)             \
  for (long k = 0; k < (count); ++k) {               \
    if (!same_##t((got)[k], (want)[k])) {            \
      fail("mt_" name "_" #t, isa, "rows", cols, k); \
      break;                                         \
    }                                                \
  }

#define TEST_ROWS(t, T)                                                                     \
  static void rows_##t(void) {                                                              \
    static _Alignas(64) T a[ROOM], b[ROOM], c[ROOM], r[ROOM], q[ROOM], y[ROOM], z[ROOM], w[ROOM]; \
    GET(mul, "mul", BINARY, mul, t)                                                         \
    GET(subr, "subr", BINARY_R, sub, t)                                                     \
    GET(mulr, "mulr", BINARY_R, mul, t)                                                     \
    GET(mulc, "mulc", BINARY_C, mul, t)                                                     \
    GET(addc, "addc", BINARY_C, add, t)                                                     \
    GET(row_sum, "row_sum", ROW, row_sum, t)                                                \
    GET(col_sum, "col_sum", COLUMN, col_sum, t)                                             \
    GET(row_dot, "row_dot", ROW_DOT, row_dot, t)                                            \
    GET(row_differences, "row_differences", ROW_DIFFERENCES, row_differences, t)            \
    GET(row_normalise, "row_normalise", ROW_NORMALISE, row_normalise, t)                    \
    GET(col_dot, "col_dot", COLUMN_DOT, col_dot, t)                                         \
    for (int size = 0; size < SIZES; ++size) {                                              \
      for (long most = 1; most <= 45; most += 44) {                                         \
        const long cols = sizes[size], rows = CELLS / cols < most ? CELLS / cols : most, n = rows * cols; \
        for (long i = 0; i < n; ++i) {                                                      \
          const int odd = random_word() % 300 == 0;                                         \
          a[i] = odd ? value_##t() : (T)small_real();                                       \
          b[i] = odd ? value_##t() : (T)small_real();                                       \
        }                                                                                   \
        for (long i = 0; i < rows; ++i) r[i] = (T)small_real(), q[i] = (T)small_real();     \
        for (long i = 0; i < cols; ++i) c[i] = (T)small_real(), w[i] = (T)small_real();     \
        row_dot(y, a, b, rows, cols);                                                       \
        static _Alignas(64) T product[ROOM];                                                \
        mul(product, a, b, n);                                                              \
        row_sum(z, product, rows, cols);                                                    \
        EQUAL("row_dot", t, y, z, rows)                                                     \
        row_differences(y, a, r, rows, cols);                                               \
        subr(product, a, r, rows, cols);                                                    \
        mul(product, product, product, n);                                                  \
        row_sum(z, product, rows, cols);                                                    \
        EQUAL("row_differences", t, y, z, rows)                                             \
        memcpy(y, c, sizeof y);                                                             \
        memcpy(z, c, sizeof z);                                                             \
        col_dot(y, a, b, rows, cols);                                                       \
        mul(product, a, b, n);                                                              \
        col_sum(z, product, rows, cols);                                                    \
        EQUAL("col_dot", t, y, z, cols)                                                     \
        subr(z, a, r, rows, cols);                                                          \
        mulr(z, z, q, rows, cols);                                                          \
        mulc(z, z, c, rows, cols);                                                          \
        addc(z, z, w, rows, cols);                                                          \
        row_normalise(y, a, r, q, c, w, rows, cols);                                        \
        EQUAL("row_normalise", t, y, z, n)                                                  \
        memcpy(y, a, sizeof y);                                                             \
        row_normalise(y, y, r, q, c, w, rows, cols);                                        \
        EQUAL("row_normalise in place", t, y, z, n)                                         \
        if (sizeof(T) == 4) streamed_##t(a, r, q, c, w, z, rows, cols);                     \
      }                                                                                     \
    }                                                                                       \
  }
static void streamed_f32(const float *a, const float *r, const float *q, const float *c, const float *w,
                         const float *want, long rows, long cols) {
  static _Alignas(64) float out[ROOM];
  GET(f, "stream_row_normalise", STREAM_ROW_NORMALISE, row_normalise, f32)
  const mt_symbol *end = mt_find_symbol("mt_stream_end");
  if (!end) fail("mt_stream_end", isa, "missing", 0, 0);
  for (int shift = 0; shift < 2; ++shift) {
    out[rows * cols + shift] = 77.0f;
    f(out + shift, a, r, q, c, w, rows, cols);
    EQUAL("stream_row_normalise", f32, out + shift, want, rows * cols)
    if (out[rows * cols + shift] != 77.0f) fail("mt_stream_row_normalise", isa, "behind", cols, 0);
  }
}
static void streamed_f64(const double *a, const double *r, const double *q, const double *c, const double *w,
                         const double *want, long rows, long cols) {
  (void)a, (void)r, (void)q, (void)c, (void)w, (void)want, (void)rows, (void)cols;
}
TEST_ROWS(f32, float)
TEST_ROWS(f64, double)

/* mt_ahead_OP beside mt_OP; `ahead` may point anywhere. */
#define AHEAD(name, kind, plain_kind, op, ...)                                  \
  {                                                                             \
    GET(f, "ahead_" name, kind, op, f32)                                        \
    GET(plain, name, plain_kind, op, f32)                                       \
    for (int size = 0; size < SIZES; ++size) {                                  \
      const long cols = sizes[size], n = cols;                                  \
      for (long i = 0; i < ROOM; ++i) y[i] = z[i] = 5;                          \
      f(y, __VA_ARGS__, n, ahead, 2);                                           \
      plain(z, __VA_ARGS__, n);                                                 \
      EQUAL("ahead_" name, f32, y, z, n + 1)                                    \
    }                                                                           \
  }
static void ahead_forms(void) {
  static _Alignas(64) float x[ROOM], b[ROOM], c[ROOM], y[ROOM], z[ROOM];
  const void *const ahead[] = {x + 512, b + ROOM};
  for (long i = 0; i < ROOM; ++i) x[i] = value_f32(), b[i] = value_f32(), c[i] = (float)small_real();
  AHEAD("exp", AHEAD_UNARY, UNARY, exp, x)
  AHEAD("tanh", AHEAD_UNARY, UNARY, tanh, x)
  AHEAD("logistic", AHEAD_UNARY, UNARY, logistic, x)
  AHEAD("erf", AHEAD_UNARY, UNARY, erf, x)
  AHEAD("log", AHEAD_UNARY, UNARY, log, x)
  AHEAD("logistic_mul", AHEAD_BINARY, BINARY, logistic_mul, x, b)
  AHEAD("exp_subs", AHEAD_BINARY_S, BINARY_S, exp_subs, x, 0.5f)
  AHEAD("adam_step", AHEAD_ADAM_STEP, ADAM_STEP, adam_step, x, b, 0.1f, c, 0.5f, 1e-8f)
  AHEAD("stream_adam_step", AHEAD_ADAM_STEP, ADAM_STEP, adam_step, x, b, 0.1f, c, 0.5f, 1e-8f)
  AHEAD("muls_erf_mul", AHEAD_MULS_ERF_MUL, MULS_ERF_MUL, muls_erf_mul, x, 0.5f, b, 0.7f, 1.0f)
  AHEAD("stream_muls_erf_mul", AHEAD_MULS_ERF_MUL, MULS_ERF_MUL, muls_erf_mul, x, 0.5f, b, 0.7f, 1.0f)
  AHEAD("random_uniform", AHEAD_RANDOM, RANDOM, random_uniform, 7, 9, 3, 12345)
}

int main(void) {
  for (int i = 0; i < MT_ISA_COUNT; ++i) {
    isa = (mt_isa)i;
    if (!mt_isa_supported(isa)) continue;
    rows_f32();
    rows_f64();
    ahead_forms();
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
