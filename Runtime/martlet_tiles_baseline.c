/* The tile primitives for baseline. */
#include "martlet_compiler.h"
#include "martlet_tiles_list.h"

#include <string.h>

#define MT_ISA baseline
#define MT_VECTOR_BYTES 16
#define MT_HAVE_FMA 0
#include "martlet_tiles.inc"
