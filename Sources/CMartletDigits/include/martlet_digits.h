/* The embedded data set mnist5k: four gzip-compressed IDX files, as bytes in the executable.
 * scripts/make-mnist5k.py makes them; NOTICE names their sources and licences. */
#pragma once
#include <stddef.h>

typedef struct {
  const unsigned char *bytes;
  size_t count;
} martlet_digits_file;

martlet_digits_file martlet_digits_train_images(void);
martlet_digits_file martlet_digits_train_labels(void);
martlet_digits_file martlet_digits_test_images(void);
martlet_digits_file martlet_digits_test_labels(void);
