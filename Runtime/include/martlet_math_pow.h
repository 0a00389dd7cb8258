/* Powers, with the special cases of C's pow. Included by martlet_math.h. */
#ifndef MARTLET_MATH_POW_H
#define MARTLET_MATH_POW_H

/* log2 and exp2 in double: 2^-35 of the exponent is all that 24 bits need. */
MTM_FUNCTION float mtm_pow_f32(float x, float y) {
  const float magnitude = __builtin_fabsf(x);
  const double a = (double)magnitude;
  const unsigned long long u = mtm_bits_f64(a) + (0x3ff0000000000000ull - MTM_SQRT_HALF_BITS_F64);
  const double k = mtm_double_of_bits((u >> 52) | 0x4330000000000000ull) - (0x1p52 + 1023.0);
  const double m = mtm_double_of_bits((u & 0xfffffffffffffull) + MTM_SQRT_HALF_BITS_F64);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 0.19235933878519512;
  p = MTM_FMA_F64(p, z, 0.22195308321368667);
  p = MTM_FMA_F64(p, z, 0.2623081892525388);
  p = MTM_FMA_F64(p, z, 0.3205988979753252);
  p = MTM_FMA_F64(p, z, 0.4121985831111324);
  p = MTM_FMA_F64(p, z, 0.5770780163555853);
  p = MTM_FMA_F64(p, z, 0.9617966939259756);
  p = MTM_FMA_F64(p, z, 2.8853900817779268);
  double logarithm = MTM_FMA_F64(p, s, k);
  logarithm = magnitude < MTM_INF_F32 ? logarithm : a; /* infinity and NaN */
  logarithm = magnitude == 0.0f ? -MTM_INF_F64 : logarithm;
  double e = (double)y * logarithm;
  e = e < -200.0 ? -200.0 : e;
  e = e > 200.0 ? 200.0 : e;
  const double t = e + MTM_ROUNDER_F64;
  const double f = e - (t - MTM_ROUNDER_F64);
  double q = 1.01780860092397e-07;
  q = MTM_FMA_F64(q, f, 1.321548679014431e-06);
  q = MTM_FMA_F64(q, f, 1.5252733804059841e-05);
  q = MTM_FMA_F64(q, f, 0.0001540353039338161);
  q = MTM_FMA_F64(q, f, 0.0013333558146428443);
  q = MTM_FMA_F64(q, f, 0.009618129107628477);
  q = MTM_FMA_F64(q, f, 0.05550410866482158);
  q = MTM_FMA_F64(q, f, 0.24022650695910072);
  q = MTM_FMA_F64(q, f, 0.6931471805599453);
  q = MTM_FMA_F64(q, f, 1.0);
  float power = (float)(q * mtm_double_of_bits((mtm_bits_f64(t) - MTM_ROUNDER_BITS_F64 + 1023u) << 52));
  const float half = y * 0.5f;
  const int whole = mtm_round_f32(y) == y;
  const int odd = whole & (mtm_round_f32(half) != half);
  power = ((x < 0.0f) & !whole & (magnitude < MTM_INF_F32)) ? MTM_NAN_F32 : power;
  power = odd ? __builtin_copysignf(power, x) : power;
  power = ((x == -1.0f) & (__builtin_fabsf(y) == MTM_INF_F32)) ? 1.0f : power;
  return ((x == 1.0f) | (y == 0.0f)) ? 1.0f : power;
}

/* high + low = a * b exactly. */
#if MT_HAVE_FMA
#define MTM_TWO_PRODUCT(high, low, a, b) \
  const double high = (a) * (b);         \
  const double low = __builtin_fma(a, b, -high);
