/* bias_gradient */
void k00_bias_gradient(void *const *p, long begin, long end, void *scratch) {
  const float *restrict dy = p[0];
  const float *restrict x = p[1];
  float *restrict masked = p[2];
  float *restrict partial = p[3];
  for (long u = begin; u < end; ++u) {
    const long stop = u * 128 + 128 < 300 ? u * 128 + 128 : 300;
    for (long c = 0; c < 10; ++c) partial[u * 10 + c] = 0.0f;
    for (long r = u * 128; r < stop; ++r) {
      for (long c = 0; c < 10; ++c) {
        const long i = r * 10 + c;
        const float t1 = x[i];
        const unsigned char t2 = t1 > 0.0f;
        const float t3 = dy[i];
        const float t4 = t2 ? t3 : 0.0f;
        masked[i] = t4;
        partial[u * 10 + c] = partial[u * 10 + c] + t4;
      }
    }
  }
  (void)scratch;
}
