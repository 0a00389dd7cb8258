/* Random numbers as a function of (seed, step, stream, position): Philox4x32-10 (Salmon et al., SC 2011).
 * Included by martlet_math.h. */
#ifndef MARTLET_MATH_RANDOM_H
#define MARTLET_MATH_RANDOM_H

/* Word `which` of x0..x3 after ten rounds of the block's counter. */
#define MTM_PHILOX_ROUND(x0, x1, x2, x3, k0, k1)                            \
  {                                                                         \
    const unsigned long long a = (unsigned long long)x0 * 0xd2511f53u;      \
    const unsigned long long b = (unsigned long long)x2 * 0xcd9e8d57u;      \
    x0 = (unsigned)(b >> 32) ^ x1 ^ (k0);                                   \
    x1 = (unsigned)b;                                                       \
    x2 = (unsigned)(a >> 32) ^ x3 ^ (k1);                                   \
    x3 = (unsigned)a;                                                       \
  }
#define MTM_PHILOX_(x0, x1, x2, x3, k0, k1, i) \
  MTM_PHILOX_ROUND(x0, x1, x2, x3, k0 + i * 0x9e3779b9u, k1 + i * 0xbb67ae85u)
#define MTM_PHILOX(x0, x1, x2, x3, seed, step, stream, block)                                    \
  unsigned x0 = (unsigned)(unsigned long)(block), x1 = (unsigned)(stream);                       \
  unsigned x2 = (unsigned)(unsigned long)(step);                                                 \
  unsigned x3 = (unsigned)((unsigned long)(step) >> 32) ^ (unsigned)((unsigned long)(block) >> 32); \
  const unsigned x0##_k = (unsigned)(unsigned long)(seed);                                       \
  const unsigned x1##_k = (unsigned)((unsigned long)(seed) >> 32);                               \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 0u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 1u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 2u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 3u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 4u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 5u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 6u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 7u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 8u)                                                \
  MTM_PHILOX_(x0, x1, x2, x3, x0##_k, x1##_k, 9u)

MTM_FUNCTION unsigned mtm_random_word(long seed, long step, long stream, long position) {
  MTM_PHILOX(x0, x1, x2, x3, seed, step, stream, position >> 2)
  return position & 2 ? (position & 1 ? x3 : x2) : (position & 1 ? x1 : x0);
}

MTM_FUNCTION float mtm_uniform_of_word_f32(unsigned word) { return (float)(int)(word >> 8) * 0x1p-24f; }
MTM_FUNCTION double mtm_uniform_of_words_f64(unsigned high, unsigned low) {
  return ((double)(int)(high >> 5) * 67108864.0 + (double)(int)(low >> 6)) * 0x1p-53;
}

/* sin and cos of 2 pi u for 0 <= u < 1: the quarter turns come off exactly. */
MTM_FUNCTION float mtm_turn_f32(float u, unsigned quarters) {
  const float t = u * 4.0f + MTM_ROUNDER_F32;
  const unsigned n = mtm_bits_f32(t) + quarters;
  const float r = (u * 4.0f - (t - MTM_ROUNDER_F32)) * 1.57079632679489662f;
  const float z = r * r;
  float s = MTM_FMA_F32(z, 2.718311493989822e-6f, -1.98393348360966317e-4f);
  s = MTM_FMA_F32(s, z, 8.3333293858894632e-3f);
  s = MTM_FMA_F32(s, z, -1.66666666416265236e-1f);
  s = MTM_FMA_F32(r * z, s, r);
  float c = MTM_FMA_F32(z, 2.43904487962774091e-5f, -1.38867637746099295e-3f);
  c = MTM_FMA_F32(c, z, 4.16666233237390632e-2f);
  c = MTM_FMA_F32(c, z, -4.99999997251031003e-1f);
  c = MTM_FMA_F32(c, z, 1.0f);
  const float y = n & 1 ? c : s;
  return n & 2 ? -y : y;
}
MTM_FUNCTION double mtm_turn_f64(double u, unsigned long long quarters) {
  const double t = u * 4.0 + MTM_ROUNDER_F64;
  const double r = (u * 4.0 - (t - MTM_ROUNDER_F64)) * 1.5707963267948966;
  return mtm_trig_of_reduced_f64(r, 0.0, mtm_bits_f64(t) + quarters);
}

/* Box and Muller: the even draw of a pair takes the cosine, the odd one the sine. */
MTM_FUNCTION float mtm_normal_of_uniforms_f32(float even, float odd, unsigned quarters) {
  return MTM_SQRT_F32(-2.0f * mtm_log_f32(1.0f - even)) * mtm_turn_f32(odd, quarters);
}
MTM_FUNCTION double mtm_normal_of_uniforms_f64(double even, double odd, unsigned long long quarters) {
  return MTM_SQRT_F64(-2.0 * mtm_log_f64(1.0 - even)) * mtm_turn_f64(odd, quarters);
}

MTM_FUNCTION int mtm_random_bits_i32(long seed, long step, long stream, long position) {
  return (int)mtm_random_word(seed, step, stream, position);
}
MTM_FUNCTION float mtm_random_uniform_f32(long seed, long step, long stream, long position) {
  return mtm_uniform_of_word_f32(mtm_random_word(seed, step, stream, position));
}
MTM_FUNCTION double mtm_random_uniform_f64(long seed, long step, long stream, long position) {
  return mtm_uniform_of_words_f64(mtm_random_word(seed, step, stream, 2 * position),
                                  mtm_random_word(seed, step, stream, 2 * position + 1));
}
MTM_FUNCTION float mtm_random_normal_f32(long seed, long step, long stream, long position) {
  return mtm_normal_of_uniforms_f32(mtm_random_uniform_f32(seed, step, stream, position & ~1L),
                                    mtm_random_uniform_f32(seed, step, stream, position | 1L),
                                    position & 1 ? 0 : 1);
}
MTM_FUNCTION double mtm_random_normal_f64(long seed, long step, long stream, long position) {
  return mtm_normal_of_uniforms_f64(mtm_random_uniform_f64(seed, step, stream, position & ~1L),
                                    mtm_random_uniform_f64(seed, step, stream, position | 1L),
                                    position & 1 ? 0 : 1);
}

#endif
