/* Small classic data sets as bytes in the executable. scripts/make-classics.py makes the files; NOTICE names their
 * sources and licences. */
#pragma once
#include <stddef.h>

typedef struct {
  const char *name;
  const unsigned char *bytes;
  size_t count;
} martlet_classic;

/* The file at `index`, in the order of their names; its `bytes` are null behind the last one. */
martlet_classic martlet_classic_file(size_t index);
