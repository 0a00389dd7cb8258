/* Threads, scratch and workspaces: what the runtime's own calls need beyond the public header. */
#ifndef MARTLET_CONTEXT_H
#define MARTLET_CONTEXT_H

#include <stddef.h>

#include "martlet_runtime.h"

/* One of the parts of a parallel call. Part 0 runs on the caller. */
typedef void (*mt_task)(void *argument, int part);

/* Runs task(argument, 0 … parts-1), each part on a thread of its own; returns when all are done.
 * `parts` must not exceed mt_context_threads. Results must not depend on which thread runs what. */
void mt_run_parts(mt_context *cx, int parts, mt_task task, void *argument);

/* How many parts `units` of work are worth, at least `grain` units each. */
int mt_parts_for(const mt_context *cx, long units, long grain);

/* The tile scratch that emitted kernels get when they run in `part`. */
void *mt_part_scratch(const mt_context *cx, int part);

/* At least `bytes` of 64-byte aligned memory that belongs to `part`; its contents last until the
 * next call for the same part. Grows when needed, so that a repeated step allocates nothing.
 * NULL when memory is out: callers then take a path that needs none. */
void *mt_part_workspace(mt_context *cx, int part, size_t bytes);

/* The same, for what the caller shares with all parts. */
void *mt_shared_workspace(mt_context *cx, size_t bytes);

#endif
