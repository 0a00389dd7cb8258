/* Every tile primitive, once: MT_TILES(X) yields X(kind, name, a, b). The definition (martlet_tiles.inc), the declaration
 * and the registration (martlet_symbols.c) of mt_NAME all come from here; a and b are element types or sizes. */
#ifndef MARTLET_TILES_LIST_H
#define MARTLET_TILES_LIST_H

#include "martlet_runtime.h"

/* Element types by suffix, spelled so that a prototype needs no header. */
#define MT_T_f32 float
#define MT_T_f64 double
#define MT_T_i32 int
#define MT_T_i64 long
#define MT_T_u8 unsigned char
#define MT_T_bool unsigned char
#define MT_T(suffix) MT_T_##suffix

/* Parameter lists by kind. */
#define MT_PARAMETERS_BINARY(op, t) (MT_T(t) *y, const MT_T(t) *a, const MT_T(t) *b, long n)

#define MT_TILES(X) X(BINARY, add_f32, add, f32)

#endif
