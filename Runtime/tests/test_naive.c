/* The primitives that are no loop over a scalar function, and the meaning of the scalar functions themselves, against
 * definitions written out as plainly as possible. */
#include "../martlet_compiler.h"
#include "../martlet_tiles_list.h"
#include "tiles_support.h"

static mt_isa isa;
#define GET(name, kind, op, t)                        \
  typedef void function MT_PARAMETERS_##kind(op, t);  \
  function *f = __extension__(function *) mt_symbol_address(mt_find_symbol("mt_" name), isa);
#define EQUAL(name, t, got, want, count)                                              \
  for (long k = 0; k < (count); ++k) {                                                \
    if (!same_##t((got)[k], (want)[k])) {                                             \
      fail("mt_" name, isa, "wrong", (count), k);                                     \
      break;                                                                          \
    }                                                                                 \
  }

enum { CELLS = 6000 };

/* Integers: what C says, where C says it; the rest by the rules of martlet_math_basic.h, in 128 bits. */
__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;
static wide integer(const char *op, wide a, wide b, wide least) {
  if (!strcmp(op, "add")) return a + b;
  if (!strcmp(op, "sub")) return a - b;
  if (!strcmp(op, "mul")) return a * b;
  if (!strcmp(op, "max")) return a > b ? a : b;
  if (!strcmp(op, "min")) return a < b ? a : b;
  if (!strcmp(op, "div")) return b == 0 ? -1 : a == least && b == -1 && least != 0 ? least : a / b;
  if (!strcmp(op, "rem")) return b == 0 ? a : a % b;
  if (!strcmp(op, "neg")) return -a;
  if (!strcmp(op, "abs")) return a < 0 ? -a : a;
  if (!strcmp(op, "sign")) return (a > 0) - (a < 0);
  return 0;
}
static wide power(wide a, wide n, int bits) {
  if (n < 0) return a == 1 ? 1 : a == -1 ? (n % 2 ? -1 : 1) : 0;
  unsigned_wide p = 1, square = (unsigned_wide)a;
  const unsigned_wide mask = ((unsigned_wide)1 << bits) - 1;
  for (; n > 0; n /= 2, square = (square * square) & mask)
    if (n % 2) p = (p * square) & mask;
  return (wide)p;
}
#define TEST_INTEGER(t, T, LEAST)                                                             \
  static void integers_##t(void) {                                                            \
    static T a[CELLS], b[CELLS], y[CELLS], want[CELLS];                                       \
    static const char *const ops[] = {"add", "sub", "mul", "max", "min", "div", "rem", "pow"}; \
    for (int k = 0; k < CELLS; ++k) a[k] = value_##t(), b[k] = value_##t();                   \
    for (size_t o = 0; o < sizeof ops / sizeof *ops; ++o) {                                   \
      char name[32];                                                                          \
      snprintf(name, sizeof name, "mt_%s_" #t, ops[o]);                                       \
      typedef void function MT_PARAMETERS_BINARY(op, t);                                      \
      function *f = __extension__(function *) mt_symbol_address(mt_find_symbol(name), isa);   \
      f(y, a, b, CELLS);                                                                      \
      for (int k = 0; k < CELLS; ++k)                                                         \
        want[k] = o == 7 ? (T)power(a[k], b[k], (int)sizeof(T) * 8) : (T)integer(ops[o], a[k], b[k], LEAST); \
      EQUAL("integer " #t, t, y, want, CELLS)                                                 \
    }                                                                                         \
    static const char *const unary[] = {"neg", "abs", "sign"};                                \
    for (size_t o = 0; o < sizeof unary / sizeof *unary; ++o) {                               \
      char name[32];                                                                          \
      snprintf(name, sizeof name, "mt_%s_" #t, unary[o]);                                     \
      typedef void function MT_PARAMETERS_UNARY(op, t);                                       \
      function *f = __extension__(function *) mt_symbol_address(mt_find_symbol(name), isa);   \
      f(y, a, CELLS);                                                                         \
      for (int k = 0; k < CELLS; ++k) want[k] = (T)integer(unary[o], a[k], 0, LEAST);         \
      EQUAL("integer unary " #t, t, y, want, CELLS)                                           \
    }                                                                                         \
  }
TEST_INTEGER(i32, int, INT32_MIN)
TEST_INTEGER(i64, long, INT64_MIN)
TEST_INTEGER(u8, unsigned char, 0)

#define TEST_FLOAT(t, T, remainder)                                                           \
  static void floats_##t(void) {                                                              \
    static T a[CELLS], b[CELLS], y[CELLS], want[CELLS];                                       \
    for (int k = 0; k < CELLS; ++k) a[k] = value_##t(), b[k] = k % 5 ? value_##t() : a[k];    \
    { GET("add_" #t, BINARY, add, t) f(y, a, b, CELLS); }                                     \
    for (int k = 0; k < CELLS; ++k) want[k] = a[k] + b[k];                                    \
    EQUAL("add_" #t, t, y, want, CELLS)                                                       \
    { GET("sdiv_" #t, S_BINARY, div, t) f(y, (T)3, b, CELLS); }                               \
    for (int k = 0; k < CELLS; ++k) want[k] = (T)3 / b[k];                                    \
    EQUAL("sdiv_" #t, t, y, want, CELLS)                                                      \
    { GET("subs_" #t, BINARY_S, sub, t) f(y, a, (T)3, CELLS); }                               \
    for (int k = 0; k < CELLS; ++k) want[k] = a[k] - (T)3;                                    \
    EQUAL("subs_" #t, t, y, want, CELLS)                                                      \
    { GET("rem_" #t, BINARY, rem, t) f(y, a, b, CELLS); }                                     \
    for (int k = 0; k < CELLS; ++k) want[k] = remainder(a[k], b[k]);                          \
    EQUAL("rem_" #t, t, y, want, CELLS)                                                       \
    { GET("max_" #t, BINARY, max, t) f(y, a, b, CELLS); }                                     \
    for (int k = 0; k < CELLS; ++k) {                                                         \
      want[k] = isnan(a[k]) || isnan(b[k]) ? (T)NAN : a[k] > b[k] ? a[k] : b[k];              \
      if (a[k] == 0 && b[k] == 0) want[k] = y[k];                                             \
    }                                                                                         \
    EQUAL("max_" #t, t, y, want, CELLS)                                                       \
    { GET("mins_" #t, BINARY_S, min, t) f(y, a, (T)0.5, CELLS); }                             \
    for (int k = 0; k < CELLS; ++k) want[k] = isnan(a[k]) ? (T)NAN : a[k] < (T)0.5 ? a[k] : (T)0.5; \
    EQUAL("mins_" #t, t, y, want, CELLS)                                                      \
    static unsigned char c[CELLS], cwant[CELLS];                                              \
    { GET("le_" #t, COMPARE, le, t) f(c, a, b, CELLS); }                                      \
    for (int k = 0; k < CELLS; ++k) cwant[k] = a[k] <= b[k];                                  \
    EQUAL("le_" #t, u8, c, cwant, CELLS)                                                      \
    { GET("select_" #t, SELECT, select, t) f(y, c, a, b, CELLS); }                            \
    for (int k = 0; k < CELLS; ++k) want[k] = c[k] ? a[k] : b[k];                             \
    EQUAL("select_" #t, t, y, want, CELLS)                                                    \
    static int i[CELLS], iwant[CELLS];                                                        \
    { GET("convert_" #t "_i32", CONVERT, t, i32) f(i, a, CELLS); }                            \
    for (int k = 0; k < CELLS; ++k)                                                           \
      iwant[k] = isnan(a[k]) ? 0 : (double)a[k] >= 2147483648.0 ? INT32_MAX                   \
                 : (double)a[k] <= -2147483648.0 ? INT32_MIN : (int)a[k];                     \
    EQUAL("convert_" #t "_i32", i32, i, iwant, CELLS)                                         \
    static long l[CELLS], lwant[CELLS];                                                       \
    { GET("convert_" #t "_i64", CONVERT, t, i64) f(l, a, CELLS); }                            \
    for (int k = 0; k < CELLS; ++k)                                                           \
      lwant[k] = isnan(a[k]) ? 0 : (double)a[k] >= 9223372036854775808.0 ? INT64_MAX          \
                 : (double)a[k] <= -9223372036854775808.0 ? INT64_MIN : (long)a[k];           \
    EQUAL("convert_" #t "_i64", i64, l, lwant, CELLS)                                         \
    { GET("convert_" #t "_u8", CONVERT, t, u8) f(c, a, CELLS); }                              \
    for (int k = 0; k < CELLS; ++k)                                                           \
      cwant[k] = isnan(a[k]) || a[k] <= 0 ? 0 : a[k] >= 255 ? 255 : (unsigned char)a[k];      \
    EQUAL("convert_" #t "_u8", u8, c, cwant, CELLS)                                           \
    { GET("convert_" #t "_bool", CONVERT, t, bool) f(c, a, CELLS); }                          \
    for (int k = 0; k < CELLS; ++k) cwant[k] = a[k] != 0;                                     \
    EQUAL("convert_" #t "_bool", u8, c, cwant, CELLS)                                         \
  }
TEST_FLOAT(f32, float, fmodf)
TEST_FLOAT(f64, double, fmod)

/* The order of a sum, written out: 64 accumulators in blocks of 4096, pairwise; then the blocks. */
static float naive_block(const float *x, long n) {
  float lane[64] = {0};
  for (long k = 0; k < n; ++k) lane[k % 64] += x[k];
  for (int half = 32; half; half /= 2)
    for (int k = 0; k < half; ++k) lane[k] += lane[k + half];
  return lane[0];
}
static float naive_tree(const float *x, long count) {
  long left = 1;
  if (count == 1) return x[0];
  while (left * 2 < count) left *= 2;
  return naive_tree(x, left) + naive_tree(x + left, count - left);
}
static void row_sums(void) {
  static float x[60000], y[64], want[64], blocks[64];
  for (long k = 0; k < 60000; ++k) x[k] = (float)small_real();
  GET("row_sum_f32", ROW, row_sum, f32)
  for (long cols = 1; cols < 30000; cols += cols < 130 ? 1 : cols / 3) {
    const long rows = 60000 / cols < 20 ? 60000 / cols : 20;
    f(y, x, rows, cols);
    for (long r = 0; r < rows; ++r) {
      long count = 0;
      for (long at = 0; at < cols; at += 4096, ++count)
        blocks[count] = naive_block(x + r * cols + at, cols - at < 4096 ? cols - at : 4096);
      want[r] = naive_tree(blocks, count);
    }
    EQUAL("row_sum_f32", f32, y, want, rows)
    /* Block by block, then combined: the same bits. */
    for (long r = 0; r < rows; ++r) {
      long count = 0;
      for (long at = 0; at < cols; at += 4096, ++count) f(blocks + count, x + r * cols + at, 1, cols - at < 4096 ? cols - at : 4096);
      typedef void combine MT_PARAMETERS_COMBINE(op, f32);
      combine *g = __extension__(combine *) mt_symbol_address(mt_find_symbol("mt_combine_sum_f32"), isa);
      g(want + r, blocks, 1, count);
    }
    EQUAL("combine_sum_f32", f32, y, want, rows)
  }
}

/* Rows x cols: expand, repeat, row and column operands, column reductions. */
static const long widths[] = {1, 2, 3, 6, 10, 15, 16, 17, 33, 48, 63, 64, 65, 81, 130, 300};
#define FOR_SHAPES                                                             \
  for (size_t w = 0; w < sizeof widths / sizeof *widths; ++w)                  \
    for (long cols = widths[w], rows = 0; rows * cols < CELLS - 300 && rows < 140; rows = rows * 2 + 1)
#define TEST_BLOCK(t)                                                                         \
  static void blocks_##t(void) {                                                              \
    static MT_T(t) x[CELLS], v[CELLS], y[CELLS], want[CELLS];                                 \
    FOR_SHAPES {                                                                              \
      for (int k = 0; k < CELLS; ++k) x[k] = value_##t(), v[k] = value_##t(), y[k] = want[k] = 0; \
      const long n = rows * cols;                                                             \
      { GET("expand_" #t, EXPAND, expand, t) f(y, v, rows, cols); }                           \
      for (long k = 0; k < n; ++k) want[k] = v[k / cols];                                     \
      EQUAL("expand_" #t, t, y, want, CELLS)                                                  \
      { GET("repeat_" #t, REPEAT, repeat, t) f(y, v, rows, cols); }                           \
      for (long k = 0; k < n; ++k) want[k] = v[k % cols];                                     \
      EQUAL("repeat_" #t, t, y, want, CELLS)                                                  \
      { GET("fill_" #t, FILL, fill, t) f(y, x[0], n); }                                       \
      for (long k = 0; k < n; ++k) want[k] = x[0];                                            \
      EQUAL("fill_" #t, t, y, want, CELLS)                                                    \
      { GET("copy_" #t, COPY, copy, t) f(y, x, n); }                                          \
      for (long k = 0; k < n; ++k) want[k] = x[k];                                            \
      EQUAL("copy_" #t, t, y, want, CELLS)                                                    \
    }                                                                                         \
  }
TEST_BLOCK(f32)
TEST_BLOCK(f64)
TEST_BLOCK(i32)
TEST_BLOCK(i64)
TEST_BLOCK(u8)
TEST_BLOCK(bool)

#define ROW_OPERAND(op, sign, t)                                                              \
  for (int place = 0; place < 2; ++place) {                                                   \
    MT_T(t) *source = place ? y : x;                                                          \
    if (place) memcpy(y, x, sizeof y);                                                        \
    { GET(#op "r_" #t, BINARY_R, op, t) f(y, source, v, rows, cols); }                        \
    for (long k = 0; k < n; ++k) want[k] = x[k] sign v[k / cols];                             \
    EQUAL(#op "r_" #t, t, y, want, n)                                                         \
    if (place) memcpy(y, x, sizeof y);                                                        \
    { GET(#op "c_" #t, BINARY_C, op, t) f(y, source, v, rows, cols); }                        \
    for (long k = 0; k < n; ++k) want[k] = x[k] sign v[k % cols];                             \
    EQUAL(#op "c_" #t, t, y, want, n)                                                         \
  }
#define TEST_ROW_OPERANDS(t)                                                                  \
  static void row_operands_##t(void) {                                                        \
    static MT_T(t) x[CELLS], v[CELLS], y[CELLS], want[CELLS];                                 \
    FOR_SHAPES {                                                                              \
      for (int k = 0; k < CELLS; ++k) x[k] = value_##t(), v[k] = value_##t();                 \
      const long n = rows * cols;                                                             \
      ROW_OPERAND(add, +, t)                                                                  \
      ROW_OPERAND(sub, -, t)                                                                  \
      ROW_OPERAND(mul, *, t)                                                                  \
      ROW_OPERAND(div, /, t)                                                                  \
    }                                                                                         \
  }
TEST_ROW_OPERANDS(f32)
TEST_ROW_OPERANDS(f64)

#define ADD_(a, b) ((a) + (b))
#define MUL_(a, b) ((a) * (b))
#define MAX_(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define MIN_(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))
#define COLUMNS(op, t, U, OP)                                                                 \
  FOR_SHAPES {                                                                                \
    static MT_T(t) x[CELLS], acc[CELLS], want[CELLS];                                         \
    for (int k = 0; k < CELLS; ++k) x[k] = value_##t(), acc[k] = want[k] = value_##t();       \
    MT_T(t) *tight = malloc((size_t)(rows * cols + 1) * sizeof *x);                           \
    if (rows > 0) memcpy(tight, x, (size_t)(rows * cols) * sizeof *x);                        \
    { GET("col_" #op "_" #t, COLUMN, op, t) f(acc, tight, rows, cols); }                      \
    free(tight);                                                                              \
    for (long r = 0; r < rows; ++r)                                                           \
      for (long k = 0; k < cols; ++k) want[k] = (MT_T(t))OP((U)want[k], (U)x[r * cols + k]);  \
    EQUAL("col_" #op "_" #t, t, acc, want, CELLS)                                             \
  }
#define TEST_COLUMNS(t, U)                \
  static void columns_##t(void) {         \
    COLUMNS(sum, t, U, ADD_)              \
    COLUMNS(prod, t, U, MUL_)             \
    COLUMNS(max, t, MT_T(t), MAX_)        \
    COLUMNS(min, t, MT_T(t), MIN_)        \
  }
TEST_COLUMNS(f32, float)
TEST_COLUMNS(f64, double)
TEST_COLUMNS(i32, unsigned)
TEST_COLUMNS(i64, unsigned long)
TEST_COLUMNS(u8, unsigned char)

#define TEST_IOTA(t)                                                                          \
  static void iota_##t(void) {                                                                \
    static MT_T(t) y[CELLS], want[CELLS];                                                     \
    GET("iota_" #t, IOTA, iota, t)                                                            \
    static const long inners[] = {1, 2, 7, 100}, sizes[] = {1, 3, 10, 100000};                \
    for (int a = 0; a < 4; ++a)                                                               \
      for (int b = 0; b < 4; ++b)                                                             \
        for (long start = 0; start < 5000; start = start * 3 + 1) {                           \
          const long n = (long)(random_word() % 900);                                         \
          f(y, start, n, inners[a], sizes[b]);                                                \
          for (long k = 0; k < n; ++k) want[k] = (MT_T(t))((start + k) / inners[a] % sizes[b]); \
          EQUAL("iota_" #t, t, y, want, n)                                                    \
        }                                                                                     \
  }
TEST_IOTA(f32)
TEST_IOTA(f64)
TEST_IOTA(i32)
TEST_IOTA(i64)
TEST_IOTA(u8)

/* Random views and pads of random rank over a source of random numbers, in every element size. */
#define TEST_VIEWS(size, U)                                                                   \
  static void views_##size(void) {                                                            \
    static U source[40000], y[20000];                                                         \
    for (int k = 0; k < 40000; ++k) source[k] = (U)random_word();                             \
    GET("view_" #size, VIEW, view, size)                                                      \
    typedef void padder MT_PARAMETERS_PAD(op, size);                                          \
    padder *pad = __extension__(padder *) mt_symbol_address(mt_find_symbol("mt_pad_" #size), isa); \
    for (int trial = 0; trial < 600; ++trial) {                                               \
      const long rank = trial == 0 ? 30 : (long)(random_word() % 5);                          \
      long dims[32], src[32], strides[32], low[32], interior[32], order[32], total = 1, cells = 1; \
      for (long d = 0; d < rank; ++d) {                                                       \
        static const long some[] = {1, 2, 3, 5, 8, 17, 20, 40};                               \
        dims[d] = trial == 0 ? 1 + (d % 7 == 0) : some[random_word() % (total > 400 ? 3 : 8)]; \
        src[d] = dims[d];                                                                     \
        total *= dims[d];                                                                     \
        order[d] = d;                                                                         \
      }                                                                                       \
      for (long d = rank - 1; d > 0; --d) {                                                   \
        const long other = (long)(random_word() % (uint64_t)(d + 1)), was = order[d];         \
        if (random_word() % 2) order[d] = order[other], order[other] = was;                   \
      }                                                                                       \
      long stride = 1, base = 0;                                                              \
      for (long k = rank - 1; k >= 0; --k) {                                                  \
        const long d = order[k];                                                              \
        const uint64_t way = random_word() % 8;                                               \
        strides[d] = way == 0 ? 0 : way == 1 ? -stride : stride;                              \
        if (way == 1) base += stride * (dims[d] - 1);                                         \
        stride *= dims[d];                                                                    \
      }                                                                                       \
      if (total > 19000) continue;                                                            \
      const long start = (long)(random_word() % (uint64_t)total);                             \
      const long n = total - start - (long)(random_word() % (uint64_t)(total - start)) / 2;   \
      memset(y, 0, sizeof y);                                                                 \
      f(y + 3, source + base, start, n, rank, dims, strides);                                 \
      for (long k = -3; k < n + 3; ++k) {                                                     \
        long at = start + k, offset = base;                                                   \
        for (long d = rank - 1; d >= 0; at /= dims[d--]) offset += at % dims[d] * strides[d]; \
        if (y[k + 3] != (k < 0 || k >= n ? 0 : source[offset])) {                             \
          fail("mt_view_" #size, isa, "wrong", n, k);                                         \
          break;                                                                              \
        }                                                                                     \
      }                                                                                       \
      if (total > 700) continue;                                                              \
      for (long d = 0; d < rank; ++d) {                                                       \
        low[d] = (long)(random_word() % 6) - 2;                                               \
        interior[d] = trial == 0 ? 0 : (long)(random_word() % 3 == 0 ? random_word() % 3 : 0); \
        const long high = (long)(random_word() % 4) - 1;                                      \
        dims[d] = low[d] + high + (src[d] - 1) * (interior[d] + 1) + 1;                       \
        if (trial == 0) dims[d] = src[d], low[d] = 0;                                         \
        if (dims[d] < 1) dims[d] = 1;                                                         \
        cells *= dims[d];                                                                     \
      }                                                                                       \
      if (cells > 19000) continue;                                                            \
      const long pstart = (long)(random_word() % (uint64_t)cells);                            \
      const long pn = cells - pstart;                                                         \
      const U value = (U)random_word();                                                       \
      memset(y, 0, sizeof y);                                                                 \
      pad(y + 3, source + base, pstart, pn, rank, dims, src, strides, low, interior, &value); \
      for (long k = -3; k < pn + 3; ++k) {                                                    \
        long at = pstart + k, offset = base;                                                  \
        int inside = 1;                                                                       \
        for (long d = rank - 1; d >= 0 && k >= 0; at /= dims[d--]) {                          \
          const long t = at % dims[d] - low[d];                                               \
          if (t < 0 || t % (interior[d] + 1) || t / (interior[d] + 1) >= src[d]) inside = 0;  \
          else offset += t / (interior[d] + 1) * strides[d];                                  \
        }                                                                                     \
        if (y[k + 3] != (k < 0 || k >= pn ? 0 : inside ? source[offset] : value)) {           \
          fail("mt_pad_" #size, isa, "wrong", pn, k);                                         \
          break;                                                                              \
        }                                                                                     \
      }                                                                                       \
    }                                                                                         \
  }
TEST_VIEWS(1, uint8_t)
TEST_VIEWS(2, uint16_t)
TEST_VIEWS(4, uint32_t)
TEST_VIEWS(8, uint64_t)

/* Known answers of the Random123 distribution for counter 0 and key 0; then the moments of the draws. */
static void randoms(void) {
  static const unsigned known[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  static int bits[4];
  static double d[100000];
  static float s[100000];
  { GET("random_bits_i32", RANDOM, bits, i32) f(bits, 0, 0, 0, 0, 4); }
  for (int k = 0; k < 4; ++k)
    if ((unsigned)bits[k] != known[k]) fail("mt_random_bits_i32", isa, "not Philox", 4, k);
  double sum = 0, squares = 0;
  { GET("random_uniform_f32", RANDOM, uniform, f32) f(s, 7, 1, 2, 0, 100000); }
  for (int k = 0; k < 100000; ++k) sum += s[k];
  if (fabs(sum / 100000 - 0.5) > 0.005) fail("mt_random_uniform_f32", isa, "mean", 100000, 0);
  { GET("random_normal_f32", RANDOM, normal, f32) f(s, 7, 1, 3, 0, 100000); }
  sum = 0;
  for (int k = 0; k < 100000; ++k) sum += s[k], squares += (double)s[k] * s[k];
  if (fabs(sum / 100000) > 0.02 || fabs(squares / 100000 - 1) > 0.02) fail("mt_random_normal_f32", isa, "moments", 100000, 0);
  { GET("random_normal_f64", RANDOM, normal, f64) f(d, 7, 1, 3, 0, 100000); }
  sum = squares = 0;
  for (int k = 0; k < 100000; ++k) sum += d[k], squares += d[k] * d[k];
  if (fabs(sum / 100000) > 0.02 || fabs(squares / 100000 - 1) > 0.02) fail("mt_random_normal_f64", isa, "moments", 100000, 0);
}

int main(void) {
  for (int i = 0; i < MT_ISA_COUNT; ++i) {
    isa = (mt_isa)i;
    if (!mt_isa_supported(isa)) continue;
    integers_i32(), integers_i64(), integers_u8();
    floats_f32(), floats_f64();
    row_sums();
    blocks_f32(), blocks_f64(), blocks_i32(), blocks_i64(), blocks_u8(), blocks_bool();
    row_operands_f32(), row_operands_f64();
    columns_f32(), columns_f64(), columns_i32(), columns_i64(), columns_u8();
    iota_f32(), iota_f64(), iota_i32(), iota_i64(), iota_u8();
    views_1(), views_2(), views_4(), views_8();
    randoms();
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
