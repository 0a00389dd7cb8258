/* Products of bytes: packing of weights, and which rows a task computes. */
#include "martlet_integer.h"

#include <string.h>

/* s = {runs, run, columns, share, shift}: the columns stand `share` times side by side, each time `shift`
 * elements further down a run. */
void mt_integer_pack MT_P_INTEGER_PACK(mt_context *, signed char) {
  (void)cx;
  const long runs = s[0], run = s[1], columns = s[2], share = s[3], shift = s[4];
  const long groups = mt_ceil(run + (share - 1) * shift, MT_QUAD);
  memset(packed, 0, (size_t)(mt_ceil(share * columns, MT_PANEL) * runs * groups * MT_PANEL_BYTES));
  for (long q = 0; q < share; ++q) {
    for (long from = 0, some; from < columns; from += some) {
      const long column = q * columns + from, panel = column / MT_PANEL, first = column % MT_PANEL;
      some = mt_min(MT_PANEL - first, columns - from);
      for (long t = 0; t < runs; ++t) {
        for (long k = 0; k < run; ++k) {
          const long at = q * shift + k;
          const signed char *in = w + (t * run + k) * columns + from;
          signed char *to = packed + ((panel * runs + t) * groups + at / MT_QUAD) * MT_PANEL_BYTES
                            + first * MT_QUAD + at % MT_QUAD;
          for (long c = 0; c < some; ++c) to[c * MT_QUAD] = in[c];
        }
      }
    }
  }
}

typedef struct {
  const mt_integer_ops *o;
  mt_context *cx;
  const unsigned char *x;
  const signed char *w;
  int *y;
  mt_kernel epilogue;
  void *const *p;
  /* As the kernels see them: of the wider filter where outputs share the columns of a product. */
  long n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, pt, pl, dh, dw;
  int zero;
  long share, ph, pw, qh, qw; /* the windows of the largest sums, and how many */
  long runs, run, groups, panel; /* of the weights */
  int copies;                    /* a band of the image is copied, with what stands around it */
  long band, bands, width;       /* output rows of a band; bands of an image; columns of the copy */
  int parts;
} mt_integer_job;

/* Rows of the image, or of the copy, that `rows` rows of the output read. */
static long mt_integer_reach(const mt_integer_job *j, long rows) {
  return (rows - 1) * j->sh + (j->kh - 1) * j->dh + 1;
}

/* One sum by itself: of row oy of the output, column ox of the wider products, their column c. */
static int mt_integer_sum(const mt_integer_job *j, long image, long oy, long ox, long c) {
  const unsigned char *x = j->x + image * j->ih * j->iw * j->ic;
  const signed char *w = j->w + c / MT_PANEL * j->panel + c % MT_PANEL * MT_QUAD;
  unsigned sum = 0;
  for (long u = 0; u < j->kh; ++u) {
    const long row = oy * j->sh - j->pt + u * j->dh;
    for (long v = 0; v < j->kw; ++v) {
      const long column = ox * j->sw - j->pl + v * j->dw;
      const int inside = row >= 0 && row < j->ih && column >= 0 && column < j->iw;
      for (long k = 0; k < j->ic; ++k) {
        const long run = j->dw == 1 ? u : u * j->kw + v, at = j->dw == 1 ? v * j->ic + k : k;
        const int weight = w[(run * j->groups + at / MT_QUAD) * MT_PANEL_BYTES + at % MT_QUAD];
        sum += (unsigned)(weight * (inside ? x[(row * j->iw + column) * j->ic + k] : j->zero));
      }
    }
  }
  return (int)sum;
}

/* Without memory: each element by itself; of the rows of windows [from, to). */
static void mt_integer_naive(const mt_integer_job *j, long image, long from, long to, int *y) {
  const long channels = j->oc / j->share;
  for (long r = from; r < to; ++r) {
    for (long q = 0; q < j->qw; ++q) {
      for (long c = 0; c < channels; ++c, ++y) {
        for (long k = 0; k < j->ph * j->pw; ++k) {
          const long row = r * j->ph + k / j->pw, column = q * j->pw + k % j->pw;
          const int sum =
              mt_integer_sum(j, image, row, column / j->share, column % j->share * channels + c);
          if (k == 0 || sum > *y) *y = sum;
        }
      }
    }
  }
}

