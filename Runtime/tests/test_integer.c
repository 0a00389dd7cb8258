/* Products of bytes on every instruction set, exact, against plain loops; packing; threads; epilogues. */
#include "support.h"

enum { N, IH, IW, IC, OH, OW, OC, KH, KW, SH, SW, PT, PL, DH, DW, ZERO, SHARE, PH, PW };

typedef void (*integer_conv)(mt_context *, const long *, const unsigned char *, const signed char *, int *,
                             mt_kernel, void *const *);
typedef void (*integer_pack)(mt_context *, const long *, const signed char *, signed char *);

static void plain(const long *g, const unsigned char *x, const signed char *w, int *y) {
  for (long n = 0; n < g[N]; ++n)
    for (long oy = 0; oy < g[OH]; ++oy)
      for (long ox = 0; ox < g[OW]; ++ox)
        for (long o = 0; o < g[OC]; ++o, ++y) {
          long sum = 0;
          for (long u = 0; u < g[KH]; ++u)
            for (long v = 0; v < g[KW]; ++v)
              for (long c = 0; c < g[IC]; ++c) {
                const long iy = oy * g[SH] - g[PT] + u * g[DH], ix = ox * g[SW] - g[PL] + v * g[DW];
                const int inside = iy >= 0 && ix >= 0 && iy < g[IH] && ix < g[IW];
                const long a = inside ? x[((n * g[IH] + iy) * g[IW] + ix) * g[IC] + c] : g[ZERO];
                sum += a * w[((u * g[KW] + v) * g[IC] + c) * g[OC] + o];
              }
          *y = (int)sum;
        }
}

/* The largest sum of each window. */
static void pooled(const long *g, const int *x, int *y) {
  const long qh = g[OH] / g[PH], qw = g[OW] / g[PW];
  for (long i = 0; i < g[N] * qh * qw * g[OC]; ++i) {
    const long c = i % g[OC], q = i / g[OC] % qw, r = i / g[OC] / qw % qh, n = i / g[OC] / qw / qh;
    for (long k = 0; k < g[PH] * g[PW]; ++k) {
      const long row = r * g[PH] + k / g[PW], column = q * g[PW] + k % g[PW];
      const int sum = x[((n * g[OH] + row) * g[OW] + column) * g[OC] + c];
      if (k == 0 || sum > y[i]) y[i] = sum;
    }
  }
}

static long up(long a, long b) { return (a + b - 1) / b; }

/* of: a table with or without its last three. */
static void check_pooled(mt_context *const *contexts, int count, const long *of, int extreme, long share,
                         long ph, long pw) {
  long g[19];
  memcpy(g, of, 16 * sizeof *g);
  g[SHARE] = share, g[PH] = ph, g[PW] = pw;
  const long run = g[DW] == 1 ? g[KW] * g[IC] : g[IC], runs = g[DW] == 1 ? g[KH] : g[KH] * g[KW];
  const long inputs = g[N] * g[IH] * g[IW] * g[IC], sums = g[N] * g[OH] * g[OW] * g[OC];
  const long rows = g[N] * (g[OH] / ph) * (g[OW] / pw), outputs = rows * g[OC];
  const long s[] = {runs, run, g[OC], share, g[SW] * g[IC]};
  const long weights = runs * run * g[OC];
  const long packed_size = up(share * g[OC], 16) * runs * up(run + (share - 1) * s[4], 4) * 64;
  unsigned char *x = elements(inputs, 1);
  signed char *w = elements(weights, 1), *packed = elements(packed_size, 1);
  int *all = elements(sums, sizeof(int)), *want = elements(outputs, sizeof(int));
  for (long i = 0; i < inputs; ++i) x[i] = extreme ? 255 : (unsigned char)random_bits();
  for (long i = 0; i < weights; ++i) {
    w[i] = extreme ? (extreme > 0 ? 127 : -128) : (signed char)((int)(random_bits() & 255) - 128);
  }
  plain(g, x, w, all);
  pooled(g, all, want);
  FUNCTION(integer_pack, "mt_integer_pack", MT_BASELINE)(contexts[0], s, w, packed);
  for (int isa = 0; isa < MT_ISA_COUNT; ++isa) {
    if (!mt_isa_supported((mt_isa)isa)) continue;
    integer_conv conv = FUNCTION(integer_conv, "mt_integer_conv2d", (mt_isa)isa);
    for (int t = 0; t < count; ++t) {
      int *counts = elements(rows, sizeof(int)), *y = elements(outputs, sizeof(int));
      void *p[] = {counts};
      memset(y, 0x5a, (size_t)outputs * sizeof(int));
      mt_context_enter(contexts[t]);
      conv(contexts[t], g, x, packed, y, count_rows, p);
      mt_context_leave(contexts[t]);
      long bad = 0, missed = 0;
      for (long i = 0; i < outputs; ++i) bad += y[i] != want[i];
      for (long i = 0; g[OC] > 0 && i < rows; ++i) missed += counts[i] != 1;
      CHECK(bad == 0 && missed == 0,
            "%s, %d threads: n %ld in %ldx%ldx%ld out %ldx%ldx%ld kernel %ldx%ld stride %ld %ld pad %ld %ld "
            "dilation %ld %ld share %ld windows %ldx%ld: %ld of %ld wrong, %ld rows missed",
            mt_isa_name((mt_isa)isa), mt_context_threads(contexts[t]), g[N], g[IH], g[IW], g[IC], g[OH],
            g[OW], g[OC], g[KH], g[KW], g[SH], g[SW], g[PT], g[PL], g[DH], g[DW], share, ph, pw, bad,
            outputs, missed);
      free(counts), free(y);
    }
  }
  free(x), free(w), free(packed), free(all), free(want);
}

