/* Winograd's convolution: which tiles, which blocks, what is transformed when.
 *
 *     U = G g Gᵀ        the filter, P planes of [ic, oc]
 *     V = Bᵀ d B        the input's tiles, P planes of [tiles, ic]
 *     y = Aᵀ (V · U) A  P products, and back
 *
 * V of a group of tiles is made whole. Then, panel of nr output channels after panel, a piece of U
 * (128 input channels) is made in the cache and multiplied with the group, and the panel's products go
 * back to pixels. U is never whole: it is four times as large as the filter, so that reading one made
 * ahead takes longer than making it from the filter for a group (docs/performance.md).
 *
 * Many tiles: a task takes a range of tiles. Few tiles (deep layers): tasks share V and take panels. */
#include "martlet_winograd.h"

/* Planes a power of two apart would meet in one cache set. */
enum { SKEW = 16 };
/* V of a group stays in a level 3 cache; so large, its panels' pieces of U cost little. */
enum { GROUP_BYTES = 4 << 20, SHARED_BYTES = 8 << 20 };

typedef struct {
  const mt_winograd_ops *o;
  mt_context *cx;
  mt_winograd v;
  int which, parts;
  size_t bytes; /* of a task's workspace */
  long planes, panels;
  const float *x, *w;
  float *shared; /* V of all tiles, when tasks take panels */
  float *y;
  mt_kernel epilogue;
  void *const *p;
} job;

/* By the image alone: an image's bits are the same in any batch. */
long mt_winograd_tile(const long *g) {
  const long oh = g[4], ow = g[5];
  const int fits = g[7] == 3 && g[8] == 3 && g[9] == 1 && g[10] == 1 && g[13] == 1 && g[14] == 1
                   && g[15] == 1;
  if (!fits || g[0] <= 0 || oh <= 0 || ow <= 0 || g[3] < 16 || g[6] < 16) return 0;
  const long four = 36 * mt_ceil(oh, 4) * mt_ceil(ow, 4), two = 16 * mt_ceil(oh, 2) * mt_ceil(ow, 2);
  const long m = four < two ? 4 : 2;
  /* Transforms must pay: half of the products saved, and tiles to share the filter's. */
  if (9 * oh * ow < 2 * mt_min(four, two) || mt_ceil(oh, m) * mt_ceil(ow, m) < 4) return 0;
  return m;
}

static mt_winograd winograd_of(const mt_winograd_ops *o, const long *g, long m) {
  mt_winograd v = {.n = g[0], .ih = g[1], .iw = g[2], .ic = g[3], .oh = g[4], .ow = g[5], .oc = g[6],
                   .pt = g[11], .pl = g[12], .m = m};
  const long vl = o->gemm->vl;
  v.th = mt_ceil(v.oh, m);
  v.tw = mt_ceil(v.ow, m);
  v.tiles = v.n * v.th * v.tw;
  v.row = mt_ceil(v.ic, vl) * vl + SKEW;
  return v;
}

/* Rows of the result that tiles [begin, end) complete, in as few runs as there are. */
static void finish(const job *g, long begin, long end, void *scratch) {
  const mt_winograd *v = &g->v;
  if (!g->epilogue) return;
  for (long tile = begin, next; tile < end; tile = next) {
    const long line = tile / v->tw, left = tile % v->tw * v->m;
    next = mt_min((line + 1) * v->tw, end);
    const long image = line / v->th, top = line % v->th * v->m, bottom = mt_min(top + v->m, v->oh);
    const long right = mt_min((next - line * v->tw) * v->m, v->ow);
    const long row = (image * v->oh + top) * v->ow;
    if (left == 0 && right == v->ow) {
      g->epilogue(g->p, row, row + (bottom - top) * v->ow, scratch);
      continue;
    }
    for (long y = 0; y < bottom - top; ++y) {
      g->epilogue(g->p, row + y * v->ow + left, row + y * v->ow + right, scratch);
    }
  }
}

static long u_plane(const job *g) { return mt_min(MT_WINOGRAD_KC, g->v.ic) * g->o->gemm->nr + SKEW; }
static long m_plane(const job *g, long tiles) { return tiles * g->o->gemm->nr + SKEW; }
static long v_plane(const job *g, long tiles) { return tiles * g->v.row + SKEW; }

/* The lines of the filter that the piece after (j, from) is made from, a share with each plane: they
 * come from memory while the products run. */
static void fetch_ahead(const job *g, long j, long from, long last, long plane) {
  const mt_winograd *v = &g->v;
  const long nr = g->o->gemm->nr;
  from += MT_WINOGRAD_KC;
  if (from >= v->ic) {
    from = 0;
    j += 1;
  }
  if (j == last) return;
  const long rows = 9 * mt_min(MT_WINOGRAD_KC, v->ic - from), columns = mt_min(nr, v->oc - j * nr);
  const long start = rows * plane / g->planes, stop = rows * (plane + 1) / g->planes;
  long tap = start % 9;
  const float *row = g->w + (tap * v->ic + from + start / 9) * v->oc + j * nr;
  for (long i = start; i < stop; ++i) {
    for (long c = 0; c < columns; c += 64 / (long)sizeof(float)) __builtin_prefetch(row + c, 0, 2);
    row += ++tap < 9 ? v->ic * v->oc : (1 - 8 * v->ic) * v->oc;
    if (tap == 9) tap = 0;
  }
}

/* Panels [first, last) of the result for tiles [begin, end), whose V is given. `memory` has room for
 * a piece of U and a panel of V · U. */
