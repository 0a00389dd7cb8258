/* Winograd's minimal filtering F(m×m, 3×3), m = 2 or 4: a tile of m × m outputs from (m + 2)² products
 * instead of 9 m². Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
 *
 * Bits depend on the shape and the instruction set: the tile is chosen from the shape, each product
 * sums blocks of MT_WINOGRAD_KC channels in ascending order (martlet_gemm.h), and the transforms have
 * one order. Where groups of tiles, panels and threads begin cannot be seen in a result. */
#ifndef MARTLET_WINOGRAD_H
#define MARTLET_WINOGRAD_H

#include "martlet_conv.h"
#include "martlet_gemm.h"

enum { MT_WINOGRAD_KC = 128 };

/* A 3×3 convolution, one step at a time in both directions. */
typedef struct {
  long n, ih, iw, ic, oh, ow, oc, pt, pl;
  long m, th, tw; /* outputs along a tile's side; tiles along an image's sides */
  long tiles;     /* of all images */
  long row;       /* elements from one tile's channels to the next tile's: ic, padded */
} mt_winograd;

/* What each instruction set brings; index 0 is m = 2, index 1 is m = 4. P = (m + 2)² planes. */
typedef struct {
  const mt_gemm_ops_f32 *gemm;
  const mt_conv_ops_f32 *direct; /* for what Winograd's way is not */
  /* Filter elements [3][3][count][columns ≤ nr], taps `tap` and channels `row` apart, to planes of
   * [count][nr], `plane` apart, columns padded with zeros. */
  void (*filter[2])(float *u, long plane, long nr, const float *w, long tap, long row, long count,
                    long columns);
  /* Tiles [begin, end) of x, all channels, to planes of [tiles][row]. */
  void (*input[2])(const mt_winograd *v, const float *x, long begin, long end, float *to, long plane);
  /* Tiles [begin, end) from planes of [tiles][step] to channels [first, first + count) of y. */
  void (*output[2])(const mt_winograd *v, const float *from, long plane, long step, long begin, long end,
                    float *y, long first, long count);
} mt_winograd_ops;

extern const mt_winograd_ops mt_winograd_ops_baseline, mt_winograd_ops_avx2, mt_winograd_ops_avx512,
    mt_winograd_ops_neon;

/* 2 or 4, or 0 where the direct way is better or the only one; g as for a convolution. */
long mt_winograd_tile(const long *g);
/* A convolution; mt_conv_run_f32 where mt_winograd_tile says 0, and when memory is out. */
void mt_winograd_run(const mt_winograd_ops *o, mt_context *cx, const long *g, const float *x,
                     const float *w, float *y, mt_kernel epilogue, void *const *p);

#endif
