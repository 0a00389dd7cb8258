/* The runtime of an exported program: martlet compile puts in its place what this file includes, and keeps of that
 * what the program uses. MT_ISA is the suffix of names; MT_EXPORT_* say which parts can be of use. */
#include <string.h>

#include "martlet_compiler.h"

/* The instruction set of the compiler's own flags, or the one that a file of -DMARTLET_DISPATCH is for. */
#if MARTLET_VARIANT == 512 || (!defined(MARTLET_VARIANT) && defined(__AVX512F__) && defined(__AVX512DQ__) && \
                               defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__FMA__))
#include <immintrin.h>
#define MT_VECTOR 512
#define MT_VECTOR_BYTES 64
#elif MARTLET_VARIANT == 256 || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#define MT_VECTOR 256
#define MT_VECTOR_BYTES 32
#elif defined(__aarch64__)
#include <arm_neon.h>
#define MT_VECTOR 129
#define MT_VECTOR_BYTES 16
#else
#define MT_VECTOR 128
#define MT_VECTOR_BYTES 16
#endif

#include "martlet_context.h"
#include "martlet_export_context.inc"
#include "martlet_parallel.c"

#if defined(MT_EXPORT_TILES)
#if MT_VECTOR == 512
#include "martlet_tiles_wide.inc"
#endif
#include "martlet_tiles_list.h"
#include "martlet_tiles.inc"
#endif

#if defined(MT_EXPORT_GEMM)
#include "martlet_gemm.h"
#endif
#if defined(MT_EXPORT_CONV)
#include "martlet_conv.h"
#endif
#if defined(MT_EXPORT_WINOGRAD)
#include "martlet_winograd.h"
#endif
#if defined(MT_EXPORT_INTEGER)
#include "martlet_integer.h"
#endif
#if defined(MT_EXPORT_WINDOW)
#include "martlet_window.h"
#endif
#if defined(MT_EXPORT_ATTENTION)
#include "martlet_attention.h"
#endif

#include "martlet_vector_sizes.h"
#define MT_BITS 32
#include "martlet_vector.inc"
#if defined(MT_EXPORT_GEMM)
#include "martlet_gemm_kernels.inc"
#endif
#if defined(MT_EXPORT_CONV)
#include "martlet_conv_kernels.inc"
#endif
#if defined(MT_EXPORT_WINDOW)
#include "martlet_window_kernels.inc"
#endif
#if defined(MT_EXPORT_WINOGRAD)
#include "martlet_winograd_kernels.inc"
#endif
#if defined(MT_EXPORT_ATTENTION)
#include "martlet_attention_rows.inc"
#include "martlet_attention_kernels.inc"
#include "martlet_attention_gradient.inc"
#endif
#if defined(MT_EXPORT_F64)
#undef MT_BITS
#define MT_BITS 64
#include "martlet_vector.inc"
#if defined(MT_EXPORT_GEMM)
#include "martlet_gemm_kernels.inc"
#endif
#if defined(MT_EXPORT_CONV)
#include "martlet_conv_kernels.inc"
#endif
#if defined(MT_EXPORT_WINDOW)
#include "martlet_window_kernels.inc"
#endif
#if defined(MT_EXPORT_ATTENTION)
#include "martlet_attention_rows.inc"
#include "martlet_attention_kernels.inc"
#include "martlet_attention_gradient.inc"
#endif
#endif
#undef E
#undef V
#undef M
#undef SUFFIX

#if defined(MT_EXPORT_INTEGER)
#define MT_INTEGER_NAME export
#if defined(__AVX512VNNI__)
#define MT_INTEGER_DOT 1
#endif
#include "martlet_integer_kernels.inc"
#include "martlet_integer.c"
const mt_integer_ops *MT_PASTE(mt_integer_ops_, MT_ISA)(void) { return &mt_integer_kernels_export; }
#endif

#if defined(MT_EXPORT_GEMM)
#include "martlet_gemm.c"
#endif
#if defined(MT_EXPORT_CONV)
#include "martlet_conv.c"
#endif
#if defined(MT_EXPORT_WINOGRAD)
#define job mt_winograd_job
#include "martlet_winograd.c"
#undef job
#endif
#if defined(MT_EXPORT_INDEX)
#define job mt_index_job
#define clamp mt_index_clamp
#include "martlet_index.c"
#undef job
#undef clamp
#endif
#if defined(MT_EXPORT_ALONG)
#define job mt_along_job
#define clamp mt_along_clamp
#include "martlet_along.c"
#undef job
#undef clamp
#endif
#if defined(MT_EXPORT_SORT)
#define job mt_sort_job
#include "martlet_sort.c"
#undef job
#endif

#include "martlet_calls.c"