static void multiply(const job *g, const float *tiles, long begin, long end, long first, long last,
                     float *memory) {
  const mt_winograd *v = &g->v;
  const mt_gemm_ops_f32 *o = g->o->gemm;
  const long nr = o->nr, count = end - begin;
  float *u = memory, *out = memory + g->planes * u_plane(g);
  for (long j = first; j < last; ++j) {
    const long columns = mt_min(nr, v->oc - j * nr);
    for (long from = 0; from < v->ic; from += MT_WINOGRAD_KC) {
      const long k = mt_min(MT_WINOGRAD_KC, v->ic - from);
      g->o->filter[g->which](u, u_plane(g), nr, g->w + from * v->oc + j * nr, v->ic * v->oc, v->oc, k,
                             columns);
      for (long i = 0; i < g->planes; ++i) {
        fetch_ahead(g, j, from, last, i);
        o->block(out + i * m_plane(g, count), nr, count, columns, k,
                 tiles + i * v_plane(g, count) + from, v->row, 1, u + i * u_plane(g), k * nr, nr,
                 from != 0, NULL);
      }
    }
    g->o->output[g->which](v, out, m_plane(g, count), nr, begin, end, g->y, j * nr, columns);
  }
}

static long multiply_room(const job *g, long tiles) {
  return g->planes * (u_plane(g) + m_plane(g, tiles));
}

/* Groups that a task's tiles fall into, all but one of the largest size. */
static long groups_of(const job *g, long tiles) {
  return mt_ceil(tiles, mt_max(GROUP_BYTES / (g->planes * g->v.row * (long)sizeof(float)), 1));
}

static void by_tiles(void *argument, int part) {
  const job *g = argument;
  const mt_winograd *v = &g->v;
  const long start = v->tiles * part / g->parts, stop = v->tiles * (part + 1) / g->parts;
  const long groups = groups_of(g, stop - start);
  void *scratch = mt_part_scratch(g->cx, part);
  float *tiles = mt_part_workspace(g->cx, part, g->bytes);
  for (long i = 0; i < groups; ++i) {
    const long begin = start + (stop - start) * i / groups;
    const long end = start + (stop - start) * (i + 1) / groups;
    const long plane = v_plane(g, end - begin);
    g->o->input[g->which](v, g->x, begin, end, tiles, plane);
    multiply(g, tiles, begin, end, 0, g->panels, tiles + g->planes * plane);
    finish(g, begin, end, scratch);
  }
}

static void all_tiles(void *argument, int part) {
  const job *g = argument;
  const mt_winograd *v = &g->v;
  const long begin = v->tiles * part / g->parts, end = v->tiles * (part + 1) / g->parts;
  g->o->input[g->which](v, g->x, begin, end, g->shared + begin * v->row, v_plane(g, v->tiles));
}

static void by_panels(void *argument, int part) {
  const job *g = argument;
  const long first = g->panels * part / g->parts, last = g->panels * (part + 1) / g->parts;
  multiply(g, g->shared, 0, g->v.tiles, first, last, mt_part_workspace(g->cx, part, g->bytes));
}

static void by_rows(void *argument, int part) {
  const job *g = argument;
  const long rows = g->v.n * g->v.oh * g->v.ow;
  const long begin = rows * part / g->parts, end = rows * (part + 1) / g->parts;
  if (begin < end) g->epilogue(g->p, begin, end, mt_part_scratch(g->cx, part));
}

/* Memory for every task, before any of them begins: half a convolution has no other way to go on. */
static int has_room(job *g, long elements) {
  g->bytes = (size_t)elements * sizeof(float);
  for (int part = 0; part < g->parts; ++part) {
    if (mt_part_workspace(g->cx, part, g->bytes) == NULL) return 0;
  }
  return 1;
}

void mt_winograd_run(const mt_winograd_ops *o, mt_context *cx, const long *s, const float *x,
                     const float *w, float *y, mt_kernel epilogue, void *const *p) {
  const long m = mt_winograd_tile(s);
  if (m == 0) {
    mt_conv_run_f32(o->direct, cx, s, x, w, y, epilogue, p);
    return;
  }
  job g = {.o = o, .cx = cx, .v = winograd_of(o, s, m), .which = m == 4, .planes = (m + 2) * (m + 2),
           .x = x, .w = w, .y = y, .epilogue = epilogue, .p = p, .parts = 1};
  const long tiles = g.v.tiles, all = g.planes * v_plane(&g, tiles);
  g.panels = mt_ceil(g.v.oc, o->gemm->nr);
  const double work = (double)tiles * (double)g.planes * (double)g.v.ic * (double)g.v.oc;
  if (work > 2e5) g.parts = mt_parts_for(cx, (long)(work / 1e5), 1);
  if (all * (long)sizeof(float) <= SHARED_BYTES && g.panels >= 2 * g.parts
      && (g.parts > 1 || groups_of(&g, tiles) > 1)) {
    g.shared = mt_shared_workspace(cx, (size_t)all * sizeof(float));
    if (g.shared && has_room(&g, multiply_room(&g, tiles))) {
      mt_run_parts(cx, (int)mt_min(g.parts, tiles), all_tiles, &g);
      mt_run_parts(cx, g.parts, by_panels, &g);
      if (epilogue) mt_run_parts(cx, g.parts, by_rows, &g);
      return;
    }
  }
  g.parts = (int)mt_min(g.parts, tiles);
  const long most = mt_ceil(tiles, g.parts), height = mt_ceil(most, groups_of(&g, most));
  if (has_room(&g, g.planes * v_plane(&g, height) + multiply_room(&g, height))) {
    mt_run_parts(cx, g.parts, by_tiles, &g);
  } else {
    mt_conv_run_f32(o->direct, cx, s, x, w, y, epilogue, p);
  }
}
