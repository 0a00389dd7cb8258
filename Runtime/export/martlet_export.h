/* What an exported program's header has of the runtime: its types, its scalar functions, and the context of a call. */
#include <stddef.h>
#include <stdint.h>

#include "martlet_runtime.h"
#include "martlet_math.h"

/* Threads that a call may use, the caller included: -DMARTLET_THREADS=4. Without, no thread is ever made. */
#ifndef MARTLET_THREADS
#define MARTLET_THREADS 1
#endif

#if MARTLET_THREADS > 1
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* A thread lives as long as a call: it costs some ten microseconds, and nothing is left behind. */
typedef struct {
  mt_context *cx;
  int part;
  pthread_t thread;
} mt_export_worker;
#endif

/* The memory of one call, all of it the caller's. */
struct mt_context {
#if MARTLET_THREADS > 1
  mt_export_worker workers[MARTLET_THREADS];
  atomic_uint posted; /* counts jobs */
  atomic_int pending; /* workers that have yet to see the last one */
  void (*task)(void *argument, int part);
  void *argument;
  int parts; /* 0: no more jobs */
#endif
  int threads;
  char *scratch, *workspace, *shared;
  size_t scratch_bytes, workspace_bytes, shared_bytes; /* the first two for each thread */
  unsigned float_state;
};

/* Around a call: in between denormals are zero; the caller's floating-point state returns. */
void mt_context_enter(mt_context *cx);
void mt_context_leave(mt_context *cx);
