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

/* Around a step, on one thread; may nest. Denormals are zero in between, on every thread, and the
 * caller's floating-point state returns with the last leave. */
void mt_context_enter(mt_context *cx);
void mt_context_leave(mt_context *cx);

#ifdef __cplusplus
}
#endif

#endif
