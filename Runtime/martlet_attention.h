/* Scaled dot-product attention: what a call is told of its operands. */
#ifndef MARTLET_ATTENTION_H
#define MARTLET_ATTENTION_H

#include <math.h>
#include <string.h>

#include "martlet_calls.h"
#include "martlet_context.h"
#include "martlet_gemm.h"

/* Element (b, h, t, d) of an operand lies at offset + b * batch + h * head + t * row + d. */
typedef struct {
  long offset, batch, head, row;
} mt_attention_view;

/* The table of a call, as Sources/MartletOps/Attention/AttentionGeometry.swift writes it. */
typedef struct {
  long batches, heads, kv_heads; /* heads is a multiple of kv_heads */
  long queries, keys, width;
  long causal; /* 0: all keys; 1: key <= query; 2: the last query sees the last key */
  long masked; /* 0: no mask; 1: bytes, 0 hides a key; 2: elements that are added to the scores */
  long mask_batch, mask_head, mask_query, mask_key;
  long has_lengths; /* keys of each batch that count, clamped to 0 ... keys */
  long chunks;      /* of the keys, in the gradient: part of the bits */
  long scale;       /* the bits of a double */
  mt_attention_view q, k, v, o, dq, dk, dv;
} mt_attention;

static inline double mt_attention_scale(const mt_attention *a) {
  double scale;
  memcpy(&scale, &a->scale, sizeof scale);
  return scale;
}

/* The keys of batch b that count. */
static inline long mt_attention_length(const mt_attention *a, const int *lengths, long b) {
  return a->has_lengths ? mt_max(0, mt_min(lengths[b], a->keys)) : a->keys;
}

/* How many keys query t sees of `length`: those below. Ascends with t. */
static inline long mt_attention_limit(const mt_attention *a, long length, long t) {
  if (a->causal == 0) return length;
  const long shift = a->causal == 2 ? length - a->queries : 0;
  return mt_max(0, mt_min(length, t + 1 + shift));
}

/* The first query that sees key j, or the number of queries. */
static inline long mt_attention_first(const mt_attention *a, long length, long j) {
  if (a->causal == 0) return 0;
  const long shift = a->causal == 2 ? length - a->queries : 0;
  return mt_max(0, mt_min(a->queries, j - shift));
}

#endif
