/* An exported LeNet-5 as a WebAssembly module without any library: an image in, ten scores out. */
#include <string.h>

#include "lenet5.h"

#define EXPORT(name) __attribute__((export_name(name)))

_Alignas(64) static char arena[LENET5_ARENA_BYTES];
static float images[LENET5_IMAGES_COUNT], result[LENET5_RESULT_COUNT];

EXPORT("images") float *images_at(void) { return images; }
EXPORT("result") float *result_at(void) { return result; }
EXPORT("run") int run(void) {
  lenet5_context model;
  const int status = lenet5_init(&model, arena, sizeof arena);
  return status != 0 ? status : lenet5_run(&model, images, result);
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  char *out = to;
  for (const char *in = from; bytes > 0; --bytes) *out++ = *in++;
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  for (char *out = to; bytes > 0; --bytes) *out++ = (char)value;
  return to;
}
