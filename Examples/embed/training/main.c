/* Trains LeNet-5 on the device: forward, backward and Adam are exported C. Every 20 steps the state goes into a file;
 * killed at any moment, the next start goes on from there.
 *
 *     training IMAGES.gz LABELS.gz STATE STEPS */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "lenet5.h"
#include "martlet_file.h"

enum { PIXELS = 28 * 28, BATCH = LENET5_TRAIN_LABELS_COUNT, SAVE_EVERY = 20, TESTED = 500 };

_Alignas(64) static char state[LENET5_STATE_BYTES], saved[LENET5_STATE_BYTES], arena[LENET5_ARENA_BYTES];
static unsigned char pixels[4000 * PIXELS], labels[4000];

/* The elements of an IDX file behind its header; how many bytes there were. */
static int read_idx(const char *path, int header, unsigned char *to, int room) {
  char skipped[16];
  gzFile file = gzopen(path, "rb");
  if (file == NULL) return 0;
  int count = gzread(file, skipped, (unsigned)header) == header ? gzread(file, to, (unsigned)room) : 0;
  gzclose(file);
  return count > 0 ? count : 0;
}

static void fill(float *images, int32_t *classes, int image, int place) {
  for (int i = 0; i < PIXELS; ++i) {
    images[place * PIXELS + i] = ((float)pixels[image * PIXELS + i] / 255 - 0.13f) / 0.31f;
  }
  classes[place] = labels[image];
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: training IMAGES.gz LABELS.gz STATE STEPS\n");
    return 64;
  }
  const int images_read = read_idx(arguments[1], 16, pixels, (int)sizeof pixels) / PIXELS;
  const int samples = read_idx(arguments[2], 8, labels, (int)sizeof labels);
  if (images_read < samples || samples <= TESTED + BATCH) {
    fprintf(stderr, "%s: no digits\n", arguments[1]);
    return 1;
  }
  static float batch[LENET5_TRAIN_IMAGES_COUNT], image[LENET5_IMAGES_COUNT];
  int32_t classes[BATCH];
  lenet5_context model;
  int status = lenet5_init(&model, state, sizeof state, arena, sizeof arena);
  size_t bytes;
  if (status == 0 && martlet_file_read(arguments[3], saved, sizeof saved, &bytes) == 0) {
    status = lenet5_load(&model, saved, bytes);
    if (status == 0) printf("resumed after step %llu\n", (unsigned long long)lenet5_steps(&model));
  }
  const uint64_t stop = strtoull(arguments[4], NULL, 10);
  const int trained = samples - TESTED;
  float loss = 0;
  while (status == 0 && lenet5_steps(&model) < stop) {
    const uint64_t step = lenet5_steps(&model);
    for (int i = 0; i < BATCH; ++i) {
      fill(batch, classes, (int)((step * BATCH + (uint64_t)i) * 7919 % (uint64_t)trained), i);
    }
    status = lenet5_train_step(&model, batch, classes, 0.001f, &loss);
    const uint64_t done = lenet5_steps(&model);
    if (status == 0 && (done % SAVE_EVERY == 0 || done == stop)) {
      status = lenet5_save(&model, saved, sizeof saved);
      const int error = martlet_file_write(arguments[3], saved, sizeof saved);
      if (error != 0) fprintf(stderr, "%s: error %d\n", arguments[3], error);
    }
    if (done % 100 == 0) {
      printf("step %llu  loss %.4f\n", (unsigned long long)done, (double)loss);
      fflush(stdout);
    }
  }
  int right = 0;
  for (int i = trained; i < samples && status == 0; ++i) {
    float scores[LENET5_RESULT_COUNT];
    int32_t truth, best = 0;
    fill(image, &truth, i, 0);
    truth = labels[i];
    status = lenet5_run(&model, image, scores);
    for (int c = 1; c < LENET5_RESULT_COUNT; ++c) {
      if (scores[c] > scores[best]) best = c;
    }
    right += best == truth;
  }
  if (status != 0) {
    fprintf(stderr, "%s\n", lenet5_message(status));
    return 1;
  }
  printf("accuracy on %d digits kept apart: %.1f %%\n", TESTED, 100.0 * right / TESTED);
  return right < TESTED * 8 / 10;
}
