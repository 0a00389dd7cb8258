/* Elementary functions of one double. Included by martlet_math.h. */
#ifndef MARTLET_MATH_F64_H
#define MARTLET_MATH_F64_H

typedef union {
  double f;
  unsigned long long u;
} mtm_word_f64;

MTM_FUNCTION unsigned long long mtm_bits_f64(double x) {
  mtm_word_f64 w = {x};
  return w.u;
}

MTM_FUNCTION double mtm_double_of_bits(unsigned long long u) {
  mtm_word_f64 w;
  w.u = u;
  return w.f;
}

MTM_FUNCTION double mtm_neg_f64(double x) { return -x; }
MTM_FUNCTION double mtm_abs_f64(double x) { return __builtin_fabs(x); }
MTM_FUNCTION double mtm_sqrt_f64(double x) { return MTM_SQRT_F64(x); }
MTM_FUNCTION double mtm_rsqrt_f64(double x) { return 1.0 / MTM_SQRT_F64(x); }
MTM_FUNCTION double mtm_reciprocal_f64(double x) { return 1.0 / x; }
MTM_FUNCTION double mtm_sign_f64(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }

MTM_FUNCTION double mtm_round_f64(double x) {
  const double magnitude = __builtin_fabs(x);
  const double rounded = __builtin_copysign((magnitude + 0x1p52) - 0x1p52, x);
  return magnitude < 0x1p52 ? rounded : x;
}
MTM_FUNCTION double mtm_floor_f64(double x) {
  const double r = mtm_round_f64(x);
  return __builtin_copysign(r > x ? r - 1.0 : r, x);
}
MTM_FUNCTION double mtm_ceil_f64(double x) {
  const double r = mtm_round_f64(x);
  return __builtin_copysign(r < x ? r + 1.0 : r, x);
}

/* As in martlet_math_f32.h: n in the low bits of t, x = n ln2 + r. */
#define MTM_ROUNDER_F64 0x1.8p52
#define MTM_ROUNDER_BITS_F64 0x4338000000000000ull
#define MTM_LN2_HIGH_F64 6.93147180369123816490e-01 /* 32 bits: n times this is exact */
#define MTM_LN2_LOW_F64 1.90821492927058770002e-10
#define MTM_REDUCE_EXP_F64(x, t, n, r)                            \
  const double t = (x) * 1.4426950408889634 + MTM_ROUNDER_F64;    \
  const double n = t - MTM_ROUNDER_F64;                           \
  const double r = MTM_FMA_F64(n, -MTM_LN2_LOW_F64, MTM_FMA_F64(n, -MTM_LN2_HIGH_F64, x));

/* (e^r - 1 - r) / r^2: the Taylor series, whose next term is below 2^-57 on |r| <= ln2 / 2. */
MTM_FUNCTION double mtm_exp_tail_f64(double r) {
  double p = 1.6059043836821613e-10;
  p = MTM_FMA_F64(p, r, 2.08767569878681e-09);
  p = MTM_FMA_F64(p, r, 2.505210838544172e-08);
  p = MTM_FMA_F64(p, r, 2.755731922398589e-07);
  p = MTM_FMA_F64(p, r, 2.7557319223985893e-06);
  p = MTM_FMA_F64(p, r, 2.48015873015873e-05);
  p = MTM_FMA_F64(p, r, 0.0001984126984126984);
  p = MTM_FMA_F64(p, r, 0.001388888888888889);
  p = MTM_FMA_F64(p, r, 0.008333333333333333);
  p = MTM_FMA_F64(p, r, 0.041666666666666664);
  p = MTM_FMA_F64(p, r, 0.16666666666666666);
  return MTM_FMA_F64(p, r, 0.5);
}

MTM_FUNCTION double mtm_scale_f64(double y, double t) {
  const unsigned long long biased = mtm_bits_f64(t) - MTM_ROUNDER_BITS_F64 + 2046u;
  const unsigned long long first = biased >> 1;
  return y * mtm_double_of_bits(first << 52) * mtm_double_of_bits((biased - first) << 52);
}

MTM_FUNCTION double mtm_exp_f64(double x) {
  x = x < -746.0 ? -746.0 : x;
  x = x > 710.0 ? 710.0 : x;
  MTM_REDUCE_EXP_F64(x, t, n, r)
  const double y = MTM_FMA_F64(mtm_exp_tail_f64(r), r * r, r) + 1.0;
  return mtm_scale_f64(y, t);
}

