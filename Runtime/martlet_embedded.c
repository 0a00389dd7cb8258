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
static const unsigned char martlet_math[] = {
#embed "include/martlet_math.h"
};
static const unsigned char martlet_math_f32[] = {
#embed "include/martlet_math_f32.h"
};
static const unsigned char martlet_math_f64[] = {
#embed "include/martlet_math_f64.h"
};
static const unsigned char martlet_math_basic[] = {
#embed "include/martlet_math_basic.h"
};
static const unsigned char martlet_math_rows[] = {
#embed "include/martlet_math_rows.h"
};
static const unsigned char martlet_math_random[] = {
#embed "include/martlet_math_random.h"
};
static const unsigned char martlet_math_trig[] = {
#embed "include/martlet_math_trig.h"
};
static const unsigned char martlet_math_pow[] = {
#embed "include/martlet_math_pow.h"
};
static const unsigned char martlet_math_narrow[] = {
#embed "include/martlet_math_narrow.h"
};
static const unsigned char martlet_math_atan[] = {
#embed "include/martlet_math_atan.h"
};
#define MT_FILE(name) {#name ".h", name, sizeof name}
static const mt_embedded_file files[] = {
    MT_FILE(martlet_math),       MT_FILE(martlet_math_f32),  MT_FILE(martlet_math_f64),
    MT_FILE(martlet_math_basic), MT_FILE(martlet_math_rows), MT_FILE(martlet_math_random),
    MT_FILE(martlet_math_trig),  MT_FILE(martlet_math_pow),  MT_FILE(martlet_math_atan),
    MT_FILE(martlet_math_narrow),
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
