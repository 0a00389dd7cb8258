/* bias_gradient */
void k00_bias_gradient(void *const *p, long begin, long end, void *scratch) {
  const float *dy = p[0], *x = p[1];
  float *masked = p[2], *partial = p[3];
  for (long u = begin; u < end; ++u) {
    const long stop = u * 128 + 128 < 300 ? u * 128 + 128 : 300;
    mt_fill_f32(partial + u * 10, 0.0f, 10);
    for (long r = u * 128; r < stop; r += 51) {
      const long rows = stop - r < 51 ? stop - r : 51, i = r * 10, n = rows * 10;
      mt_gts_select_f32(masked + i, x + i, 0.0f, dy + i, 0.0f, n);
      mt_col_sum_f32(partial + u * 10, masked + i, rows, 10);
    }
  }
  (void)scratch;
}
