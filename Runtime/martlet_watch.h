/* Watching a context's steps: what each thread did and when, for profiles and checks. */
#ifndef MARTLET_WATCH_H
#define MARTLET_WATCH_H

#include "martlet_runtime.h"

typedef struct mt_watch mt_watch;

/* NULL when out of memory. */
mt_watch *mt_watch_create(int parts, mt_observer observer, void *user);
void mt_watch_destroy(mt_watch *watch);

/* Nanoseconds of the monotonic clock. */
int64_t mt_nanoseconds(void);

/* Part `part` worked from `begin` to now. Each part writes to a list of its own. */
void mt_watch_note(mt_watch *watch, int part, int64_t begin);

/* Before (done = 0) and after (done = 1) a step, on the caller. */
void mt_watch_observe(mt_watch *watch, long step, int done);

/* Moves what was noted to `timings`, at most `capacity`, and forgets the rest. */
long mt_watch_take(mt_watch *watch, mt_timing *timings, long capacity);

#endif
