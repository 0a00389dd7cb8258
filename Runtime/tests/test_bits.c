/* Every primitive that is a loop over a scalar function has the bits of that function, whatever the length, the
 * alignment and the sharing of buffers, on every instruction set of this CPU, with and without denormals. */
#include "reference.h"
#include "tiles_support.h"

static void begin_with(void *buffer, const void *start, size_t size) {
  if (buffer != start) memcpy(buffer, start, size);
}

enum { ROOM = 1600, MOST = 1100 };
static mt_isa isa;
static const long lengths[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 300, 513, 1027};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

#define BUFFER(T, v) static _Alignas(64) T v[ROOM]
#define FILL(t, v) \
  for (int i = 0; i < ROOM; ++i) v[i] = value_##t();
/* `call(y)` writes y[o .. o + n) with `f`; around it nothing changes, and inside are the bits of `want`. */
#define EXPECT(name, t, got, want, what)                                                       \
  for (long i = 0; i < ROOM; ++i) {                                                            \
    if (!same_##t(got[i], want[i])) {                                                          \
      fail("mt_" #name, isa, what, n, i - o);                                                  \
      break;                                                                                   \
    }                                                                                          \
  }
#define FIND(name, kind, op, t)                                       \
  typedef void function MT_PARAMETERS_##kind(op, t);                  \
  function *f = __extension__(function *) mt_symbol_address(mt_find_symbol("mt_" #name), isa); \
  function *ref = REF_OF(name, isa);
#define FOR_LENGTHS for (int l = 0; l < LENGTHS; ++l) for (long n = lengths[l], o = 0; o < 4; o += 3)

/* x: inputs; the output starts as a copy of `start`, which is an input for the runs in place. */
#define RUN(name, t, start, what, with_f, with_ref) \
  begin_with(y, start, sizeof y);                   \
  begin_with(z, start, sizeof z);                   \
  with_f;                                           \
  with_ref;                                         \
  EXPECT(name, t, y, z, what)

#define TEST_UNARY(name, kind, op, t)                                                          \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), x); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                \
    FOR_LENGTHS {                                                                              \
      FILL(t, x)                                                                               \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "apart", f(y + o, x + o, n), ref(z + o, x + o, n))                       \
      RUN(name, t, x, "in place", f(y + o, y + o, n), ref(z + o, x + o, n))                    \
    }                                                                                          \
  }
#define TEST_BINARY(name, kind, op, t)                                                         \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), b); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);            \
    FOR_LENGTHS {                                                                              \
      FILL(t, a)                                                                               \
      FILL(t, b)                                                                               \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "apart", f(y + o, a + o, b + o, n), ref(z + o, a + o, b + o, n))         \
      RUN(name, t, a, "in place of a", f(y + o, y + o, b + o, n), ref(z + o, a + o, b + o, n)) \
      RUN(name, t, b, "in place of b", f(y + o, a + o, y + o, n), ref(z + o, a + o, b + o, n)) \
      RUN(name, t, a, "all one", f(y + o, y + o, y + o, n), ref(z + o, a + o, a + o, n))       \
    }                                                                                          \
  }
#define TEST_BINARY_S(name, kind, op, t)                                                       \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                \
    FOR_LENGTHS {                                                                              \
      const MT_T(t) s = value_##t();                                                           \
      FILL(t, a)                                                                               \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "apart", f(y + o, a + o, s, n), ref(z + o, a + o, s, n))                 \
      RUN(name, t, a, "in place", f(y + o, y + o, s, n), ref(z + o, a + o, s, n))              \
    }                                                                                          \
  }
#define TEST_S_BINARY(name, kind, op, t)                                                       \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                \
    FOR_LENGTHS {                                                                              \
      const MT_T(t) s = value_##t();                                                           \
      FILL(t, a)                                                                               \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "apart", f(y + o, s, a + o, n), ref(z + o, s, a + o, n))                 \
      RUN(name, t, a, "in place", f(y + o, s, y + o, n), ref(z + o, s, a + o, n))              \
    }                                                                                          \
  }
