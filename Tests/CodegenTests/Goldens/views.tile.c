/* views */
void k00_views(void *const *p, long begin, long end, void *scratch) {
  const float *x = p[0], *small = p[1];
  float *y = p[2];
  float *t0 = scratch, *t1 = (void *)((char *)scratch + 64);
  float *t2 = (void *)((char *)scratch + 2112);
  static const long dims1[] = {6, 4};
  static const long strides1[] = {1, 6};
  static const long dims2[] = {6, 4};
  static const long source2[] = {2, 4};
  static const long strides2[] = {4, 1};
  static const long low2[] = {1, 0};
  static const long interior2[] = {2, 0};
  t0[0] = (-1.0f);
  for (long i = begin; i < end; i += 512) {
    const long n = end - i < 512 ? end - i : 512;
    mt_view_4(t1, x + 2, i, n, 2, dims1, strides1);
    mt_pad_4(t2, small, i, n, 2, dims2, source2, strides2, low2, interior2, t0);
    mt_sub_f32(y + i, t1, t2, n);
  }
}
