/* The angle of a point, with the special cases of C's atan2. Included by martlet_math.h.
 *
 * With s <= l the smaller and larger of |x| and |y|, the angle t = atan(s / l) is in 0 .. pi/4; beyond tan(pi/8) it is
 * pi/4 + atan((s - l) / (s + l)), so that a polynomial serves |u| <= sqrt(2) - 1. Then the octant is put right. */
#ifndef MARTLET_MATH_ATAN_H
#define MARTLET_MATH_ATAN_H

/* atan u - u over u, in powers of z = u u; its error is 2^-33 of the angle: the result is rounded to float once. */
MTM_FUNCTION double mtm_atan_tail_f32(double z) {
  double p = MTM_FMA_F64(z, 0.05054147478083609, -0.086272654832503);
  p = MTM_FMA_F64(p, z, 0.1107175594600549);
  p = MTM_FMA_F64(p, z, -0.14284175320822176);
  p = MTM_FMA_F64(p, z, 0.1999997778119189);
  return z * MTM_FMA_F64(p, z, -0.33333333281073546);
}

/* The same to 2^-58 (fdlibm's atan). */
MTM_FUNCTION double mtm_atan_tail_f64(double z) {
  double p = MTM_FMA_F64(z, -1.62858201153657823623e-02, 3.65315727442169155270e-02);
  p = MTM_FMA_F64(p, z, -4.97687799461593236017e-02);
  p = MTM_FMA_F64(p, z, 5.83357013379057348645e-02);
  p = MTM_FMA_F64(p, z, -6.66107313738753120669e-02);
  p = MTM_FMA_F64(p, z, 7.69187620504482999495e-02);
  p = MTM_FMA_F64(p, z, -9.09088713343650656196e-02);
  p = MTM_FMA_F64(p, z, 1.11111104054623557880e-01);
  p = MTM_FMA_F64(p, z, -1.42857142725034663711e-01);
  p = MTM_FMA_F64(p, z, 1.99999999998764832476e-01);
  return z * MTM_FMA_F64(p, z, -3.33333333333329318027e-01);
}

/* base_high + base_low +- atan u, where base is the multiple of pi/4 next to the angle; TAIL one of the above. */
#define MTM_ANGLE(TAIL)                                                                       \
  const double across = __builtin_fabs(x), up = __builtin_fabs(y);                            \
  const int steep = up > across;                                                              \
  double large = steep ? up : across, small = steep ? across : up;                            \
  const int both = small == MTM_INF_F64;                                                      \
  large = ((large == 0.0) | both) ? 1.0 : large;                                              \
  small = both ? 1.0 : small;                                                                 \
  const double scale = large > 0x1p1000 ? 0x1p-60 : 1.0; /* the sum must not overflow */      \
  large *= scale;                                                                             \
  small *= scale;                                                                             \
  const int far = small > 0.41421356237309503 * large;                                        \
  const double u = (far ? small - large : small) / (far ? small + large : large);             \
  const double tail = u * TAIL(u * u);                                                        \
  double base = far ? 0x1.921fb54442d18p-1 : 0.0, rest = far ? 0x1.1a62633145c07p-55 : 0.0;   \
  double sense = 1.0;                                                                         \
  base = steep ? 0x1.921fb54442d18p+0 - base : base;                                          \
  rest = steep ? 0x1.1a62633145c07p-54 - rest : rest;                                         \
  sense = steep ? -sense : sense;                                                             \
  const int left = __builtin_copysign(1.0, x) < 0.0;                                          \
  base = left ? 0x1.921fb54442d18p+1 - base : base;                                           \
  rest = left ? 0x1.1a62633145c07p-53 - rest : rest;                                          \
  sense = left ? -sense : sense;                                                              \
  const double leading = base + sense * u;                                                    \
  const double lost = (base - leading) + sense * u;                                           \
  const double angle = leading + (lost + (rest + sense * tail));                              \
  const double z = __builtin_copysign(angle, y);                                              \
  return ((x == x) & (y == y)) ? z : x + y;

MTM_FUNCTION double mtm_angle_f32(double y, double x) { MTM_ANGLE(mtm_atan_tail_f32) }
MTM_FUNCTION double mtm_atan2_f64(double y, double x) { MTM_ANGLE(mtm_atan_tail_f64) }
MTM_FUNCTION float mtm_atan2_f32(float y, float x) { return (float)mtm_angle_f32((double)y, (double)x); }

#endif