/* The fraction is exact, its product with ln2 is carried in two parts. */
MTM_FUNCTION double mtm_exp2_f64(double x) {
  x = x < -1076.0 ? -1076.0 : x;
  x = x > 1025.0 ? 1025.0 : x;
  const double t = x + MTM_ROUNDER_F64;
  const double f = x - (t - MTM_ROUNDER_F64);
  const double high = mtm_double_of_bits(mtm_bits_f64(f) & 0xfffffffff8000000ull);
  const double r0 = high * 0.6931471675634384;
  const double r1 = MTM_FMA_F64(f - high, 0.6931471805599453, high * 1.2996506893889889e-08);
  const double r = r0 + r1;
  const double y = MTM_FMA_F64(mtm_exp_tail_f64(r), r * r, (r0 - r) + r1) + r + 1.0;
  return mtm_scale_f64(y, t);
}

MTM_FUNCTION double mtm_expm1_f64(double x) {
  double c = x < -100.0 ? -100.0 : x;
  c = c > 710.0 ? 710.0 : c;
  MTM_REDUCE_EXP_F64(c, t, n, r)
  const double e = MTM_FMA_F64(mtm_exp_tail_f64(r), r * r, r);
  const double half = mtm_double_of_bits((mtm_bits_f64(t) - MTM_ROUNDER_BITS_F64 + 1022u) << 52);
  const double y = (MTM_FMA_F64(half, e, half - 0.5)) * 2.0;
  return __builtin_fabs(x) < 0x1p-54 ? x : y;
}

/* Near 0 the rational function of Cephes. */
MTM_FUNCTION double mtm_tanh_f64(double x) {
  const double a = __builtin_fabs(x);
  const double large = 1.0 - 2.0 / (mtm_exp_f64(a + a) + 1.0);
  const double z = x * x;
  double p = MTM_FMA_F64(z, -9.64399179425052238628e-1, -9.92877231001918586564e1);
  p = MTM_FMA_F64(p, z, -1.61468768441708447952e3);
  double q = z + 1.12811678491632931402e2;
  q = MTM_FMA_F64(q, z, 2.23548839060100448583e3);
  q = MTM_FMA_F64(q, z, 4.84406305325125486048e3);
  const double small = MTM_FMA_F64(z * (p / q), x, x);
  return __builtin_copysign(a < 0.625 ? small : large, x);
}

MTM_FUNCTION double mtm_logistic_f64(double x) {
  const double z = mtm_exp_f64(-__builtin_fabs(x));
  const double q = z / (1.0 + z);
  const double w = x < 0.0 ? z : 1.0;
  return MTM_FMA_F64(-w, q, w);
}

/* fdlibm's log(1 + f) + k ln2 + c for sqrt(1/2) <= 1 + f < sqrt(2). */
MTM_FUNCTION double mtm_log_sum_f64(double f, double k, double c) {
  const double half_square = 0.5 * f * f;
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double w = z * z;
  double even = MTM_FMA_F64(w, 1.531383769920937332e-01, 2.222219843214978396e-01);
  even = w * MTM_FMA_F64(w, even, 3.999999999940941908e-01);
  double odd = MTM_FMA_F64(w, 1.479819860511658591e-01, 1.818357216161805012e-01);
  odd = MTM_FMA_F64(w, odd, 2.857142874366239149e-01);
  odd = z * MTM_FMA_F64(w, odd, 6.666666666666735130e-01);
  const double low = MTM_FMA_F64(k, MTM_LN2_LOW_F64, c);
  const double y = MTM_FMA_F64(s, half_square + (odd + even), low) - half_square;
  return MTM_FMA_F64(k, MTM_LN2_HIGH_F64, y + f);
}

#define MTM_SQRT_HALF_BITS_F64 0x3fe6a09e00000000ull
/* 2^k scaled out of x > 0: u is x times a power, so that its exponent field is k + 1023; the field becomes a double
 * by or-ing it into 2^52, for there is no vector conversion of 64-bit integers before AVX-512. */