#define TEST_COMPARE(name, kind, op, t)                                                        \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), b);                                                    \
    BUFFER(unsigned char, y); BUFFER(unsigned char, z);                                        \
    FOR_LENGTHS {                                                                              \
      FILL(t, a)                                                                               \
      FILL(t, b)                                                                               \
      FILL(u8, z)                                                                              \
      for (int i = 0; i < ROOM; i += 5) b[i] = a[i];                                           \
      RUN(name, u8, z, "apart", f(y + o, a + o, b + o, n), ref(z + o, a + o, b + o, n))        \
    }                                                                                          \
  }
#define TEST_COMPARE_S(name, kind, op, t)                                                      \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a);                                                                        \
    BUFFER(unsigned char, y); BUFFER(unsigned char, z);                                        \
    FOR_LENGTHS {                                                                              \
      const MT_T(t) s = value_##t();                                                           \
      FILL(t, a)                                                                               \
      FILL(u8, z)                                                                              \
      for (int i = 0; i < ROOM; i += 5) a[i] = s;                                              \
      RUN(name, u8, z, "apart", f(y + o, a + o, s, n), ref(z + o, a + o, s, n))                \
    }                                                                                          \
  }
#define TEST_SELECT_WITH(name, kind, op, t, A, B, A_IN, B_IN)                                  \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), b); BUFFER(unsigned char, c);                          \
    BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                                    \
    FOR_LENGTHS {                                                                              \
      const MT_T(t) s = value_##t(), u = value_##t();                                          \
      (void)s, (void)u, (void)a, (void)b, (void)c;                                             \
      FILL(t, a)                                                                               \
      FILL(t, b)                                                                               \
      FILL(t, z)                                                                               \
      FILL(bool, c)                                                                            \
      RUN(name, t, z, "apart", f(y + o, c + o, A, B, n), ref(z + o, c + o, A, B, n))           \
      RUN(name, t, a, "in place of a", f(y + o, c + o, A_IN, B, n), ref(z + o, c + o, A, B, n)) \
      RUN(name, t, b, "in place of b", f(y + o, c + o, A, B_IN, n), ref(z + o, c + o, A, B, n)) \
    }                                                                                          \
  }
#define TEST_SELECT(name, kind, op, t) TEST_SELECT_WITH(name, kind, op, t, a + o, b + o, y + o, y + o)
#define TEST_SELECT_S(name, kind, op, t) TEST_SELECT_WITH(name, kind, op, t, a + o, s, y + o, s)
#define TEST_S_SELECT(name, kind, op, t) TEST_SELECT_WITH(name, kind, op, t, s, b + o, s, y + o)
#define TEST_S_SELECT_S(name, kind, op, t) TEST_SELECT_WITH(name, kind, op, t, s, u, s, u)
#define TEST_CONVERT(name, kind, from, to)                                                     \
  static void test_##name(void) {                                                              \
    FIND(name, kind, from, to)                                                                 \
    BUFFER(MT_T(from), x); BUFFER(MT_T(to), y); BUFFER(MT_T(to), z);                           \
    FOR_LENGTHS {                                                                              \
      FILL(from, x)                                                                            \
      FILL(to, z)                                                                              \
      RUN(name, to, z, "apart", f(y + o, x + o, n), ref(z + o, x + o, n))                      \
      if (sizeof *x != sizeof *y) continue;                                                    \
      memcpy(z, x, sizeof x);                                                                  \
      RUN(name, to, z, "in place", f(y + o, (void *)(y + o), n), ref(z + o, x + o, n))         \
    }                                                                                          \
  }
#define TEST_FUSED(name, kind, op, t, ARGUMENTS, IN_PLACE)                                     \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), a); BUFFER(MT_T(t), b); BUFFER(MT_T(t), c);                                \
    BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                                    \
    FOR_LENGTHS {                                                                              \
      const MT_T(t) s = value_##t(), u = value_##t(), v = value_##t();                         \
      (void)s, (void)u, (void)v, (void)a, (void)b, (void)c;                                    \
      FILL(t, a)                                                                               \
      FILL(t, b)                                                                               \
      FILL(t, c)                                                                               \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "apart", f(y + o, ARGUMENTS, n), ref(z + o, ARGUMENTS, n))               \
      RUN(name, t, a, "in place", f(y + o, IN_PLACE, n), ref(z + o, ARGUMENTS, n))             \
    }                                                                                          \
  }
