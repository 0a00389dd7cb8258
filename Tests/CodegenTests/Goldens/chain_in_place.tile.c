/* chain_in_place */
void k00_chain_in_place(void *const *p, long begin, long end, void *scratch) {
  const float *a = p[0], *b = p[1], *c_2 = p[2];
  float *y = p[3];
  float *t0 = scratch;
  for (long i = begin; i < end; i += 512) {
    const long n = end - i < 512 ? end - i : 512;
    mt_mul_add_f32(t0, a + i, b + i, c_2 + i, n);
    mt_logistic_mul_f32(t0, t0, a + i, n);
    mt_maxs_muls_add_f32(y + i, c_2 + i, 0.0f, 0.5f, t0, n);
  }
}
