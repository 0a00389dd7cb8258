/* What the contractions share: the kernels of one instruction set and element type, behind pointers.
 *
 * Bits. Each output is the sum, in order, of the sums of its blocks of `kc` products; within a block
 * the chain starts at +0 and takes one v_fma for each k, ascending. Nothing else about the way taken
 * (tile heights, packing, threads, edges) can be seen in a result. */
#ifndef MARTLET_GEMM_H
#define MARTLET_GEMM_H

#include "martlet_compiler.h"
#include "martlet_context.h"

#define MT_GEMM_OPS(E, SUFFIX)                                                                     \
  typedef struct {                                                                                 \
    long mr, nr, vl; /* the tile, and the lanes of a vector */                                     \
    long kc;         /* products in a block: part of the bits */                                   \
    int masked;      /* B may be read where it lies although n is no multiple of vl */             \
    /* c[m, n] = (or +=, if accumulate) a · b, one block of k. Column panel j of b begins at       \
     * b + j * b_panel and has rows b_k apart. If `packed` is not NULL it has room for m * k + nr  \
     * elements and A goes through it; otherwise a_row or a_k must be 1. */                        \
    void (*block)(E *c, long c_row, long m, long n, long k, const E *a, long a_row, long a_k,      \
                  const E *b, long b_panel, long b_k, int accumulate, E *packed);                  \
    /* B[k, n] as panels of nr columns, each k * nr elements, the last one padded with zeros. */   \
    void (*pack_b)(E *packed, const E *b, long b_row, long b_col, long k, long n);                 \
    /* c = a · b with no memory of its own and any strides: for when there is none, and for tests. */ \
    void (*naive)(E *c, long c_row, long m, long n, long k, const E *a, long a_row, long a_k,      \
                  const E *b, long b_row, long b_col);                                             \
    /* `count` runs of `run` elements, in ascending order; each may be written one vector past its \
     * end. */                                                                                     \
    void (*copy_runs)(E *to, long to_step, const E *from, long from_step, long run, long count);   \
    /* y[c] = sum over rows r, columns q of x[r, q, c] * w[r, q, c]: one pixel, all channels. */   \
    void (*pixel)(E *y, const E *x, long x_row, long x_column, const E *w, long w_row,             \
                  long w_column, long rows, long columns, long channels);                          \
    /* y[c] += sum over i of x[i, c] * z[i, c]. */                                                 \
    void (*along)(E *y, const E *x, long x_step, const E *z, long z_step, long count,              \
                  long channels);                                                                  \
  } mt_gemm_ops_##SUFFIX;

MT_GEMM_OPS(float, f32)
MT_GEMM_OPS(double, f64)

#define MT_GEMM_DECLARE(isa)                    \
  extern const mt_gemm_ops_f32 mt_gemm_ops_f32_##isa; \
  extern const mt_gemm_ops_f64 mt_gemm_ops_f64_##isa;
MT_GEMM_DECLARE(baseline)
MT_GEMM_DECLARE(avx2)
MT_GEMM_DECLARE(avx512)
MT_GEMM_DECLARE(neon)

static inline long mt_min(long a, long b) { return a < b ? a : b; }
static inline long mt_max(long a, long b) { return a > b ? a : b; }
static inline long mt_ceil(long a, long b) { return (a + b - 1) / b; }

#endif
