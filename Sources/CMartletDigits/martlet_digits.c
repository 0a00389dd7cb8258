/* Embeds mnist5k. `#embed` is C23; clang takes it in C11 too, and no other compiler sees this file. It needs no
 * generated source: a megabyte of array literals, or of Swift's, takes the compiler minutes. */
#include "martlet_digits.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char train_images[] = {
#embed "data/train-images-idx3-ubyte.gz"
};
static const unsigned char train_labels[] = {
#embed "data/train-labels-idx1-ubyte.gz"
};
static const unsigned char test_images[] = {
#embed "data/t10k-images-idx3-ubyte.gz"
};
static const unsigned char test_labels[] = {
#embed "data/t10k-labels-idx1-ubyte.gz"
};

martlet_digits_file martlet_digits_train_images(void) {
  return (martlet_digits_file){train_images, sizeof train_images};
}

martlet_digits_file martlet_digits_train_labels(void) {
  return (martlet_digits_file){train_labels, sizeof train_labels};
}

martlet_digits_file martlet_digits_test_images(void) {
  return (martlet_digits_file){test_images, sizeof test_images};
}

martlet_digits_file martlet_digits_test_labels(void) {
  return (martlet_digits_file){test_labels, sizeof test_labels};
}