/* The rows [from, from + rows) of the padded image, `width` columns of it, into `to`. The bytes around the image
 * are there already if `framed`. */
static void mt_integer_copy(const mt_integer_job *j, const unsigned char *x, long from, long rows,
                            unsigned char *to, int framed) {
  const long ic = j->ic, left = mt_min(mt_max(j->pl, 0), j->width), skip = mt_max(-j->pl, 0);
  const long some = mt_max(mt_min(j->width - left, j->iw - skip), 0), line = j->width * ic;
  const long top = mt_min(mt_max(-from, 0), rows), stop = mt_max(mt_min(rows, j->ih - from), top);
  if (!framed && (left + some < j->width || left > 0)) {
    memset(to, j->zero, (size_t)(rows * line));
  } else if (!framed) {
    memset(to, j->zero, (size_t)(top * line));
    memset(to + stop * line, j->zero, (size_t)((rows - stop) * line));
  }
  if (some <= 0 || stop <= top) return;
  x += ((from + top) * j->iw + skip) * ic;
  to += top * line + left * ic;
  if (j->width == j->iw && some == j->iw) {
    memcpy(to, x, (size_t)((stop - top) * line));
    return;
  }
  for (long r = top; r < stop; ++r, x += j->iw * ic, to += line) memcpy(to, x, (size_t)(some * ic));
}

/* What a part needs, in the order in which it lies. Pointers by the widest tile that any instruction set has: an
 * exported program's memory is measured on one machine and used on another. */
enum { MT_WIDEST_TILE = 8 };
typedef struct {
  size_t pointers, sums, copy;
} mt_integer_room;

static mt_integer_room mt_integer_needs(const mt_integer_job *j) {
  const long pixels = j->band * j->ow;
  mt_integer_room room = {(size_t)(pixels + MT_WIDEST_TILE + j->runs) * sizeof(void *), 0, 0};
  if (j->ph * j->pw != 1) room.sums = (size_t)(pixels * j->oc) * sizeof(int);
  if (j->copies) room.copy = (size_t)(mt_integer_reach(j, j->band) * j->width * j->ic) + MT_QUAD;
  return room;
}

/* The sums of one band: `count` pixels whose activations begin at a[0] …. */
static void mt_integer_tiles(const mt_integer_job *j, const unsigned char *const *a, const long *runs,
                             long count, int *y) {
  const mt_integer_ops *o = j->o;
  const long wide = o->panels * MT_PANEL;
  /* Weights that stay in the level 1 cache pass under each tile of rows; others are read once a band. */
  const int inner = j->panel * mt_ceil(j->oc, MT_PANEL) <= 24 << 10;
  const long row_step = inner ? o->rows : count, column_step = inner ? j->oc : wide;
  for (long c0 = 0; c0 < j->oc; c0 += column_step) {
    for (long r0 = 0; r0 < count; r0 += row_step) {
      for (long c = c0; c < mt_min(j->oc, c0 + column_step); c += wide) {
        for (long r = r0; r < mt_min(count, r0 + row_step); r += o->rows) {
          o->tile(y + r * j->oc + c, j->oc, mt_min(o->rows, count - r), mt_min(wide, j->oc - c), a + r,
                  runs, j->runs, j->groups, j->w + c / MT_PANEL * j->panel, j->panel);
        }
      }
    }
  }
}

