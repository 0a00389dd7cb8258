/* Threads for compiled steps: a small pool with a static split, no queue and no stealing.
 *
 * Every worker has a mailbox of its own. The caller fills the mailboxes of the workers that a call
 * needs, runs part 0 itself and waits for the rest; workers that are not needed are not disturbed.
 * Inside a step a worker spins on its mailbox for at most 50 µs before it sleeps on its condition
 * variable; outside a step it sleeps at once. Part i always goes to thread i, so that a range of an
 * array stays in the cache of the core that wrote it. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "martlet_context.h"
#include "martlet_float_state.h"
#include "martlet_watch.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>


enum { MT_LINE = 64, MT_SPIN_NANOSECONDS = 50000, MT_MAX_THREADS = 256, MT_LARGE_PAGE = 2 << 20 };

typedef struct {
  char *base; /* as allocated */
  size_t bytes;
} mt_block;

typedef struct {
  _Alignas(MT_LINE) atomic_uint posted;  /* counts jobs put into this mailbox */
  atomic_uint finished;                  /* counts jobs done */
  atomic_int sleeping;
  int nudged;                            /* under the mutex: wake and spin, no job yet */
  mt_task task;
  void *argument;
  int part;
  int started;
  atomic_int stop;
  mt_context *owner;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
} mt_worker;

struct mt_context {
  int threads;
  int depth;                /* enter calls not yet left */
  atomic_int in_step;       /* read by workers: spin, or sleep at once? */
  unsigned fork_generation; /* of the process that started the workers */
  int workers_started;
  unsigned saved_float_state;
  size_t scratch_bytes;
  mt_block scratch;
  mt_block *workspaces;     /* one a part, then the shared one */
  mt_worker *workers;       /* [threads], index 0 unused */
  void *workers_base;
  mt_watch *watch;          /* NULL unless steps are observed */
};

static void mt_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

/* MARK: fork */

static atomic_uint mt_fork_generation;
static pthread_once_t mt_fork_once = PTHREAD_ONCE_INIT;

static void mt_after_fork_in_child(void) { atomic_fetch_add(&mt_fork_generation, 1); }

static void mt_watch_forks(void) { (void)pthread_atfork(NULL, NULL, mt_after_fork_in_child); }

/* MARK: memory */

static void *mt_aligned(const mt_block *block) {
  uintptr_t address = ((uintptr_t)block->base + MT_LINE - 1) & ~(uintptr_t)(MT_LINE - 1);
  return (void *)address;
}

static int mt_grow(mt_block *block, size_t bytes) {
  if (bytes <= block->bytes) return 1;
  if (bytes > SIZE_MAX / 2) return 0;
  /* Packed panels are read from end to end again and again: large pages save the address lookups. */
  const size_t page = bytes >= MT_LARGE_PAGE / 2 ? MT_LARGE_PAGE : MT_LINE;
  const size_t whole = (bytes + page - 1) / page * page;
  char *base = aligned_alloc(page, whole);
  if (base == NULL) return 0;
#if defined(MADV_HUGEPAGE)
  if (page == MT_LARGE_PAGE) (void)madvise(base, whole, MADV_HUGEPAGE);
#endif
  free(block->base);
  block->base = base;
  block->bytes = bytes;
  return 1;
}

void *mt_part_workspace(mt_context *cx, int part, size_t bytes) {
  return mt_grow(&cx->workspaces[part], bytes) ? mt_aligned(&cx->workspaces[part]) : NULL;
}

void *mt_shared_workspace(mt_context *cx, size_t bytes) {
  return mt_part_workspace(cx, cx->threads, bytes);
}

void *mt_part_scratch(const mt_context *cx, int part) {
  return (char *)mt_aligned(&cx->scratch) + (size_t)part * cx->scratch_bytes;
}

size_t mt_context_workspace_bytes(const mt_context *cx) {
  size_t total = cx->scratch_bytes * (size_t)cx->threads;
  for (int i = 0; i <= cx->threads; ++i) total += cx->workspaces[i].bytes;
  return total;
}

size_t mt_context_workspace_of(const mt_context *cx, int part) {
  return part < 0 || part > cx->threads ? 0 : cx->workspaces[part].bytes;
}

