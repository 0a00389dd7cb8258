/* Embeds the headers that the scalar form includes. #embed is C23; clang takes it in C11 too. */
#include "include/martlet_embedded.h"

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wc23-extensions"
#endif

/* Nested: a compiler without __has_embed cannot even parse its use. */
#if defined(__has_embed)
#if __has_embed("include/martlet_math.h")
#define MT_EMBEDS 1
#endif
#endif

#ifdef MT_EMBEDS
static const unsigned char math_header[] = {
#embed "include/martlet_math.h"
};
static const mt_embedded_file files[] = {
    {"martlet_math.h", math_header, sizeof math_header},
};
size_t mt_embedded_file_count(void) { return sizeof files / sizeof files[0]; }
const mt_embedded_file *mt_embedded_file_at(size_t i) {
  return i < mt_embedded_file_count() ? &files[i] : NULL;
}
#else
size_t mt_embedded_file_count(void) { return 0; }
const mt_embedded_file *mt_embedded_file_at(size_t i) {
  (void)i;
  return NULL;
}
#endif
