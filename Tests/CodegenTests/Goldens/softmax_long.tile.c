/* softmax_long */
void k00_softmax_long(void *const *p, long begin, long end, void *scratch) {
  const float *logits = p[0];
  float *softmax = p[1];
  float *t0 = scratch, *t1 = (void *)((char *)scratch + 64);
  for (long r = begin; r < end; ++r) {
    const long i = r * 1000;
    mt_row_max_f32(t0, logits + i, 1, 1000);
    mt_exp_subs_f32(t1, logits + i, t0[0], 1000);
    mt_row_sum_f32(t0, t1, 1, 1000);
    mt_divs_f32(softmax + i, t1, t0[0], 1000);
  }
}
