/* Contexts: threads, tile scratch and workspaces of the library calls (gemm, convolution, windows,
 * gather), which emitted schedules reach through the symbol table like the tile primitives. */
#ifndef MARTLET_RUNTIME_CALLS_H
#define MARTLET_RUNTIME_CALLS_H

#include "martlet_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A context for one caller at a time; NULL when out of memory. Threads start at the first step that
 * needs them; `threads` counts the caller. scratch_bytes is what an emitted kernel may use. */
mt_context *mt_context_create(int threads, size_t scratch_bytes);
/* Stops the threads. NULL is fine. */
void mt_context_destroy(mt_context *cx);
int mt_context_threads(const mt_context *cx);
/* Memory in use for scratch and packing; grows during the first steps, then stays. */
size_t mt_context_workspace_bytes(const mt_context *cx);
/* The workspace of one thread, or with `part` the number of threads, the one that they share. */
size_t mt_context_workspace_of(const mt_context *cx, int part);

/* Around a step, on one thread; may nest. Denormals are zero in between, on every thread, and the
 * caller's floating-point state returns with the last leave. */
void mt_context_enter(mt_context *cx);
void mt_context_leave(mt_context *cx);

/* Observation: schedules that were emitted for it call mt_observe before and after each step.
 * Without a watch that does nothing. */

/* What a thread did for a step, in nanoseconds of the monotonic clock; part 0 is the caller. */
typedef struct {
  long step;
  int part;
  int64_t begin, end;
} mt_timing;

/* Called on the caller's thread before (done = 0) and after (done = 1) a step. */
typedef void (*mt_observer)(void *user, long step, int done);

/* From now on steps are timed, and shown to `observer` (NULL for none). 0 when out of memory. */
int mt_context_watch(mt_context *cx, mt_observer observer, void *user);
/* Moves what was timed since the last call to `spans`; returns how many. The rest is forgotten. */
long mt_context_take_timings(mt_context *cx, mt_timing *spans, long capacity);

/* A kernel was called with a range outside of its units: a defect. Kernels emitted with checks
 * assert it; the first failure of the process is kept. */
typedef struct {
  char kernel[96];
  long begin, end, units;
} mt_range_failure;

/* What such kernels call. */
void mt_check_range(const char *kernel, long begin, long end, long units);
/* 1 and the first failure since the last call, or 0. */
int mt_take_range_failure(mt_range_failure *into);

#ifdef __cplusplus
}
#endif

#endif
