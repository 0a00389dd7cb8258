/* views */
void k00_views(void *const *p, long begin, long end, void *scratch) {
  const float *restrict x = p[0];
  const float *restrict small = p[1];
  float *restrict y = p[2];
  for (long i = begin; i < end; ++i) {
    const float t0 = x[2 + i / 4 + (i % 4) * 6];
    const long t2_0 = i / 4 - 1;
    const long t2_1 = i % 4;
    const float t2 = t2_0 >= 0 && t2_0 % 3 == 0 && t2_0 / 3 < 2 ? small[(t2_0 / 3) * 4 + t2_1] : (-1.0f);
    const float t3 = t0 - t2;
    y[i] = t3;
  }
  (void)scratch;
}