static void mt_integer_rows(void *argument, int part) {
  const mt_integer_job *j = argument;
  const long units = j->n * j->bands, first = units * part / j->parts;
  const long stop = units * (part + 1) / j->parts, pixels = j->band * j->ow;
  const mt_integer_room needs = mt_integer_needs(j);
  char *room =
      first < stop ? mt_part_workspace(j->cx, part, needs.pointers + needs.sums + needs.copy) : NULL;
  const unsigned char **a = (const unsigned char **)(void *)room;
  long *runs = (long *)(void *)(room ? room + (size_t)(pixels + MT_WIDEST_TILE) * sizeof(void *) : NULL);
  int *sums = (int *)(void *)(room && needs.sums > 0 ? room + needs.pointers : NULL);
  unsigned char *copy = (unsigned char *)(room ? room + needs.pointers + needs.sums : NULL);
  const long line = (j->copies ? j->width : j->iw) * j->ic;
  for (long t = 0; room != NULL && t < j->runs; ++t) {
    runs[t] = j->dw == 1 ? t * j->dh * line : t / j->kw * j->dh * line + t % j->kw * j->dw * j->ic;
  }
  if (room && j->copies) memset(copy + needs.copy - MT_QUAD, 0, MT_QUAD);
  for (long u = first; u < stop; ++u) {
    const long image = u / j->bands, from = u % j->bands * j->band;
    const long to = mt_min(j->oh, from + j->band);
    const long row = (image * j->qh + from / j->ph) * j->qw;
    int *y = j->y + row * (j->oc / j->share);
    if (room == NULL) {
      mt_integer_naive(j, image, from / j->ph, to / j->ph, y);
    } else {
      const unsigned char *x = j->x + image * j->ih * j->iw * j->ic;
      if (j->copies) {
        mt_integer_copy(j, x, from * j->sh - j->pt, mt_integer_reach(j, to - from), copy,
                        j->bands == 1 && u > first);
        x = copy;
      } else {
        x += from * j->sh * line;
      }
      long count = 0;
      for (long r = 0; r < to - from; ++r) {
        const unsigned char *at = x + r * j->sh * line;
        for (long c = 0; c < j->ow; ++c, at += j->sw * j->ic) a[count++] = at;
      }
      for (long extra = 0; extra < MT_WIDEST_TILE; ++extra) a[count + extra] = a[count - 1];
      mt_integer_tiles(j, a, runs, count, sums ? sums : y);
      if (sums) {
        j->o->pool(y, sums, (to - from) / j->ph, j->qw, j->oc / j->share, j->ph, j->pw, j->ow * j->oc);
      }
    }
    const long rows = (to - from) / j->ph * j->qw;
    if (j->epilogue) j->epilogue(j->p, row, row + rows, mt_part_scratch(j->cx, part));
  }
}

void mt_integer_run(const mt_integer_ops *o, mt_context *cx, const long *g, const unsigned char *x,
                    const signed char *w, int *y, mt_kernel epilogue, void *const *p) {
  mt_integer_job j = {.o = o, .cx = cx, .x = x, .w = w, .y = y, .epilogue = epilogue, .p = p,
                      .n = g[0], .ih = g[1], .iw = g[2], .ic = g[3], .oh = g[4], .ow = g[5], .oc = g[6],
                      .kh = g[7], .kw = g[8], .sh = g[9], .sw = g[10], .pt = g[11], .pl = g[12],
                      .dh = g[13], .dw = g[14], .zero = (int)g[15], .share = g[16], .ph = g[17],
                      .pw = g[18], .qh = g[4] / g[17], .qw = g[5] / g[18], .parts = 1};
  if (j.n * j.qh * j.qw <= 0 || j.oc <= 0) return;
  j.oh = j.qh * j.ph; /* rows of no window are not needed */
  j.ow /= j.share;
  j.oc *= j.share;
  j.kw += (j.share - 1) * j.sw;
  j.sw *= j.share;
  j.runs = j.dw == 1 ? j.kh : j.kh * j.kw;
  j.run = j.dw == 1 ? j.kw * j.ic : j.ic;
  j.groups = mt_ceil(j.run, MT_QUAD);
  j.panel = j.runs * j.groups * MT_PANEL_BYTES;
  j.width = (j.ow - 1) * j.sw + (j.kw - 1) * j.dw + 1;
  /* The last group of a run may end behind the image: then, too, a copy is read. */
  j.copies = j.pt != 0 || j.pl != 0 || j.width > j.iw || mt_integer_reach(&j, j.oh) > j.ih
             || j.run % MT_QUAD != 0;
  /* What a band writes, and reads, stays in the level 2 cache until the epilogue has it. */
  const long bytes = j.ow * j.oc * (long)sizeof(int) + j.sh * j.width * j.ic;
  j.band = mt_max((96 << 10) / bytes / j.ph, 1) * j.ph;
  j.band = mt_min(j.band, j.oh);
  const double work = (double)(j.n * j.oh * j.ow) * (double)j.oc * (double)(j.runs * j.groups * MT_QUAD);
  if (work > 1e6) j.parts = mt_parts_for(cx, (long)(work / 5e5), 1);
  if (j.n * mt_ceil(j.oh, j.band) < j.parts) {
    j.band = mt_ceil(j.qh, mt_ceil(j.parts, j.n)) * j.ph;
  }
  j.bands = mt_ceil(j.oh, j.band);
  j.parts = (int)mt_min(j.parts, j.n * j.bands);
  mt_run_parts(cx, j.parts, mt_integer_rows, &j);
}

