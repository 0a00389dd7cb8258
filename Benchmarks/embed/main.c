/* Times one exported program: TRAIN or inference of the model PREFIX (see speed.py). Prints the median and the
 * quartiles of a call, in microseconds. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void *block(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
  if (p == NULL) exit(2);
  memset(p, 0, (bytes + 127) / 64 * 64);
  return p;
}

int main(int count, char **arguments) {
  const double seconds = count > 1 ? atof(arguments[1]) : 1;
  model_context model;
  void *arena = block(MODEL_ARENA_BYTES);
#ifdef TRAIN
  int status = model_init(&model, block(MODEL_STATE_BYTES), MODEL_STATE_BYTES, arena, MODEL_ARENA_BYTES);
  float *x = block(sizeof(float) * MODEL_TRAIN_IMAGES_COUNT), loss = 0;
  int32_t *labels = block(sizeof(int32_t) * MODEL_TRAIN_LABELS_COUNT);
  const size_t size = MODEL_TRAIN_IMAGES_COUNT;
  for (size_t i = 0; i < MODEL_TRAIN_LABELS_COUNT; ++i) labels[i] = (int32_t)(i % 10);
#else
  int status = model_init(&model, arena, MODEL_ARENA_BYTES);
  float *x = block(sizeof(float) * INPUT_COUNT), *y = block(sizeof(float) * OUTPUT_COUNT);
  const size_t size = INPUT_COUNT;
#endif
  if (status != 0) return status;
  unsigned seed = 1;
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 24);
  }
  enum { MOST = 200000 };
  static double times[MOST];
  size_t calls = 0;
  const double start = now();
  for (double begin = start, end; begin < start + seconds * 1e6 && calls < MOST; begin = end) {
#ifdef TRAIN
    status = model_train_step(&model, x, labels, 0.01f, &loss);
#else
    status = model_run(&model, x, y);
#endif
    end = now();
    if (status != 0) return status;
    times[calls++] = end - begin;
  }
  qsort(times, calls, sizeof *times, compare);
  printf("%.3f %.3f %.3f\n", times[calls / 2], times[calls / 4], times[calls * 3 / 4]);
  return 0;
}
