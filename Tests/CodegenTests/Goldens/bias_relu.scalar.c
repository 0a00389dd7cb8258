/* bias_relu */
void k00_bias_relu(void *const *p, long begin, long end, void *scratch) {
  const float *restrict hidden_dot = p[0];
  const float *restrict hidden_bias = p[1];
  float *restrict hidden_relu = p[2];
  for (long r = begin; r < end; ++r) {
    for (long c = 0; c < 10; ++c) {
      const long i = r * 10 + c;
      const float t0 = hidden_bias[c];
      const float t1 = hidden_dot[i];
      const float t2 = t1 + t0;
      const float t4 = mtm_max_f32(t2, 0.0f);
      hidden_relu[i] = t4;
    }
  }
  (void)scratch;
}
