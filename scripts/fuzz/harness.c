/* libFuzzer's side of the fuzz targets; MARTLET_FUZZ_TARGET is the number in FuzzTarget. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int32_t martlet_fuzz(int32_t target, const uint8_t *data, long size);

static int32_t target = -1;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count;
  (void)arguments;
  const char *text = getenv("MARTLET_FUZZ_TARGET");
  if (!text) {
    fputs("MARTLET_FUZZ_TARGET is not set\n", stderr);
    exit(2);
  }
  target = (int32_t)atoi(text);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (martlet_fuzz(target, data, (long)size)) abort();
  return 0;
}
