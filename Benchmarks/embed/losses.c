/* Losses of 100 training steps of an exported model, whose names begin with `model`, as hexadecimal numbers:
 *
 *   losses              of the exported program
 *   losses MODELDIR     beside those of the program that libmartlet.so compiles in process, with the largest
 *                       difference as the last line; only where it was built with -DIN_PROCESS
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

#ifdef IN_PROCESS
#include <martlet.h>
#endif

enum { STEPS = 100, BATCH = MODEL_TRAIN_LABELS_COUNT, PIXELS = MODEL_TRAIN_IMAGES_COUNT / BATCH };

_Alignas(64) static char state[MODEL_STATE_BYTES], arena[MODEL_ARENA_BYTES];
_Alignas(64) static float images[MODEL_TRAIN_IMAGES_COUNT];
static int32_t labels[BATCH];

/* A batch that is the same everywhere: ten patterns with noise, by a generator of 32 bits. */
static void next_batch(int step) {
  uint32_t random = 2463534242u + (uint32_t)step;
  for (int b = 0; b < BATCH; ++b) {
    labels[b] = (b * 7 + step * 3) % 10;
    for (int i = 0; i < PIXELS; ++i) {
      random ^= random << 13;
      random ^= random >> 17;
      random ^= random << 5;
      const float noise = (float)(random >> 8) / 16777216.0f - 0.5f;
      images[b * PIXELS + i] = (i * (labels[b] + 3) / 17 % 5 == 0 ? 1.0f : -0.25f) + noise;
    }
  }
}

int main(int count, char **arguments) {
  model_context model;
  if (model_init(&model, state, sizeof state, arena, sizeof arena) != 0) return 1;
  double worst = 0;
#ifdef IN_PROCESS
  martlet_model *loaded = NULL;
  martlet_session *training = NULL;
  martlet_options options = martlet_default_options();
  options.threads = 1;
  options.batch = BATCH;
  options.optimizer = "adam";
  const int64_t in[] = {BATCH, 28, 28, 1}, right[] = {BATCH};
  if (count != 2 || martlet_model_load(arguments[1], &loaded) != MARTLET_OK
      || martlet_training_create(loaded, &options, &training) != MARTLET_OK
      || martlet_bind_input(training, "images", images, MARTLET_F32, in, 4) != MARTLET_OK
      || martlet_bind_input(training, "labels", labels, MARTLET_I32, right, 1) != MARTLET_OK) {
    fprintf(stderr, "%s\n", martlet_last_error());
    return 1;
  }
#else
  (void)count;
  (void)arguments;
#endif
  for (int step = 0; step < STEPS; ++step) {
    float loss = NAN;
    next_batch(step);
    if (model_train_step(&model, images, labels, 1e-3f, &loss) != 0) return 1;
#ifdef IN_PROCESS
    double other = NAN;
    if (martlet_train_step(training, 1e-3, &other) != MARTLET_OK) return 1;
    const double difference = fabs((double)loss - other);
    if (!(difference <= worst)) worst = difference;
#endif
    printf("%a\n", (double)loss);
  }
  if (count == 2) printf("%.1e\n", worst);
  return 0;
}
