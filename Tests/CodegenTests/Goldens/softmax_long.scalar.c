/* softmax_long */
void k00_softmax_long(void *const *p, long begin, long end, void *scratch) {
  const float *restrict logits = p[0];
  float *restrict softmax = p[1];
  float *restrict t3_row = scratch;
  for (long r = begin; r < end; ++r) {
    const float t1 = mtm_row_max_f32(logits + r * 1000, 1000);
    for (long c = 0; c < 1000; ++c) {
      const long i = r * 1000 + c;
      const float t0 = logits[i];
      const float t2 = t0 - t1;
      const float t3 = mtm_exp_f32(t2);
      t3_row[c] = t3;
    }
    const float t4 = mtm_row_sum_f32(t3_row, 1000);
    for (long c = 0; c < 1000; ++c) {
      const long i = r * 1000 + c;
      const float t3 = t3_row[c];
      const float t5 = t3 / t4;
      softmax[i] = t5;
    }
  }
}
