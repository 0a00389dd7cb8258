/* Watching a context's steps. Nothing here runs unless the emitted text calls mt_observe. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "martlet_watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A part that did more in one run is cut off there. */
enum { MT_TIMINGS = 16384 };

typedef struct {
  mt_timing *timings;
  long count;
} mt_part_timings;

struct mt_watch {
  mt_observer observer;
  void *user;
  long step;
  int64_t begin;
  int parts;
  mt_part_timings lists[];
};

int64_t mt_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

mt_watch *mt_watch_create(int parts, mt_observer observer, void *user) {
  mt_watch *watch = calloc(1, sizeof *watch + (size_t)parts * sizeof(mt_part_timings));
  if (watch == NULL) return NULL;
  watch->observer = observer;
  watch->user = user;
  watch->parts = parts;
  for (int i = 0; i < parts; ++i) {
    watch->lists[i].timings = malloc(MT_TIMINGS * sizeof(mt_timing));
    if (watch->lists[i].timings == NULL) {
      mt_watch_destroy(watch);
      return NULL;
    }
  }
  return watch;
}

void mt_watch_destroy(mt_watch *watch) {
  if (watch == NULL) return;
  for (int i = 0; i < watch->parts; ++i) free(watch->lists[i].timings);
  free(watch);
}

void mt_watch_note(mt_watch *watch, int part, int64_t begin) {
  mt_part_timings *list = &watch->lists[part];
  if (list->count >= MT_TIMINGS) return;
  const mt_timing span = {watch->step, part, begin, mt_nanoseconds()};
  list->timings[list->count++] = span;
}

void mt_watch_observe(mt_watch *watch, long step, int done) {
  if (done) mt_watch_note(watch, 0, watch->begin);
  watch->step = step;
  if (watch->observer != NULL) watch->observer(watch->user, step, done);
  if (!done) watch->begin = mt_nanoseconds();
}

long mt_watch_take(mt_watch *watch, mt_timing *timings, long capacity) {
  long taken = 0;
  for (int i = 0; i < watch->parts; ++i) {
    mt_part_timings *list = &watch->lists[i];
    const long count = list->count < capacity - taken ? list->count : capacity - taken;
    if (count > 0) memcpy(timings + taken, list->timings, (size_t)count * sizeof *timings);
    taken += count > 0 ? count : 0;
    list->count = 0;
  }
  return taken;
}

/* MARK: asserted ranges */

/* Kernels know no context: the first failure of the process is kept until somebody takes it. */
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;
static mt_range_failure failure;

void mt_check_range(const char *kernel, long begin, long end, long units) {
  if (begin >= 0 && begin <= end && end <= units) return;
  pthread_mutex_lock(&failure_lock);
  if (failure.kernel[0] == 0) {
    strncpy(failure.kernel, kernel, sizeof failure.kernel - 1);
    failure.begin = begin;
    failure.end = end;
    failure.units = units;
  }
  pthread_mutex_unlock(&failure_lock);
}

int mt_take_range_failure(mt_range_failure *into) {
  pthread_mutex_lock(&failure_lock);
  const int failed = failure.kernel[0] != 0;
  if (failed) {
    *into = failure;
    failure.kernel[0] = 0;
  }
  pthread_mutex_unlock(&failure_lock);
  return failed;
}