/* w = {n, ih, iw, c, oh, ow, kh, kw, sh, sw, pt, pl, dh, dw} */
typedef struct {
  mt_context *cx;
  const long *w;
  const unsigned char *x;
  unsigned char *y;
  int parts;
} mt_integer_window_job;

/* to = the larger of both; the buffers are equal or disjoint. */
static void mt_integer_max(unsigned char *to, const unsigned char *a, const unsigned char *b, long count) {
  MT_INDEPENDENT
  for (long i = 0; i < count; ++i) to[i] = a[i] > b[i] ? a[i] : b[i];
}

/* A row of the output: the rows of the window into `line` (NULL: all of the window at once), then its columns. */
static void mt_integer_window_row(const mt_integer_window_job *j, long image, long oy, unsigned char *line) {
  const long ih = j->w[1], iw = j->w[2], c = j->w[3], ow = j->w[5], kh = j->w[6], kw = j->w[7];
  const long sw = j->w[9], pl = j->w[11], dh = j->w[12], dw = j->w[13], width = iw * c;
  const unsigned char *x = j->x + image * ih * width;
  unsigned char *y = j->y + (image * j->w[4] + oy) * ow * c;
  memset(y, 0, (size_t)(ow * c));
  const unsigned char *rows = NULL;
  for (long u = 0; u < kh; ++u) {
    const long row = oy * j->w[8] - j->w[10] + u * dh;
    if (row < 0 || row >= ih) continue;
    if (line && rows) {
      mt_integer_max(line, rows, x + row * width, width);
      rows = line;
    } else {
      rows = x + row * width;
    }
    if (!line) {
      for (long q = 0; q < ow; ++q) {
        for (long v = 0; v < kw; ++v) {
          const long column = q * sw - pl + v * dw;
          if (column >= 0 && column < iw) mt_integer_max(y + q * c, y + q * c, rows + column * c, c);
        }
      }
    }
  }
  if (!line || !rows) return;
  for (long q = 0; q < ow; ++q) {
    for (long v = 0; v < kw; ++v) {
      const long column = q * sw - pl + v * dw;
      if (column < 0 || column >= iw) continue;
      const unsigned char *from = rows + column * c;
      unsigned char *to = y + q * c;
      if (c < 16) {
        for (long i = 0; i < c; ++i) to[i] = from[i] > to[i] ? from[i] : to[i];
      } else {
        mt_integer_max(to, to, from, c);
      }
    }
  }
}

static void mt_integer_window_part(void *argument, int part) {
  const mt_integer_window_job *j = argument;
  const long rows = j->w[0] * j->w[4], stop = rows * (part + 1) / j->parts;
  unsigned char *line = mt_part_workspace(j->cx, part, (size_t)(j->w[2] * j->w[3]));
  for (long r = rows * part / j->parts; r < stop; ++r) {
    mt_integer_window_row(j, r / j->w[4], r % j->w[4], line);
  }
}

void mt_integer_max_window_u8 MT_P_SUM_WINDOW(mt_context *, unsigned char) {
  mt_integer_window_job j = {cx, w, x, y, 1};
  const long work = w[0] * w[4] * w[2] * w[3] * w[6];
  if (w[0] * w[4] <= 0 || w[5] * w[3] <= 0) return;
  j.parts = (int)mt_min(mt_parts_for(cx, work, 1 << 17), w[0] * w[4]);
  mt_run_parts(cx, j.parts, mt_integer_window_part, &j);
}
