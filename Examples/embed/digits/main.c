/* Says which digit each PNG file shows, with an exported LeNet-5: no library but libpng. */
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet5.h"

_Alignas(64) static char arena[LENET5_ARENA_BYTES];

/* The picture as the model takes it: 28 × 28 shades of grey, 0 to 1 scaled as in training. 0 if it is none. */
static int read_image(const char *path, float *images) {
  png_image png;
  unsigned char pixels[LENET5_IMAGES_COUNT];
  memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&png, path)) return 0;
  png.format = PNG_FORMAT_GRAY;
  if (png.width != 28 || png.height != 28 || !png_image_finish_read(&png, NULL, pixels, 0, NULL)) {
    png_image_free(&png);
    return 0;
  }
  for (int i = 0; i < LENET5_IMAGES_COUNT; ++i) {
    images[i] = ((float)pixels[i] / 255 - LENET5_MEAN) / LENET5_DEVIATION;
  }
  return 1;
}

int main(int count, char **paths) {
  float images[LENET5_IMAGES_COUNT], scores[LENET5_RESULT_COUNT];
  lenet5_context model;
  int wrong = 0;
  int status = lenet5_init(&model, arena, sizeof arena);
  for (int i = 1; i < count && status == 0; ++i) {
    if (!read_image(paths[i], images)) {
      fprintf(stderr, "%s: no PNG image of 28 × 28 pixels\n", paths[i]);
      return 1;
    }
    status = lenet5_run(&model, images, scores);
    int best = 0;
    float sum = 0;
    for (int c = 0; c < LENET5_RESULT_COUNT; ++c) {
      if (scores[c] > scores[best]) best = c;
    }
    for (int c = 0; c < LENET5_RESULT_COUNT; ++c) sum += expf(scores[c] - scores[best]);
    printf("%s: %s (%.1f %%)\n", paths[i], lenet5_classes[best], 100 / (double)sum);
    /* digit-7.png shows a 7. */
    const char *truth = strstr(paths[i], "digit-");
    wrong += truth != NULL && truth[6] != lenet5_classes[best][0];
  }
  if (status != 0) fprintf(stderr, "%s\n", lenet5_message(status));
  return status != 0 || wrong > 1;
}
