/* All that exported C asks of <string.h>; main.c defines them. */
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