#define MTM_SPLIT_F64(x, k, m)                                                                            \
  const unsigned long long u_##k = mtm_bits_f64(x) + (0x3ff0000000000000ull - MTM_SQRT_HALF_BITS_F64);    \
  const double k = mtm_double_of_bits((u_##k >> 52) | 0x4330000000000000ull) - (0x1p52 + 1023.0);         \
  const double m = mtm_double_of_bits((u_##k & 0xfffffffffffffull) + MTM_SQRT_HALF_BITS_F64) - 1.0;

MTM_FUNCTION double mtm_log_f64(double x) {
  const int subnormal = x < 0x1p-1022;
  const double scaled = subnormal ? x * 0x1p54 : x;
  MTM_SPLIT_F64(scaled, k, f)
  double y = mtm_log_sum_f64(f, k - (subnormal ? 54.0 : 0.0), 0.0);
  y = x < MTM_INF_F64 ? y : x;
  y = x == 0.0 ? -MTM_INF_F64 : y;
  return x < 0.0 ? MTM_NAN_F64 : y;
}

MTM_FUNCTION double mtm_log1p_f64(double x) {
  const double one_more = 1.0 + x;
  MTM_SPLIT_F64(one_more, k, m)
  const double lost = (one_more >= 2.0 ? 1.0 - (one_more - x) : x - (one_more - 1.0)) / one_more;
  const int near = k == 0.0;
  double y = mtm_log_sum_f64(near ? x : m, k, near ? 0.0 : lost);
  y = x < MTM_INF_F64 ? y : x;
  y = x == -1.0 ? -MTM_INF_F64 : y;
  y = x < -1.0 ? MTM_NAN_F64 : y;
  return __builtin_fabs(x) < 0x1p-54 ? x : y;
}

/* x + x P(x^2) near 0; beyond, 1 - erfc(x), for which erfc(x) e^(x^2) is fitted in (x - 3) / (x + 3) up to 6. */
MTM_FUNCTION double mtm_erf_f64(double x) {
  const double a = __builtin_fabs(x);
  const double z = x * x;
  double p = -8.229485118103348e-10;
  p = MTM_FMA_F64(p, z, 1.3934080735960997e-08);
  p = MTM_FMA_F64(p, z, -1.6254062150097748e-07);
  p = MTM_FMA_F64(p, z, 1.645290414111257e-06);
  p = MTM_FMA_F64(p, z, -1.4925145390958083e-05);
  p = MTM_FMA_F64(p, z, 0.00012055314433966687);
  p = MTM_FMA_F64(p, z, -0.0008548326573774525);
  p = MTM_FMA_F64(p, z, 0.005223977618518444);
  p = MTM_FMA_F64(p, z, -0.02686617064450143);
  p = MTM_FMA_F64(p, z, 0.11283791670952163);
  p = MTM_FMA_F64(p, z, -0.376126389031837);
  p = MTM_FMA_F64(p, z, 0.12837916709551256);
  const double small = MTM_FMA_F64(p, x, x);
  const double c = a > 6.0 ? 6.0 : a;
  const double t = (c - 3.0) / (c + 3.0);
  double q = 7.337404342273612e-08;
  q = MTM_FMA_F64(q, t, 1.3607162193663164e-06);
  q = MTM_FMA_F64(q, t, 2.0157168327250412e-06);
  q = MTM_FMA_F64(q, t, -8.041156415471014e-06);
  q = MTM_FMA_F64(q, t, -1.285290453718928e-05);
  q = MTM_FMA_F64(q, t, 6.406731616648538e-05);
  q = MTM_FMA_F64(q, t, 4.5255713513030444e-05);
  q = MTM_FMA_F64(q, t, -0.0005970628217611582);
  q = MTM_FMA_F64(q, t, 0.0007077463570552137);
  q = MTM_FMA_F64(q, t, 0.004269136369321807);
  q = MTM_FMA_F64(q, t, -0.024392499314808313);
  q = MTM_FMA_F64(q, t, 0.07166583719723246);
  q = MTM_FMA_F64(q, t, -0.15011593650084376);
  q = MTM_FMA_F64(q, t, 0.24560380171233687);
  q = MTM_FMA_F64(q, t, -0.32623356004303694);
  q = MTM_FMA_F64(q, t, 0.17900115118138996);
  const double large = __builtin_copysign(1.0 - mtm_exp_f64(-c * c) * q, x);
  return a > 0.9 ? large : small;
}

#endif
