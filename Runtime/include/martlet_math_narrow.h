/* Conversions between storage types and those that arithmetic is done in: bf16 and f16 (as bits) with f32, i8 i16 u16 with
 * i32, u32 u64 with i64. Included by martlet_math.h.
 *
 * Bits alone decide, so that every instruction set gives the same: to nearest, ties to even; infinities stay, a NaN stays a
 * quiet NaN, what is too large becomes infinite. Integers wrap. */
#ifndef MARTLET_MATH_NARROW_H
#define MARTLET_MATH_NARROW_H

MTM_FUNCTION float mtm_convert_bf16_f32(unsigned short x) { return mtm_float_of_bits((unsigned)x << 16); }
MTM_FUNCTION unsigned short mtm_convert_f32_bf16(float x) {
  const unsigned u = mtm_bits_f32(x);
  const unsigned rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  const unsigned quiet = u >> 16 | 0x40u;
  return (unsigned short)((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

/* Through a float that is cut, its last bit standing for what was cut: rounding again then rounds as if once. */
MTM_FUNCTION float mtm_cut_f64(double x) {
  const float y = (float)x;
  const unsigned u = mtm_bits_f32(y);
  const double back = (double)y;
  const int beyond = __builtin_fabs(back) > __builtin_fabs(x);
  const unsigned cut = (u - (beyond ? 1u : 0u)) | 1u;
  return mtm_float_of_bits(((back == x) | (x != x)) ? u : cut);
}
MTM_FUNCTION unsigned short mtm_convert_f64_bf16(double x) { return mtm_convert_f32_bf16(mtm_cut_f64(x)); }

MTM_FUNCTION float mtm_convert_f16_f32(unsigned short x) {
  const unsigned sign = (unsigned)(x & 0x8000u) << 16, rest = x & 0x7fffu;
  const unsigned exponent = rest >> 10;
  const unsigned wide = (rest << 13) + (exponent == 31u ? 0x70000000u : 0x38000000u);
  const unsigned tiny = mtm_bits_f32((float)(int)rest * 0x1p-24f);
  return mtm_float_of_bits(sign | (exponent == 0u ? tiny : wide));
}
MTM_FUNCTION unsigned short mtm_convert_f32_f16(float x) {
  const unsigned u = mtm_bits_f32(x);
  const unsigned sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
  unsigned normal = (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13;
  normal = normal > 0x7c00u ? 0x7c00u : normal;
  /* The sum's last place is the smallest f16. */
  const unsigned tiny = mtm_bits_f32(mtm_float_of_bits(a) + 0.5f) - 0x3f000000u;
  const unsigned quiet = 0x7e00u | (a >> 13 & 0x3ffu);
  const unsigned number = a < 0x38800000u ? tiny : normal;
  return (unsigned short)(sign | (a > 0x7f800000u ? quiet : number));
}
MTM_FUNCTION unsigned short mtm_convert_f64_f16(double x) { return mtm_convert_f32_f16(mtm_cut_f64(x)); }

#define MTM_STORAGE(narrow, NARROW, wide, WIDE)                                               \
  MTM_FUNCTION WIDE mtm_convert_##narrow##_##wide(NARROW x) { return (WIDE)x; }               \
  MTM_FUNCTION NARROW mtm_convert_##wide##_##narrow(WIDE x) { return (NARROW)x; }
MTM_STORAGE(i8, signed char, i32, int)
MTM_STORAGE(i16, short, i32, int)
MTM_STORAGE(u16, unsigned short, i32, int)
MTM_STORAGE(u32, unsigned, i64, long)
MTM_STORAGE(u64, unsigned long, i64, long)

#endif
