/* Arithmetic, comparison, selection and conversion of one element. Included by martlet_math.h.
 *
 * Integers wrap around; x/0 = -1 (255), x rem 0 = x, MIN/-1 = MIN, a remainder has the sign of the dividend. Maximum and
 * minimum of floats propagate NaN and take -0 and +0 as equal. A float becomes an integer by truncation and saturates;
 * NaN becomes 0. */
#ifndef MARTLET_MATH_BASIC_H
#define MARTLET_MATH_BASIC_H

#define MTM_FLOAT_BINARY(t, T, remainder)                                                \
  MTM_FUNCTION T mtm_add_##t(T a, T b) { return a + b; }                                 \
  MTM_FUNCTION T mtm_sub_##t(T a, T b) { return a - b; }                                 \
  MTM_FUNCTION T mtm_mul_##t(T a, T b) { return a * b; }                                 \
  MTM_FUNCTION T mtm_div_##t(T a, T b) { return a / b; }                                 \
  MTM_FUNCTION T mtm_rem_##t(T a, T b) { return remainder(a, b); }                       \
  MTM_FUNCTION T mtm_max_##t(T a, T b) {                                                 \
    const T m = a > b ? a : b;                                                           \
    return a == a ? m : a;                                                               \
  }                                                                                      \
  MTM_FUNCTION T mtm_min_##t(T a, T b) {                                                 \
    const T m = a < b ? a : b;                                                           \
    return a == a ? m : a;                                                               \
  }
MTM_FLOAT_BINARY(f32, float, __builtin_fmodf)
MTM_FLOAT_BINARY(f64, double, __builtin_fmod)

/* U is the unsigned type in which wrapping around is defined; QUOTIENT is exact for a divisor that fits. */
#define MTM_INTEGER_BINARY(t, T, U, LEAST, QUOTIENT)                                     \
  MTM_FUNCTION T mtm_add_##t(T a, T b) { return (T)((U)a + (U)b); }                      \
  MTM_FUNCTION T mtm_sub_##t(T a, T b) { return (T)((U)a - (U)b); }                      \
  MTM_FUNCTION T mtm_mul_##t(T a, T b) { return (T)((U)a * (U)b); }                      \
  MTM_FUNCTION T mtm_max_##t(T a, T b) { return a > b ? a : b; }                         \
  MTM_FUNCTION T mtm_min_##t(T a, T b) { return a < b ? a : b; }                         \
  MTM_FUNCTION T mtm_neg_##t(T a) { return (T)((U)0 - (U)a); }                           \
  MTM_FUNCTION T mtm_and_##t(T a, T b) { return (T)(a & b); }                            \
  MTM_FUNCTION T mtm_or_##t(T a, T b) { return (T)(a | b); }                             \
  MTM_FUNCTION T mtm_xor_##t(T a, T b) { return (T)(a ^ b); }                            \
  MTM_FUNCTION T mtm_div_##t(T a, T b) {                                                 \
    const int wraps = (LEAST) != 0 && a == (LEAST) && b == (T)-1;                        \
    const T q = QUOTIENT(a, b == 0 || wraps ? (T)1 : b);                                 \
    return b == 0 ? (T)-1 : q;                                                           \
  }                                                                                      \
  MTM_FUNCTION T mtm_rem_##t(T a, T b) {                                                 \
    return b == 0 ? a : (T)((U)a - (U)mtm_div_##t(a, b) * (U)b);                         \
  }                                                                                      \
  MTM_FUNCTION T mtm_power_##t(T a, U n) {                                               \
    U product = 1;                                                                       \
    for (U square = (U)a; n != 0; n = (U)(n >> 1), square = (U)(square * square)) {      \
      if (n & 1) product = (U)(product * square);                                        \
    }                                                                                    \
    return (T)product;                                                                   \
  }
#define MTM_QUOTIENT_i32(a, b) ((int)((double)(a) / (double)(b)))
#define MTM_QUOTIENT_i64(a, b) ((a) / (b))
#define MTM_QUOTIENT_u8(a, b) ((unsigned char)(int)((float)(a) / (float)(b)))
MTM_INTEGER_BINARY(i32, int, unsigned, (-2147483647 - 1), MTM_QUOTIENT_i32)
MTM_INTEGER_BINARY(i64, long, unsigned long, (-9223372036854775807L - 1), MTM_QUOTIENT_i64)
MTM_INTEGER_BINARY(u8, unsigned char, unsigned char, 0, MTM_QUOTIENT_u8)

/* A negative exponent leaves 1 and -1 and makes 0 of anything else. */
#define MTM_SIGNED_REST(t, T, U)                                                         \
  MTM_FUNCTION T mtm_pow_##t(T a, T n) {                                                 \
    if (n >= 0) return mtm_power_##t(a, (U)n);                                           \
    return a == 1 ? 1 : a == -1 ? (n & 1 ? -1 : 1) : 0;                                  \
  }                                                                                      \
  MTM_FUNCTION T mtm_abs_##t(T a) { return a < 0 ? mtm_neg_##t(a) : a; }                 \
  MTM_FUNCTION T mtm_sign_##t(T a) { return (T)((a > 0) - (a < 0)); }