/* MARK: workers */

static int mt_spin_for_job(mt_worker *w, unsigned seen) {
  int64_t deadline = 0;
  while (atomic_load_explicit(&w->owner->in_step, memory_order_relaxed)) {
    for (int i = 0; i < 64; ++i) {
      if (atomic_load_explicit(&w->posted, memory_order_acquire) != seen) return 1;
      mt_pause();
    }
    int64_t now = mt_nanoseconds();
    if (deadline == 0) deadline = now + MT_SPIN_NANOSECONDS;
    if (now >= deadline) return 0;
  }
  return atomic_load_explicit(&w->posted, memory_order_acquire) != seen;
}

static void mt_sleep_for_job(mt_worker *w, unsigned seen) {
  pthread_mutex_lock(&w->mutex);
  /* Before the last look: the poster looks in the other order. An exchange, because a store before a
   * load keeps its place only where both are sequentially consistent, and an emulator (qemu-user 7)
   * gives AArch64's store-release and load-acquire no such order on x86: a lost wake-up there. */
  (void)atomic_exchange(&w->sleeping, 1);
  while (atomic_load(&w->posted) == seen && !w->nudged) pthread_cond_wait(&w->wake, &w->mutex);
  w->nudged = 0;
  atomic_store(&w->sleeping, 0);
  pthread_mutex_unlock(&w->mutex);
}

static void *mt_worker_main(void *argument) {
  mt_worker *w = argument;
  unsigned seen = 0;
  mt_set_float_state(mt_flushing(mt_float_state()));
  for (;;) {
    while (!mt_spin_for_job(w, seen)) mt_sleep_for_job(w, seen);
    seen += 1;
    if (atomic_load_explicit(&w->stop, memory_order_relaxed)) return NULL;
    mt_watch *watch = w->owner->watch;
    const int64_t begin = watch ? mt_nanoseconds() : 0;
    w->task(w->argument, w->part);
    if (watch) mt_watch_note(watch, w->part, begin);
    atomic_store_explicit(&w->finished, seen, memory_order_release);
  }
}

static void mt_post(mt_worker *w) {
  atomic_fetch_add(&w->posted, 1);
  if (atomic_load(&w->sleeping)) {
    pthread_mutex_lock(&w->mutex);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
  }
}

