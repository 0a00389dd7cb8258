/* Elementary functions of one float. Included by martlet_math.h. */
#ifndef MARTLET_MATH_F32_H
#define MARTLET_MATH_F32_H

typedef union {
  float f;
  unsigned u;
} mtm_word_f32;

MTM_FUNCTION unsigned mtm_bits_f32(float x) {
  mtm_word_f32 w = {x};
  return w.u;
}

MTM_FUNCTION float mtm_float_of_bits(unsigned u) {
  mtm_word_f32 w;
  w.u = u;
  return w.f;
}

MTM_FUNCTION float mtm_neg_f32(float x) { return -x; }
MTM_FUNCTION float mtm_abs_f32(float x) { return __builtin_fabsf(x); }
MTM_FUNCTION float mtm_sqrt_f32(float x) { return MTM_SQRT_F32(x); }
MTM_FUNCTION float mtm_rsqrt_f32(float x) { return 1.0f / MTM_SQRT_F32(x); }
MTM_FUNCTION float mtm_reciprocal_f32(float x) { return 1.0f / x; }
/* -1, 0 or 1; zeros and NaN are themselves. */
MTM_FUNCTION float mtm_sign_f32(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

/* Half to even. Below 2^23 adding and subtracting 2^23 rounds to an integer; above, floats are integers. */
MTM_FUNCTION float mtm_round_f32(float x) {
  const float magnitude = __builtin_fabsf(x);
  const float rounded = __builtin_copysignf((magnitude + 8388608.0f) - 8388608.0f, x);
  return magnitude < 8388608.0f ? rounded : x;
}
MTM_FUNCTION float mtm_floor_f32(float x) {
  const float r = mtm_round_f32(x);
  return __builtin_copysignf(r > x ? r - 1.0f : r, x);
}
MTM_FUNCTION float mtm_ceil_f32(float x) {
  const float r = mtm_round_f32(x);
  return __builtin_copysignf(r < x ? r + 1.0f : r, x);
}

/* x = n ln2 + r with |r| <= ln2 / 2. Adding 1.5 * 2^23 leaves n, rounded, in the low bits of t: no conversion, whose
 * result for NaN would be undefined. ln2 is split so that n times its high part is exact. */
#define MTM_ROUNDER_F32 12582912.0f
#define MTM_ROUNDER_BITS_F32 0x4b400000u
#define MTM_REDUCE_EXP_F32(x, t, n, r)                               \
  const float t = (x) * 1.44269504088896341f + MTM_ROUNDER_F32;      \
  const float n = t - MTM_ROUNDER_F32;                               \
  const float r = MTM_FMA_F32(n, 2.12194440e-4f, MTM_FMA_F32(n, -0.693359375f, x));

/* (e^r - 1 - r) / r^2 on the reduced range. */
MTM_FUNCTION float mtm_exp_tail_f32(float r) {
  float p = 1.9875691500e-4f;
  p = MTM_FMA_F32(p, r, 1.3981999507e-3f);
  p = MTM_FMA_F32(p, r, 8.3334519073e-3f);
  p = MTM_FMA_F32(p, r, 4.1665795894e-2f);
  p = MTM_FMA_F32(p, r, 1.6666665459e-1f);
  return MTM_FMA_F32(p, r, 5.0000001201e-1f);
}

/* y 2^n for n in the low bits of t, in two steps: -151 <= n <= 130 would not fit one factor. */
MTM_FUNCTION float mtm_scale_f32(float y, float t) {
  const unsigned biased = mtm_bits_f32(t) - MTM_ROUNDER_BITS_F32 + 254u;
  const unsigned first = biased >> 1;
  return y * mtm_float_of_bits(first << 23) * mtm_float_of_bits((biased - first) << 23);
}

MTM_FUNCTION float mtm_exp_f32(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  MTM_REDUCE_EXP_F32(x, t, n, r)
  const float y = MTM_FMA_F32(mtm_exp_tail_f32(r), r * r, r) + 1.0f;
  return mtm_scale_f32(y, t);
}

/* n is exact and the rest is multiplied by ln2 with its error carried: 2^x of an integer is exact. */
MTM_FUNCTION float mtm_exp2_f32(float x) {
  x = x < -151.0f ? -151.0f : x;
  x = x > 129.0f ? 129.0f : x;
  const float t = x + MTM_ROUNDER_F32;
  const float f = x - (t - MTM_ROUNDER_F32);
  float p = 1.535336188319500e-4f;
  p = MTM_FMA_F32(p, f, 1.339887440266574e-3f);
  p = MTM_FMA_F32(p, f, 9.618437357674640e-3f);
  p = MTM_FMA_F32(p, f, 5.550332471162809e-2f);
  p = MTM_FMA_F32(p, f, 2.402264791363012e-1f);
  p = MTM_FMA_F32(p, f, 6.931472028550421e-1f);
  return mtm_scale_f32(MTM_FMA_F32(p, f, 1.0f), t);
}

/* 2^n (e^r - 1) + (2^n - 1), at half scale so that n = 128 fits. */
MTM_FUNCTION float mtm_expm1_f32(float x) {
  float c = x < -80.0f ? -80.0f : x;
  c = c > 89.0f ? 89.0f : c;
  MTM_REDUCE_EXP_F32(c, t, n, r)
  const float e = MTM_FMA_F32(mtm_exp_tail_f32(r), r * r, r);
  const float half = mtm_float_of_bits((mtm_bits_f32(t) - MTM_ROUNDER_BITS_F32 + 126u) << 23);
  const float y = (MTM_FMA_F32(half, e, half - 0.5f)) * 2.0f;
  return __builtin_fabsf(x) < 5.9604645e-8f ? x : y; /* x^2 / 2 is below half an ulp; keeps -0 and tiny x */
}

/* 1 - 2 / (e^2|x| + 1) away from 0; an odd polynomial where that would cancel. */
MTM_FUNCTION float mtm_tanh_f32(float x) {
  const float a = __builtin_fabsf(x);
  const float large = 1.0f - 2.0f / (mtm_exp_f32(a + a) + 1.0f);
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = MTM_FMA_F32(p, z, 2.06390887954e-2f);
  p = MTM_FMA_F32(p, z, -5.37397155531e-2f);
  p = MTM_FMA_F32(p, z, 1.33314422036e-1f);
  p = MTM_FMA_F32(p, z, -3.33332819422e-1f);
  const float small = MTM_FMA_F32(p * z, x, x);
  return __builtin_copysignf(a < 0.625f ? small : large, x);
}

/* With z = e^-|x| neither tail overflows: 1 - z / (1 + z), and z - z z / (1 + z) below 0. Just below a power of two
 * z / (1 + z) itself would lose a unit to the rounding of 1 + z, and another to that of z. */
MTM_FUNCTION float mtm_logistic_f32(float x) {
  const float z = mtm_exp_f32(-__builtin_fabsf(x));
  const float q = z / (1.0f + z);
  const float w = x < 0.0f ? z : 1.0f;
  return MTM_FMA_F32(-w, q, w);
}

/* (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2). */
MTM_FUNCTION float mtm_log_tail_f32(float f) {
  float p = 7.0376836292e-2f;
  p = MTM_FMA_F32(p, f, -1.1514610310e-1f);
  p = MTM_FMA_F32(p, f, 1.1676998740e-1f);
  p = MTM_FMA_F32(p, f, -1.2420140846e-1f);
  p = MTM_FMA_F32(p, f, 1.4249322787e-1f);
  p = MTM_FMA_F32(p, f, -1.6668057665e-1f);
  p = MTM_FMA_F32(p, f, 2.0000714765e-1f);
  p = MTM_FMA_F32(p, f, -2.4999993993e-1f);
  return MTM_FMA_F32(p, f, 3.3333331174e-1f);
}

/* log(1 + f) + k ln2 + c, small parts first. */
MTM_FUNCTION float mtm_log_sum_f32(float f, float k, float c) {
  const float f2 = f * f;
  float y = MTM_FMA_F32(k, -2.12194440e-4f, mtm_log_tail_f32(f) * f2 * f + c);
  y = MTM_FMA_F32(f2, -0.5f, y);
  return MTM_FMA_F32(k, 0.693359375f, f + y);
}

#define MTM_SQRT_HALF_BITS_F32 0x3f3504f3u

MTM_FUNCTION float mtm_log_f32(float x) {
  const int subnormal = x < 1.17549435e-38f;
  const unsigned u = mtm_bits_f32(subnormal ? x * 8388608.0f : x) - MTM_SQRT_HALF_BITS_F32;
  const float k = (float)((int)u >> 23) - (subnormal ? 23.0f : 0.0f);
  const float f = mtm_float_of_bits((u & 0x7fffffu) + MTM_SQRT_HALF_BITS_F32) - 1.0f;
  float y = mtm_log_sum_f32(f, k, 0.0f);
  y = x < MTM_INF_F32 ? y : x; /* infinity and NaN */
  y = x == 0.0f ? -MTM_INF_F32 : y;
  return x < 0.0f ? MTM_NAN_F32 : y;
}

/* log(u) for u = 1 + x rounded, and the rounding's share (x - (u - 1)) / u. */
MTM_FUNCTION float mtm_log1p_f32(float x) {
  const float one_more = 1.0f + x;
  const unsigned u = mtm_bits_f32(one_more) - MTM_SQRT_HALF_BITS_F32;
  const float k = (float)((int)u >> 23);
  const float m = mtm_float_of_bits((u & 0x7fffffu) + MTM_SQRT_HALF_BITS_F32) - 1.0f;
  const float lost = (one_more >= 2.0f ? 1.0f - (one_more - x) : x - (one_more - 1.0f)) / one_more;
  const int near = k == 0.0f;
  float y = mtm_log_sum_f32(near ? x : m, k, near ? 0.0f : lost);
  y = x < MTM_INF_F32 ? y : x;
  y = x == -1.0f ? -MTM_INF_F32 : y;
  y = x < -1.0f ? MTM_NAN_F32 : y;
  return __builtin_fabsf(x) < 5.9604645e-8f ? x : y;
}

/* Two fits by N. Juffa: x + x P(x^2) near 0, 1 - e^P(|x|) beyond. */
MTM_FUNCTION float mtm_erf_f32(float x) {
  const float a = __builtin_fabsf(x);
  const float z = x * x;
  float p = MTM_FMA_F32(-1.72853470e-5f, a, 3.83197126e-4f);
  p = MTM_FMA_F32(p, z, MTM_FMA_F32(-3.88396438e-3f, a, 2.42546219e-2f));
  p = MTM_FMA_F32(p, a, -1.06777877e-1f);
  p = MTM_FMA_F32(p, a, -6.34846687e-1f);
  p = MTM_FMA_F32(p, a, -1.28717512e-1f);
  p = MTM_FMA_F32(p, a, -a);
  const float large = __builtin_copysignf(1.0f - mtm_exp_f32(a < 4.0f ? p : -50.0f), x);
  float q = -5.96761703e-4f;
  q = MTM_FMA_F32(q, z, 4.99119423e-3f);
  q = MTM_FMA_F32(q, z, -2.67681349e-2f);
  q = MTM_FMA_F32(q, z, 1.12819925e-1f);
  q = MTM_FMA_F32(q, z, -3.76125336e-1f);
  q = MTM_FMA_F32(q, z, 1.28379166e-1f);
#if MT_HAVE_FMA
  const float small = MTM_FMA_F32(q, x, x);
#else
  /* Near the smallest normal number q x alone would count as zero in a step. */
  const float small = a < 0x1p-64f ? (1.0f + q) * x : q * x + x;
#endif
  return a > 0.927734375f ? large : small;
}

#endif