#else
#define MTM_TWO_PRODUCT(high, low, a, b)                                                      \
  const double high = (a) * (b);                                                              \
  const double high##_a = mtm_upper_half(a), high##_b = mtm_upper_half(b);                    \
  const double high##_c = (a) - high##_a, high##_d = (b) - high##_b;                          \
  const double low = ((high##_a * high##_b - high) + high##_a * high##_d + high##_c * high##_b) + \
                     high##_c * high##_d;
MTM_FUNCTION double mtm_upper_half(double a) {
  return mtm_double_of_bits(mtm_bits_f64(a) & 0xfffffffff8000000ull);
}
#endif
/* high + low = a + b exactly for |a| >= |b| or a = 0. */
#define MTM_TWO_SUM(high, low, a, b) \
  const double high = (a) + (b);     \
  const double low = ((a) - high) + (b);

/* The logarithm in two doubles: k ln2 + 2 s + 2/3 s^3 + .., s = (m - 1) / (m + 1), its first two terms exact to 2^-100,
 * so that times 709 less than an ulp of e^(y log x) is lost. */
MTM_FUNCTION double mtm_pow_f64(double x, double y) {
  const double magnitude = __builtin_fabs(x);
  const int subnormal = magnitude < 0x1p-1022;
  const double scaled = subnormal ? magnitude * 0x1p54 : magnitude;
  MTM_SPLIT_F64(scaled, k0, f)
  const double k = k0 - (subnormal ? 54.0 : 0.0);
  MTM_TWO_SUM(bh, bl, 2.0, f)
  const double s = f / bh;
  MTM_TWO_PRODUCT(ph, pl, s, bh)
  const double sl = (((f - ph) - pl) - s * bl) / bh;
  MTM_TWO_PRODUCT(zh, zl0, s, s)
  const double zl = zl0 + 2.0 * s * sl;
  double q = 0.07407407407407407;
  q = MTM_FMA_F64(q, zh, 0.08);
  q = MTM_FMA_F64(q, zh, 0.08695652173913043);
  q = MTM_FMA_F64(q, zh, 0.09523809523809523);
  q = MTM_FMA_F64(q, zh, 0.10526315789473684);
  q = MTM_FMA_F64(q, zh, 0.11764705882352941);
  q = MTM_FMA_F64(q, zh, 0.13333333333333333);
  q = MTM_FMA_F64(q, zh, 0.15384615384615385);
  q = MTM_FMA_F64(q, zh, 0.18181818181818182);
  q = MTM_FMA_F64(q, zh, 0.2222222222222222);
  q = MTM_FMA_F64(q, zh, 0.2857142857142857);
  q = MTM_FMA_F64(q, zh, 0.4);
  q = q * zh;
  MTM_TWO_SUM(ch, cl, 0.6666666666666666, q)
  const double c = cl + 3.700743415417188e-17;
  MTM_TWO_PRODUCT(wh, wl0, s, zh)
  const double wl = wl0 + (s * zl + sl * zh);
  MTM_TWO_PRODUCT(vh, vl0, wh, ch)
  const double vl = vl0 + (wh * c + wl * ch);
  MTM_TWO_SUM(th, tl0, 2.0 * s, vh)
  const double tl = tl0 + (2.0 * sl + vl);
  const double kh = k * 0x1.62e42fefa3800p-1; /* exact: 42 bits times 11 */
  MTM_TWO_SUM(lh, ll0, kh, th)
  const double ll = ll0 + MTM_FMA_F64(k, 0x1.ef35793c76730p-45, tl);
  double high = lh;
  high = magnitude < MTM_INF_F64 ? high : magnitude;
  high = magnitude == 0.0 ? -MTM_INF_F64 : high;
  double c_y = y > 1e22 ? 1e22 : y; /* beyond, only the sign of the exponent counts, and 0 and infinity stay apart */
  c_y = c_y < -1e22 ? -1e22 : c_y;
  MTM_TWO_PRODUCT(eh, el, c_y, lh)
  double e = c_y * high;
  const double correction = __builtin_fabs(e) < 800.0 ? el + c_y * ll : 0.0;
  (void)eh;
  e = e < -800.0 ? -800.0 : e;
  e = e > 800.0 ? 800.0 : e;
  MTM_REDUCE_EXP_F64(e, t, n, r)
  const double y1 = MTM_FMA_F64(mtm_exp_tail_f64(r), r * r, r) + 1.0;
  double power = mtm_scale_f64(MTM_FMA_F64(y1, correction, y1), t);
  const double half = y * 0.5;
  const int whole = mtm_round_f64(y) == y;
  const int odd = whole & (mtm_round_f64(half) != half);
  power = y == y ? power : y;
  power = ((x < 0.0) & !whole & (magnitude < MTM_INF_F64)) ? MTM_NAN_F64 : power;
  power = odd ? __builtin_copysign(power, x) : power;
  power = ((x == -1.0) & (__builtin_fabs(y) == MTM_INF_F64)) ? 1.0 : power;
  return ((x == 1.0) | (y == 0.0)) ? 1.0 : power;
}

#endif