static void check(mt_context *const *contexts, int count, const long *g, int extreme) {
  check_pooled(contexts, count, g, extreme, 1, 1, 1);
}

typedef void (*byte_window)(mt_context *, const long *, const unsigned char *, unsigned char *);

/* w = {n, ih, iw, c, oh, ow, kh, kw, sh, sw, pt, pl, dh, dw} */
static void windows(mt_context *const *contexts, int count, const long *w) {
  const long inputs = w[0] * w[1] * w[2] * w[3], outputs = w[0] * w[4] * w[5] * w[3];
  unsigned char *x = elements(inputs, 1), *want = elements(outputs, 1);
  for (long i = 0; i < inputs; ++i) x[i] = (unsigned char)random_bits();
  for (long i = 0; i < outputs; ++i) {
    const long c = i % w[3], q = i / w[3] % w[5], r = i / w[3] / w[5] % w[4], n = i / w[3] / w[5] / w[4];
    for (long k = 0; k < w[6] * w[7]; ++k) {
      const long row = r * w[8] - w[10] + k / w[7] * w[12], column = q * w[9] - w[11] + k % w[7] * w[13];
      if (row < 0 || column < 0 || row >= w[1] || column >= w[2]) continue;
      const unsigned char value = x[((n * w[1] + row) * w[2] + column) * w[3] + c];
      if (value > want[i]) want[i] = value;
    }
  }
  for (int t = 0; t < count; ++t) {
    unsigned char *y = elements(outputs, 1);
    memset(y, 0x5a, (size_t)outputs);
    FUNCTION(byte_window, "mt_integer_max_window_u8", MT_BASELINE)(contexts[t], w, x, y);
    CHECK(memcmp(y, want, (size_t)outputs) == 0, "window %ldx%ld of %ldx%ldx%ld", w[6], w[7], w[1], w[2], w[3]);
    free(y);
  }
  free(x), free(want);
}