/* Signals stay with the program's own threads. */
static int mt_start_worker(mt_worker *w) {
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return 0;
  int started = pthread_create(&w->thread, NULL, mt_worker_main, w) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

/* Makes the threads at first use, and again in the child of a fork, which has none of them. */
static void mt_ensure_workers(mt_context *cx) {
  unsigned generation = atomic_load_explicit(&mt_fork_generation, memory_order_relaxed);
  if (cx->workers_started && cx->fork_generation == generation) return;
  cx->fork_generation = generation;
  cx->workers_started = 1;
  for (int i = 1; i < cx->threads; ++i) {
    mt_worker *w = &cx->workers[i];
    memset(w, 0, sizeof *w);
    atomic_init(&w->posted, 0);
    atomic_init(&w->finished, 0);
    atomic_init(&w->sleeping, 0);
    atomic_init(&w->stop, 0);
    w->owner = cx;
    w->part = i;
    if (pthread_mutex_init(&w->mutex, NULL) != 0) continue;
    if (pthread_cond_init(&w->wake, NULL) != 0) continue;
    w->started = mt_start_worker(w); /* a thread that cannot start leaves its parts to the caller */
  }
}

void mt_run_parts(mt_context *cx, int parts, mt_task task, void *argument) {
  if (parts <= 1) {
    task(argument, 0);
    return;
  }
  mt_ensure_workers(cx);
  for (int i = 1; i < parts; ++i) {
    mt_worker *w = &cx->workers[i];
    if (!w->started) continue;
    w->task = task;
    w->argument = argument;
    mt_post(w);
  }
  task(argument, 0);
  for (int i = 1; i < parts; ++i) {
    mt_worker *w = &cx->workers[i];
    if (!w->started) {
      task(argument, i);
      continue;
    }
    unsigned target = atomic_load_explicit(&w->posted, memory_order_relaxed);
    for (unsigned spins = 1;
         atomic_load_explicit(&w->finished, memory_order_acquire) != target; ++spins) {
      mt_pause();
      /* More threads than cores: let the worker have this one. */
      if (spins % 2048 == 0) sched_yield();
    }
  }
}

int mt_parts_for(const mt_context *cx, long units, long grain) {
  long parts = grain > 1 ? units / grain : units;
  if (parts > cx->threads) parts = cx->threads;
  return parts < 1 ? 1 : (int)parts;
}

/* MARK: life */

mt_context *mt_context_create(int threads, size_t scratch_bytes) {
  (void)pthread_once(&mt_fork_once, mt_watch_forks);
  if (threads < 1) threads = 1;
  if (threads > MT_MAX_THREADS) threads = MT_MAX_THREADS;
  if (scratch_bytes > (SIZE_MAX >> 1) / MT_MAX_THREADS) return NULL;
  mt_context *cx = calloc(1, sizeof *cx);
  if (cx == NULL) return NULL;
  cx->threads = threads;
  cx->scratch_bytes = (scratch_bytes + MT_LINE - 1) / MT_LINE * MT_LINE;
  cx->workspaces = calloc((size_t)threads + 1, sizeof *cx->workspaces);
  cx->workers_base = calloc(1, sizeof(mt_worker) * (size_t)threads + MT_LINE);
  if (cx->workspaces == NULL || cx->workers_base == NULL
      || !mt_grow(&cx->scratch, cx->scratch_bytes * (size_t)threads + MT_LINE)) {
    mt_context_destroy(cx);
    return NULL;
  }
  mt_block workers = {cx->workers_base, 0};
  cx->workers = mt_aligned(&workers);
  atomic_init(&cx->in_step, 0);
  return cx;
}

void mt_context_destroy(mt_context *cx) {
  if (cx == NULL) return;
  unsigned generation = atomic_load_explicit(&mt_fork_generation, memory_order_relaxed);
  if (cx->workers_started && cx->fork_generation == generation) {
    for (int i = 1; i < cx->threads; ++i) {
      mt_worker *w = &cx->workers[i];
      if (!w->started) continue;
      atomic_store(&w->stop, 1);
      mt_post(w);
      pthread_join(w->thread, NULL);
      pthread_mutex_destroy(&w->mutex);
      pthread_cond_destroy(&w->wake);
    }
  }
  if (cx->workspaces != NULL) {
    for (int i = 0; i <= cx->threads; ++i) free(cx->workspaces[i].base);
  }
  mt_watch_destroy(cx->watch);
  free(cx->workspaces);
  free(cx->workers_base);
  free(cx->scratch.base);
  free(cx);
}

int mt_context_threads(const mt_context *cx) { return cx->threads; }

void mt_context_enter(mt_context *cx) {
  if (cx->depth++ != 0) return;
  unsigned state = mt_float_state();
  cx->saved_float_state = state;
  mt_set_float_state(mt_flushing(state));
  if (cx->threads == 1) return;
  mt_ensure_workers(cx);
  atomic_store(&cx->in_step, 1);
  /* Waking takes longer than a kernel: a nudge now has the workers spinning by the first job. */
  for (int i = 1; i < cx->threads; ++i) {
    mt_worker *w = &cx->workers[i];
    if (!w->started || !atomic_load(&w->sleeping)) continue;
    pthread_mutex_lock(&w->mutex);
    w->nudged = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
  }
}

void mt_context_leave(mt_context *cx) {
  if (--cx->depth != 0) return;
  mt_set_float_state(cx->saved_float_state);
  if (cx->threads > 1) atomic_store(&cx->in_step, 0);
}

int mt_context_watch(mt_context *cx, mt_observer observer, void *user) {
  mt_watch_destroy(cx->watch);
  cx->watch = mt_watch_create(cx->threads, observer, user);
  return cx->watch != NULL;
}

long mt_context_take_timings(mt_context *cx, mt_timing *spans, long capacity) {
  return cx->watch ? mt_watch_take(cx->watch, spans, capacity) : 0;
}

/* MARK: what emitted schedules call */

void mt_observe(mt_context *cx, long step, int done) {
  if (cx->watch) mt_watch_observe(cx->watch, step, done);
}
