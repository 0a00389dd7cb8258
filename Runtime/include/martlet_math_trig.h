/* Sine and cosine. Included by martlet_math.h.
 *
 * x = n pi/2 + r with |r| <= pi/4; n in the low bits of a rounding sum (see martlet_math_f32.h) chooses the function and
 * the sign. The fast path is exact enough below 2^20; beyond it stands a slow path, one element at a time. */
#ifndef MARTLET_MATH_TRIG_H
#define MARTLET_MATH_TRIG_H

#define MTM_TRIG_LIMIT 1048576.0

/* sin and cos of r in double with four terms each: the result is rounded to float once. */
MTM_FUNCTION float mtm_trig_of_reduced_f32(double r, unsigned long long n) {
  const double z = r * r;
  double s = MTM_FMA_F64(z, 0.0000027183114939898219064, -0.000198393348360966317347);
  s = MTM_FMA_F64(s, z, 0.0083333293858894631756);
  s = MTM_FMA_F64(s, z, -0.166666666416265235595);
  s = r * MTM_FMA_F64(s, z, 1.0); /* a product keeps -0 */
  double c = MTM_FMA_F64(z, 0.0000243904487962774090654, -0.00138867637746099294692);
  c = MTM_FMA_F64(c, z, 0.0416666233237390631894);
  c = MTM_FMA_F64(c, z, -0.499999997251031003120);
  c = MTM_FMA_F64(c, z, 1.0);
  const double y = n & 1 ? c : s;
  return (float)(n & 2 ? -y : y);
}

/* For |x| < 2^20; `quarters` turns a sine into the sine of x + quarters pi/2. */
MTM_FUNCTION float mtm_trig_fast_f32(float x, unsigned long long quarters) {
  const double d = (double)x;
  const double t = d * 0.6366197723675814 + MTM_ROUNDER_F64;
  const double n = t - MTM_ROUNDER_F64;
  const double r = MTM_FMA_F64(n, -1.58932547735281966916e-08, MTM_FMA_F64(n, -1.57079631090164184570, d));
  return mtm_trig_of_reduced_f32(r, mtm_bits_f64(t) + quarters);
}

/* Payne and Hanek: the 24 bits of x times those 96 bits of 4/pi that matter for its exponent. */
static __attribute__((unused, noinline)) float mtm_trig_slow_f32(float x, unsigned long long quarters) {
  static const unsigned four_over_pi[24] = {
      0x000000a2, 0x0000a2f9, 0x00a2f983, 0xa2f9836e, 0xf9836e4e, 0x836e4e44, 0x6e4e4415, 0x4e441529,
      0x441529fc, 0x1529fc27, 0x29fc2757, 0xfc2757d1, 0x2757d1f5, 0x57d1f534, 0xd1f534dd, 0xf534ddc0,
      0x34ddc0db, 0xddc0db62, 0xc0db6295, 0xdb629599, 0x6295993c, 0x95993c43, 0x993c4390, 0x3c439041};
  if (!(__builtin_fabsf(x) < MTM_INF_F32)) return x - x;
  const unsigned bits = mtm_bits_f32(x);
  const unsigned *word = &four_over_pi[(bits >> 26) & 15];
  const unsigned m = ((bits & 0xffffffu) | 0x800000u) << ((bits >> 23) & 7);
  const unsigned long long low = (unsigned long long)m * word[8];
  unsigned long long product = (low >> 32) | ((unsigned long long)(m * word[0]) << 32);
  product += (unsigned long long)m * word[4];
  const unsigned long long n = (product + (1ull << 61)) >> 62;
  const double r = (double)(long long)(product - (n << 62)) * 0x1.921fb54442d18p-62;
  return x < 0.0f ? mtm_trig_of_reduced_f32(-r, 0 - n + quarters) : mtm_trig_of_reduced_f32(r, n + quarters);
}

MTM_FUNCTION float mtm_trig_small_sin_f32(float x) { return mtm_trig_fast_f32(x, 0); }
MTM_FUNCTION float mtm_trig_small_cos_f32(float x) { return mtm_trig_fast_f32(x, 1); }
MTM_FUNCTION float mtm_sin_f32(float x) {
  return __builtin_fabsf(x) < (float)MTM_TRIG_LIMIT ? mtm_trig_fast_f32(x, 0) : mtm_trig_slow_f32(x, 0);
}
MTM_FUNCTION float mtm_cos_f32(float x) {
  return __builtin_fabsf(x) < (float)MTM_TRIG_LIMIT ? mtm_trig_fast_f32(x, 1) : mtm_trig_slow_f32(x, 1);
}

/* fdlibm's kernels for r + tail. */
MTM_FUNCTION double mtm_trig_of_reduced_f64(double r, double tail, unsigned long long n) {
  const double z = r * r;
  const double v = z * r;
  double s = MTM_FMA_F64(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08);
  s = MTM_FMA_F64(s, z, 2.75573137070700676789e-06);
  s = MTM_FMA_F64(s, z, -1.98412698298579493134e-04);
  s = MTM_FMA_F64(s, z, 8.33333333332248946124e-03);
  const double sine = r - ((z * (0.5 * tail - v * s) - tail) + v * 1.66666666666666324348e-01);
  double c = MTM_FMA_F64(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09);
  c = MTM_FMA_F64(c, z, -2.75573143513906633035e-07);
  c = MTM_FMA_F64(c, z, 2.48015872894767294178e-05);
  c = MTM_FMA_F64(c, z, -1.38888888888741095749e-03);
  c = z * MTM_FMA_F64(c, z, 4.16666666666666019037e-02);
  const double half = 0.5 * z;
  const double w = 1.0 - half;
  const double cosine = w + (((1.0 - w) - half) + (z * c - r * tail));
  const double y = n & 1 ? cosine : sine;
  return n & 2 ? -y : y;
}

/* pi/2 in three parts of 33 bits, each of whose products with n < 2^20 is exact, and a rest. */
MTM_FUNCTION double mtm_trig_fast_f64(double x, unsigned long long quarters) {
  const double t = x * 0.6366197723675814 + MTM_ROUNDER_F64;
  const double n = t - MTM_ROUNDER_F64;
  const double r0 = x - n * 1.57079632673412561417e+00;
  const double w1 = n * 6.07710050630396597660e-11;
  const double r1 = r0 - w1;
  const double e1 = (r0 - r1) - w1;
  const double w2 = n * 2.02226624871116645580e-21;
  const double r2 = r1 - w2;
  const double e2 = (r1 - r2) - w2;
  const double rest = e1 + e2 - n * 8.47842766036889956997e-32;
  const double r = r2 + rest;
  return mtm_trig_of_reduced_f64(r, (r2 - r) + rest, mtm_bits_f64(t) + quarters);
}

MTM_FUNCTION double mtm_trig_small_sin_f64(double x) {
  const double y = mtm_trig_fast_f64(x, 0);
  return x == 0.0 ? x : y; /* -0 */
}
MTM_FUNCTION double mtm_trig_small_cos_f64(double x) { return mtm_trig_fast_f64(x, 1); }
MTM_FUNCTION double mtm_sin_f64(double x) {
  return __builtin_fabs(x) < MTM_TRIG_LIMIT ? mtm_trig_small_sin_f64(x) : __builtin_sin(x);
}
MTM_FUNCTION double mtm_cos_f64(double x) {
  return __builtin_fabs(x) < MTM_TRIG_LIMIT ? mtm_trig_fast_f64(x, 1) : __builtin_cos(x);
}

#endif
