/* What the tests of the C library share. */
#ifndef CHECK_H
#define CHECK_H

#include <martlet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed __attribute__((unused)), failed __attribute__((unused));

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (condition) {                                                                  \
      ++passed;                                                                       \
    } else {                                                                          \
      ++failed;                                                                       \
      printf("failed: %s:%d: %s\n  %s\n", __FILE__, __LINE__, #condition,             \
             martlet_last_error());                                                   \
    }                                                                                 \
  } while (0)

/* The call gives that status. */
#define GIVES(status, call)                                                                \
  do {                                                                                     \
    const martlet_status got_ = (call);                                                    \
    if (got_ == (status)) {                                                                \
      ++passed;                                                                            \
    } else {                                                                               \
      ++failed;                                                                            \
      printf("failed: %s:%d: %s: %s\n  %s\n", __FILE__, __LINE__, #call,                   \
             martlet_status_name(got_), martlet_last_error());                             \
    }                                                                                      \
  } while (0)
#define WORKS(call) GIVES(MARTLET_OK, call)

/* The digits of an IDX file. */
typedef struct {
  unsigned char *bytes;
  int count;
} digits;

static inline digits read_idx(const char *path, size_t header, size_t item) {
  FILE *file = fopen(path, "rb");
  digits d = {NULL, 0};
  if (file == NULL) return d;
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  fseek(file, (long)header, SEEK_SET);
  d.count = (int)(((size_t)size - header) / item);
  d.bytes = malloc((size_t)size);
  if (d.bytes == NULL || fread(d.bytes, item, (size_t)d.count, file) != (size_t)d.count) d.count = 0;
  fclose(file);
  return d;
}

#endif
