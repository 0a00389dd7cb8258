/* bias_relu */
void k00_bias_relu(void *const *p, long begin, long end, void *scratch) {
  const float *hidden_dot = p[0], *hidden_bias = p[1];
  float *hidden_relu = p[2];
  float *t0 = scratch, *t1 = (void *)((char *)scratch + 2048);
  const long most = end - begin < 51 ? end - begin : 51;
  mt_repeat_f32(t0, hidden_bias, most, 10);
  for (long r = begin; r < end; r += 51) {
    const long rows = end - r < 51 ? end - r : 51, i = r * 10, n = rows * 10;
    mt_add_f32(t1, hidden_dot + i, t0, n);
    mt_maxs_f32(hidden_relu + i, t1, 0.0f, n);
  }
}
