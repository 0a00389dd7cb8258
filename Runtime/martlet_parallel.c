/* How emitted schedules run a kernel over its units: a static split among the threads. */
#include "martlet_calls.h"
#include "martlet_context.h"

typedef struct {
  mt_context *cx;
  mt_kernel kernel;
  void *const *const *buffers;
  const long *units;
  long count, total, quantum;
  int parts;
} mt_split;

/* The start of a part; whole quanta keep tiles aligned. */
static long mt_split_start(const mt_split *s, int part) {
  if (part >= s->parts) return s->total;
  long quanta = s->total / s->quantum;
  return (long)((double)quanta * part / s->parts) * s->quantum;
}

static void mt_split_run(void *argument, int part) {
  const mt_split *s = argument;
  long begin = mt_split_start(s, part), end = mt_split_start(s, part + 1), base = 0;
  void *scratch = mt_part_scratch(s->cx, part);
  for (long i = 0; i < s->count && base < end; ++i) {
    long from = begin > base ? begin - base : 0;
    long to = end - base < s->units[i] ? end - base : s->units[i];
    if (from < to) s->kernel(s->buffers[i], from, to, scratch);
    base += s->units[i];
  }
}

void mt_parallel_segments(mt_context *cx, mt_kernel kernel, long count, void *const *const *p,
                          const long *units, long grain) {
  long total = 0;
  for (long i = 0; i < count; ++i) total += units[i];
  if (total <= 0) return;
  const int parts = mt_parts_for(cx, total, grain);
  if (parts == 1) { /* a small step feels a plan */
    void *scratch = mt_part_scratch(cx, 0);
    for (long i = 0; i < count; ++i) {
      if (units[i] > 0) kernel(p[i], 0, units[i], scratch);
    }
    return;
  }
  mt_split s = {cx, kernel, p, units, count, total, grain >= 512 ? 512 : 1, parts};
  mt_run_parts(cx, s.parts, mt_split_run, &s);
}

void mt_parallel(mt_context *cx, mt_kernel kernel, void *const *p, long units, long grain) {
  mt_parallel_segments(cx, kernel, 1, &p, &units, grain);
}
