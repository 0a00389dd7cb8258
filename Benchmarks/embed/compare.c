/* Exported LeNet-5 beside the same program that libmartlet.so compiles in process, in turns, on one thread:
 *
 *   compare MODELDIR      the exported scores of an image; infer EXPORTED IN-PROCESS, then train EXPORTED
 *                         IN-PROCESS, in µs
 *
 * Linked with two exported programs, `infer` from MODELDIR and `train` of lenet5 with batches of 32. */
#include <martlet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "infer.h"
#include "train.h"

enum { BATCH = TRAIN_TRAIN_LABELS_COUNT, TURNS = 61 };

_Alignas(64) static char arena[INFER_ARENA_BYTES], state[TRAIN_STATE_BYTES], work[TRAIN_ARENA_BYTES];
_Alignas(64) static float image[INFER_IMAGES_COUNT], scores[INFER_RESULT_COUNT];
_Alignas(64) static float batch[TRAIN_TRAIN_IMAGES_COUNT], logits[INFER_RESULT_COUNT];
static int32_t labels[BATCH];
static infer_context exported;
static train_context trained;
static martlet_session *session, *training;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int exported_run(void) { return infer_run(&exported, image, scores); }
static int session_run(void) { return (int)martlet_run(session); }
static int exported_step(void) {
  float loss;
  return train_train_step(&trained, batch, labels, 1e-4f, &loss);
}
static int session_step(void) {
  double loss;
  return (int)martlet_train_step(training, 1e-4, &loss);
}

/* Medians of runs in turns. */
static int measure(const char *name, int (*a)(void), int (*b)(void), int repeats) {
  static double times[2][TURNS];
  int (*const run[2])(void) = {a, b};
  for (int turn = -3; turn < TURNS; ++turn) {
    for (int which = 0; which < 2; ++which) {
      const double start = now();
      for (int i = 0; i < repeats; ++i)
        if (run[which]() != 0) return 1;
      if (turn >= 0) times[which][turn] = (now() - start) / repeats;
    }
  }
  for (int which = 0; which < 2; ++which) qsort(times[which], TURNS, sizeof(double), ascending);
  printf("%s %.2f %.2f\n", name, times[0][TURNS / 2], times[1][TURNS / 2]);
  return 0;
}

int main(int count, char **arguments) {
  if (count != 2) return 64;
  for (int i = 0; i < INFER_IMAGES_COUNT; ++i) image[i] = (float)(i * 37 % 101) / 50 - 1;
  for (int i = 0; i < TRAIN_TRAIN_IMAGES_COUNT; ++i) batch[i] = (float)(i * 37 % 1013) / 500 - 1;
  for (int i = 0; i < BATCH; ++i) labels[i] = i % 10;
  martlet_model *model = NULL;
  martlet_options options = martlet_default_options();
  options.threads = 1;
  const int64_t one[] = {1, 28, 28, 1}, many[] = {BATCH, 28, 28, 1}, classes[] = {1, 10}, right[] = {BATCH};
  if (infer_init(&exported, arena, sizeof arena) != 0
      || train_init(&trained, state, sizeof state, work, sizeof work) != 0
      || martlet_model_load(arguments[1], &model) != MARTLET_OK
      || martlet_session_create(model, &options, &session) != MARTLET_OK
      || martlet_bind_input(session, "images", image, MARTLET_F32, one, 4) != MARTLET_OK
      || martlet_bind_output(session, "logits", logits, MARTLET_F32, classes, 2) != MARTLET_OK) {
    fprintf(stderr, "%s\n", martlet_last_error());
    return 1;
  }
  options.batch = BATCH;
  if (martlet_training_create(model, &options, &training) != MARTLET_OK
      || martlet_bind_input(training, "images", batch, MARTLET_F32, many, 4) != MARTLET_OK
      || martlet_bind_input(training, "labels", labels, MARTLET_I32, right, 1) != MARTLET_OK) {
    fprintf(stderr, "%s\n", martlet_last_error());
    return 1;
  }
  /* The same function on both sides. */
  if (exported_run() != 0 || session_run() != 0) return 1;
  for (int c = 0; c < INFER_RESULT_COUNT; ++c) {
    const float difference = scores[c] - logits[c];
    if (!(difference < 1e-4f && difference > -1e-4f)) {
      fprintf(stderr, "class %d: %g exported, %g in process\n", c, (double)scores[c], (double)logits[c]);
      return 1;
    }
  }
  printf("scores");
  for (int c = 0; c < INFER_RESULT_COUNT; ++c) printf(" %.7g", (double)scores[c]);
  printf("\n");
  return measure("infer", exported_run, session_run, 200) != 0
      || measure("train", exported_step, session_step, 5) != 0;
}
