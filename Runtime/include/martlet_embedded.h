/* The runtime's own headers as bytes: what a system compiler needs to build the scalar form anywhere. */
#ifndef MARTLET_EMBEDDED_H
#define MARTLET_EMBEDDED_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char *name; /* as an #include spells it */
  const unsigned char *bytes;
  size_t count;
} mt_embedded_file;

/* 0 in a build by a compiler without #embed (gcc before 15). */
size_t mt_embedded_file_count(void);
/* The i-th file, or NULL. */
const mt_embedded_file *mt_embedded_file_at(size_t i);

#ifdef __cplusplus
}
#endif

#endif
