/* The same program on this machine, for comparison: the scores of the picture that run.mjs makes. */
#include <stdio.h>

#include "lenet5.h"

_Alignas(64) static char arena[LENET5_ARENA_BYTES];

int main(void) {
  float images[LENET5_IMAGES_COUNT], result[LENET5_RESULT_COUNT];
  lenet5_context model;
  for (int i = 0; i < LENET5_IMAGES_COUNT; ++i) images[i] = (float)(i * 37 % 101) / 64 - 1;
  if (lenet5_init(&model, arena, sizeof arena) != 0 || lenet5_run(&model, images, result) != 0) return 1;
  for (int i = 0; i < LENET5_RESULT_COUNT; ++i) printf("%.9g\n", (double)result[i]);
  return 0;
}
