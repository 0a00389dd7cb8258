/* The runtime's sources as bytes. */
#ifndef MARTLET_SOURCES_H
#define MARTLET_SOURCES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char *name; /* as an #include spells it */
  const unsigned char *bytes;
  size_t count;
} mt_source;

/* The file of that name, or NULL: always in a build by a compiler without #embed (gcc before 15). */
const mt_source *mt_find_source(const char *name);

#ifdef __cplusplus
}
#endif

#endif
