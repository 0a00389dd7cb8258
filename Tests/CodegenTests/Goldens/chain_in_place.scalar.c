/* chain_in_place */
void k00_chain_in_place(void *const *p, long begin, long end, void *scratch) {
  const float *a = p[0];
  const float *restrict b = p[1];
  const float *restrict c_2 = p[2];
  float *y = p[3];
  MTM_INDEPENDENT
  for (long i = begin; i < end; ++i) {
    const float t0 = a[i];
    const float t1 = b[i];
    const float t2 = c_2[i];
    const float t3 = t0 * t1;
    const float t4 = t3 + t2;
    const float t5 = mtm_logistic_f32(t4);
    const float t6 = t5 * t0;
    const float t9 = mtm_max_f32(t2, 0.0f);
    const float t10 = t9 * 0.5f;
    const float t11 = t6 + t10;
    y[i] = t11;
  }
  (void)scratch;
}
