/* libFuzzer's side of the fuzz targets; -DTARGET=n is the number in FuzzTarget. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int32_t martlet_fuzz(int32_t target, const uint8_t *data, long size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (martlet_fuzz(TARGET, data, (long)size)) abort();
  return 0;
}