#define COMMA ,
#define THREE a + o COMMA b + o COMMA c + o
#define THREE_IN y + o COMMA b + o COMMA c + o
#define TEST_MUL_ADD(name, kind, op, t) TEST_FUSED(name, kind, op, t, THREE, THREE_IN)
#define TEST_MUL_MUL(name, kind, op, t) TEST_FUSED(name, kind, op, t, THREE, THREE_IN)
#define TEST_SUB_MUL(name, kind, op, t) TEST_FUSED(name, kind, op, t, THREE, THREE_IN)
#define TEST_MULS_ADD(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA b + o, y + o COMMA s COMMA b + o)
#define TEST_AXPBY(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA b + o COMMA u, y + o COMMA s COMMA b + o COMMA u)
#define TEST_MAXS_MULS(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA u, y + o COMMA s COMMA u)
#define TEST_LOGISTIC_MUL(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA b + o, y + o COMMA b + o)
#define TEST_EXP_SUBS(name, kind, op, t) TEST_FUSED(name, kind, op, t, a + o COMMA s, y + o COMMA s)
#define TEST_GTS_SELECT(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, c + o COMMA s COMMA a + o COMMA u, c + o COMMA s COMMA y + o COMMA u)
#define TEST_LTS_MULS_SELECT(name, kind, op, t)                                                \
  TEST_FUSED(name, kind, op, t, c + o COMMA s COMMA a + o COMMA v COMMA u,                     \
             c + o COMMA s COMMA y + o COMMA v COMMA u)
#define TEST_SUBS_MULS(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA u, y + o COMMA s COMMA u)
#define TEST_MAXS_MULS_ADD(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA u COMMA b + o, y + o COMMA s COMMA u COMMA b + o)
#define TEST_MAXS_MUL_ADD(name, kind, op, t) \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA b + o COMMA c + o, y + o COMMA s COMMA b + o COMMA c + o)
#define TEST_AXPBY_MUL(name, kind, op, t)                                                      \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA b + o COMMA c + o COMMA u,                 \
             y + o COMMA s COMMA b + o COMMA c + o COMMA u)
#define TEST_ADAM_STEP(name, kind, op, t)                                                      \
  TEST_FUSED(name, kind, op, t, a + o COMMA b + o COMMA s COMMA c + o COMMA u COMMA v,         \
             y + o COMMA b + o COMMA s COMMA c + o COMMA u COMMA v)
#define TEST_MULS_ERF_MUL(name, kind, op, t)                                                   \
  TEST_FUSED(name, kind, op, t, a + o COMMA s COMMA b + o COMMA u COMMA v,                     \
             y + o COMMA s COMMA b + o COMMA u COMMA v)
#define TEST_DEQUANTIZE(name, kind, op, t)                                                     \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(int, x); BUFFER(MT_T(t), b); BUFFER(MT_T(t), c); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z); \
    FOR_LENGTHS {                                                                              \
      FILL(i32, x) FILL(t, b) FILL(t, c) FILL(t, z)                                            \
      RUN(name, t, z, "apart", f(y + o, x + o, b + o, c + o, n), ref(z + o, x + o, b + o, c + o, n)) \
      memcpy(z, x, sizeof x);                                                                  \
      RUN(name, t, z, "in place", f(y + o, (void *)(y + o), b + o, c + o, n),                  \
          ref(z + o, x + o, b + o, c + o, n))                                                  \
    }                                                                                          \
  }
#define TEST_TO_BYTES(name, kind, op, t, ...)                                                  \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(float, x); BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                  \
    FOR_LENGTHS {                                                                              \
      FILL(f32, x) FILL(t, z)                                                                  \
      const float s = value_f32(), u = value_f32();                                            \
      (void)s, (void)u;                                                                        \
      RUN(name, t, z, "apart", f(y + o, x + o, __VA_ARGS__, n), ref(z + o, x + o, __VA_ARGS__, n)) \
    }                                                                                          \
  }
