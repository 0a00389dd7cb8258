/* softmax */
void k00_softmax(void *const *p, long begin, long end, void *scratch) {
  const float *logits = p[0];
  float *softmax = p[1];
  float *t0 = scratch, *t1 = (void *)((char *)scratch + 256);
  for (long r = begin; r < end; r += 51) {
    const long rows = end - r < 51 ? end - r : 51, i = r * 10, n = rows * 10;
    mt_row_max_f32(t0, logits + i, rows, 10);
    mt_subr_f32(t1, logits + i, t0, rows, 10);
    mt_exp_f32(t1, t1, n);
    mt_row_sum_f32(t0, t1, rows, 10);
    mt_divr_f32(softmax + i, t1, t0, rows, 10);
  }
}
