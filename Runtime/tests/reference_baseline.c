/* The scalar functions for baseline. */
#include "reference.h"

#define MT_ISA baseline
#define MT_HAVE_FMA 0
#include "reference.inc"
