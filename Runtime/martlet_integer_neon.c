/* Products of bytes for neon. */
#include "martlet_integer.h"

#include <string.h>

#if MT_ARM64
#include <arm_neon.h>
#define MT_INTEGER_NAME neon
#define MT_VECTOR 129
#include "martlet_integer_kernels.inc"

const mt_integer_ops *mt_integer_ops_neon(void) { return &mt_integer_kernels_neon; }
#else
typedef int mt_no_integer_neon;
#endif