#define TEST_MAXS_MULS_ROUND(name, kind, op, t) TEST_TO_BYTES(name, kind, op, t, s, u)
#define TEST_MULS_ROUND_ADDS(name, kind, op, t) TEST_TO_BYTES(name, kind, op, t, s, u)
#define TEST_MULS_ROUND(name, kind, op, t) TEST_TO_BYTES(name, kind, op, t, s)
#define TEST_STREAM_COPY TEST_UNARY
#define TEST_STREAM_BINARY TEST_BINARY
#define TEST_STREAM_BINARY_S TEST_BINARY_S
#define TEST_STREAM_MUL_ADD TEST_MUL_ADD
#define TEST_STREAM_MULS_ADD TEST_MULS_ADD
#define TEST_STREAM_AXPBY TEST_AXPBY
#define TEST_STREAM_AXPBY_MUL TEST_AXPBY_MUL
#define TEST_STREAM_MAXS_MULS_ADD TEST_MAXS_MULS_ADD
#define TEST_STREAM_MAXS_MUL_ADD TEST_MAXS_MUL_ADD
#define TEST_STREAM_GTS_SELECT TEST_GTS_SELECT
#define TEST_STREAM_ADAM_STEP TEST_ADAM_STEP
#define TEST_STREAM_MULS_ERF_MUL TEST_MULS_ERF_MUL
#define TEST_RANDOM(name, kind, op, t)                                                         \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    BUFFER(MT_T(t), y); BUFFER(MT_T(t), z);                                                    \
    FOR_LENGTHS {                                                                              \
      const long seed = (long)random_word(), step = (long)random_word(), start = (long)(random_word() >> 20); \
      FILL(t, z)                                                                               \
      RUN(name, t, z, "random", f(y + o, seed, step, 3, start, n), ref(z + o, seed, step, 3, start, n)) \
    }                                                                                          \
  }
/* A row's result is that of the row alone, and that of its blocks combined. */
#define TEST_ROW_WITH(name, kind, op, t, tr)                                                   \
  static void test_##name(void) {                                                              \
    FIND(name, kind, op, t)                                                                    \
    enum { CELLS = 40000 };                                                                    \
    static MT_T(t) x[CELLS];                                                                   \
    BUFFER(MT_T(tr), y); BUFFER(MT_T(tr), z);                                                  \
    static const long sizes[] = {0, 1, 2, 3, 9, 10, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 257,   \
                                 1000, 4095, 4096, 4097, 8192, 12300, 20000, 29000};           \
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k) {                                \
      const long cols = sizes[k], rows = cols == 0 ? 3 : CELLS / cols < 37 ? CELLS / cols : 37; \
      for (long i = 0; i < CELLS; ++i) x[i] = random_word() % 600 ? (MT_T(t))small_##t() : value_##t(); \
      const long n = cols, o = 0;                                                              \
      MT_T(t) *tight = malloc((size_t)(rows * cols + 1) * sizeof *x); /* nothing to read past the end */ \
      if (rows * cols > 0) memcpy(tight, x, (size_t)(rows * cols) * sizeof *x);                \
      memset(z, 0, sizeof z);                                                                  \
      RUN(name, tr, z, "rows", f(y, tight, rows, cols), for (long i = 0; i < rows; ++i) ref(z + i, x + i * cols, 1, cols)) \
      free(tight);                                                                             \
    }                                                                                          \
  }
#define small_f32 small_real
#define small_f64 small_real
#define small_i32 (int)random_word
#define small_i64 random_word
#define small_u8 random_word
#define TEST_ROW(name, kind, op, t) TEST_ROW_WITH(name, kind, op, t, t)
#define TEST_ROW_ARGUMENT(name, kind, op, t) TEST_ROW_WITH(name, kind, op, t, i32)
#define TEST_COMBINE(name, kind, op, t) TEST_ROW_WITH(name, kind, op, t, t)

#define TEST_TRIG TEST_UNARY
#define TEST_EXPONENTIAL TEST_UNARY
#define TEST_SLOW_BINARY TEST_BINARY
#define TEST_SLOW_BINARY_S TEST_BINARY_S
#define TEST_SLOW_S_BINARY TEST_S_BINARY

#define DEFINE_TEST(kind, name, op, t) TEST_##kind(name, kind, op, t)
MT_SCALAR_TILES(DEFINE_TEST)

#define CALL_TEST(kind, name, op, t) test_##name();
int main(void) {
  for (int i = 0; i < MT_ISA_COUNT; ++i) {
    isa = (mt_isa)i;
    if (!mt_isa_supported(isa)) continue;
    for (int flush = 0; flush < 2; ++flush) {
      flush_denormals(flush);
      MT_SCALAR_TILES(CALL_TEST)
      flush_denormals(0);
    }
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