MTM_SIGNED_REST(i32, int, unsigned)
MTM_SIGNED_REST(i64, long, unsigned long)
MTM_FUNCTION unsigned char mtm_pow_u8(unsigned char a, unsigned char n) { return mtm_power_u8(a, n); }
MTM_FUNCTION unsigned char mtm_abs_u8(unsigned char a) { return a; }
MTM_FUNCTION unsigned char mtm_sign_u8(unsigned char a) { return a != 0; }

MTM_FUNCTION unsigned char mtm_not_bool(unsigned char a) { return a == 0; }
MTM_FUNCTION unsigned char mtm_and_bool(unsigned char a, unsigned char b) { return a & b; }
MTM_FUNCTION unsigned char mtm_or_bool(unsigned char a, unsigned char b) { return a | b; }
MTM_FUNCTION unsigned char mtm_xor_bool(unsigned char a, unsigned char b) { return a ^ b; }

#define MTM_ANY_TYPE(t, T)                                                               \
  MTM_FUNCTION unsigned char mtm_eq_##t(T a, T b) { return a == b; }                     \
  MTM_FUNCTION unsigned char mtm_ne_##t(T a, T b) { return a != b; }                     \
  MTM_FUNCTION unsigned char mtm_lt_##t(T a, T b) { return a < b; }                      \
  MTM_FUNCTION unsigned char mtm_le_##t(T a, T b) { return a <= b; }                     \
  MTM_FUNCTION unsigned char mtm_gt_##t(T a, T b) { return a > b; }                      \
  MTM_FUNCTION unsigned char mtm_ge_##t(T a, T b) { return a >= b; }                     \
  MTM_FUNCTION T mtm_select_##t(unsigned char c, T a, T b) { return c ? a : b; }         \
  MTM_FUNCTION T mtm_convert_##t##_##t(T x) { return x; }
MTM_ANY_TYPE(f32, float)
MTM_ANY_TYPE(f64, double)
MTM_ANY_TYPE(i32, int)
MTM_ANY_TYPE(i64, long)
MTM_ANY_TYPE(u8, unsigned char)
MTM_ANY_TYPE(bool, unsigned char)

#define MTM_CONVERT(from, FROM, to, TO) \
  MTM_FUNCTION TO mtm_convert_##from##_##to(FROM x) { return (TO)x; }
MTM_CONVERT(f32, float, f64, double)
MTM_CONVERT(f64, double, f32, float)
MTM_CONVERT(i32, int, f32, float)
MTM_CONVERT(i32, int, f64, double)
MTM_CONVERT(i32, int, i64, long)
MTM_CONVERT(i32, int, u8, unsigned char)
MTM_CONVERT(i64, long, f32, float)
MTM_CONVERT(i64, long, f64, double)
MTM_CONVERT(i64, long, i32, int)
MTM_CONVERT(i64, long, u8, unsigned char)
MTM_CONVERT(u8, unsigned char, f32, float)
MTM_CONVERT(u8, unsigned char, f64, double)
MTM_CONVERT(u8, unsigned char, i32, int)
MTM_CONVERT(u8, unsigned char, i64, long)
MTM_CONVERT(bool, unsigned char, f32, float)
MTM_CONVERT(bool, unsigned char, f64, double)
MTM_CONVERT(bool, unsigned char, i32, int)
MTM_CONVERT(bool, unsigned char, i64, long)
MTM_CONVERT(bool, unsigned char, u8, unsigned char)

#define MTM_TO_BOOL(from, FROM) \
  MTM_FUNCTION unsigned char mtm_convert_##from##_bool(FROM x) { return x != 0; }
MTM_TO_BOOL(f32, float)
MTM_TO_BOOL(f64, double)
MTM_TO_BOOL(i32, int)
MTM_TO_BOOL(i64, long)
MTM_TO_BOOL(u8, unsigned char)

/* LAST is the greatest float that converts without overflow; BEYOND the first that does not. */
#define MTM_SATURATE(from, FROM, to, TO, VIA, LEAST, LAST, BEYOND, GREATEST)             \
  MTM_FUNCTION TO mtm_convert_##from##_##to(FROM x) {                                    \
    FROM c = x == x ? x : (FROM)0;                                                       \
    c = c < (LEAST) ? (LEAST) : c;                                                       \
    c = c > (LAST) ? (LAST) : c;                                                         \
    const TO y = (TO)(VIA)c;                                                             \
    return x >= (BEYOND) ? (GREATEST) : y;                                               \
  }
MTM_SATURATE(f32, float, i32, int, int, -0x1p31f, 0x1.fffffep30f, 0x1p31f, 2147483647)
MTM_SATURATE(f64, double, i32, int, int, -0x1p31, 2147483647.0, 0x1p31, 2147483647)
MTM_SATURATE(f32, float, i64, long, long, -0x1p63f, 0x1.fffffep62f, 0x1p63f, 9223372036854775807L)
MTM_SATURATE(f64, double, i64, long, long, -0x1p63, 0x1.fffffffffffffp62, 0x1p63, 9223372036854775807L)
MTM_SATURATE(f32, float, u8, unsigned char, int, 0.0f, 255.0f, 256.0f, 255)
MTM_SATURATE(f64, double, u8, unsigned char, int, 0.0, 255.0, 256.0, 255)

#endif
