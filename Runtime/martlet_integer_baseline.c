/* Products of bytes for any CPU. */
#include "martlet_integer.h"

#include <string.h>

#define MT_INTEGER_NAME baseline
#define MT_VECTOR 128
#include "martlet_integer_kernels.inc"

const mt_integer_ops *mt_integer_ops_baseline(void) { return &mt_integer_kernels_baseline; }