int main(void) {
  const int threads[] = {1, 2, 5};
  mt_context *contexts[3];
  for (int i = 0; i < 3; ++i) contexts[i] = mt_context_create(threads[i], 64);
  static const long cases[][16] = {
      {3, 28, 28, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 7},  {2, 14, 14, 6, 10, 10, 16, 5, 5, 1, 1, 0, 0, 1, 1, 0},
      {2, 9, 8, 3, 9, 8, 40, 3, 3, 1, 1, 1, 1, 1, 1, 128},   {2, 9, 11, 5, 5, 6, 7, 3, 3, 2, 2, 1, 1, 1, 1, 3},
      {1, 13, 12, 4, 4, 4, 9, 3, 2, 3, 3, 0, 1, 1, 1, 9},    {2, 12, 13, 4, 8, 9, 6, 3, 3, 1, 1, 0, 0, 2, 2, 1},
      {2, 12, 13, 3, 7, 5, 6, 3, 3, 2, 3, 2, 1, 2, 3, 200},  {2, 10, 10, 4, 6, 6, 8, 3, 3, 1, 1, -1, -1, 1, 1, 1},
      {1, 32, 32, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 5}, {2, 16, 16, 16, 8, 8, 32, 3, 3, 2, 2, 1, 1, 1, 1, 0},
      {1, 16, 16, 64, 16, 16, 64, 3, 3, 1, 1, 1, 1, 1, 1, 0}, {2, 8, 8, 64, 4, 4, 70, 1, 1, 2, 2, 0, 0, 1, 1, 0},
      {1, 3, 3, 2, 9, 9, 3, 5, 5, 1, 1, 5, 5, 1, 1, 17},     {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0},
      {0, 4, 4, 2, 4, 4, 3, 1, 1, 1, 1, 0, 0, 1, 1, 0},      {2, 4, 4, 0, 4, 4, 3, 1, 1, 1, 1, 0, 0, 1, 1, 0},
      {2, 4, 4, 3, 4, 4, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) check(contexts, 3, cases[i], 0);
  /* Outputs that share the columns of a product, and windows of the largest sums. */
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    for (long share = 1; share <= 6; ++share) {
      const long *g = cases[i];
      if (g[OW] % share != 0 || (share > 1 && g[DW] != 1)) continue;
      check_pooled(contexts, 3, g, 0, share, 1, 1);
      check_pooled(contexts, share == 2 ? 3 : 1, g, 0, share, 2, 2);
      check_pooled(contexts, 1, g, 0, share, 3, 1);
      check_pooled(contexts, 1, g, 0, share, 1, 4);
    }
  }
  /* Every number of channels out up to three panels and every remainder of tiles of rows. */
  for (long oc = 1; oc <= 33; ++oc) {
    for (long ow = 2; ow <= 9; ++ow) {
      const long g[] = {1, 5, ow + 1, 1 + oc % 3, 4, ow, oc, 2, 2, 1, 1, 0, 0, 1, 1, 4};
      check_pooled(contexts, 1, g, 0, ow % 2 == 0 ? 2 : ow % 3 == 0 ? 3 : 1, 1 + oc % 2, 2);
    }
  }
  /* Matrices [m, k] · [k, n]: an image of one column. */
  const long ms[] = {1, 2, 3, 4, 5, 8, 13, 33}, ks[] = {1, 3, 4, 25, 64, 400}, ns[] = {1, 10, 16, 17, 33, 48, 64, 65, 130};
  for (size_t m = 0; m < sizeof ms / sizeof ms[0]; ++m)
    for (size_t k = 0; k < sizeof ks / sizeof ks[0]; ++k)
      for (size_t n = 0; n < sizeof ns / sizeof ns[0]; ++n) {
        const long g[] = {1, ms[m], 1, ks[k], ms[m], 1, ns[n], 1, 1, 1, 1, 0, 0, 1, 1, 0};
        check(contexts, n == 0 ? 3 : 1, g, 0);
      }
  const long large[] = {1, 300, 1, 384, 300, 1, 200, 1, 1, 1, 1, 0, 0, 1, 1, 0};
  check(contexts, 3, large, 0);
  static const long pools[][14] = {
      {2, 28, 28, 6, 14, 14, 2, 2, 2, 2, 0, 0, 1, 1}, {1, 10, 10, 16, 5, 5, 2, 2, 2, 2, 0, 0, 1, 1},
      {3, 9, 8, 33, 5, 4, 3, 3, 2, 2, 1, 1, 1, 1},    {1, 7, 8, 2, 3, 7, 2, 3, 2, 1, 1, 2, 2, 2},
      {1, 3, 3, 4, 5, 5, 2, 2, 1, 1, 3, 3, 1, 1},     {40, 32, 32, 16, 16, 16, 2, 2, 2, 2, 0, 0, 1, 1},
  };
  for (size_t i = 0; i < sizeof pools / sizeof pools[0]; ++i) windows(contexts, 3, pools[i]);
  /* The largest sums, where products of pairs would saturate. */
  for (int extreme = -1; extreme <= 1; extreme += 2) {
    check(contexts, 1, large, extreme);
    check_pooled(contexts, 1, cases[0], extreme, 4, 2, 2);
  }
  for (int i = 0; i < 3; ++i) mt_context_destroy(contexts[i]);
  return finish("integer");
}
