/* The runtime's sources as bytes, of which `martlet compile` makes a program's own runtime. #embed is C23; clang takes
 * it in C11 too. */
#include "martlet_sources.h"

#include <string.h>

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wc23-extensions"
#endif

/* Nested: a compiler without __has_embed cannot even parse its use. */
#if defined(__has_embed)
#if __has_embed("../../Runtime/martlet_gemm.c")
#define MT_EMBEDS 1
#endif
#endif

#ifdef MT_EMBEDS
static const unsigned char martlet_export_c[] = {
#embed "../../Runtime/export/martlet_export.c"
};
static const unsigned char martlet_export_h[] = {
#embed "../../Runtime/export/martlet_export.h"
};
static const unsigned char martlet_export_context_inc[] = {
#embed "../../Runtime/export/martlet_export_context.inc"
};
static const unsigned char martlet_math_h[] = {
#embed "../../Runtime/include/martlet_math.h"
};
static const unsigned char martlet_math_atan_h[] = {
#embed "../../Runtime/include/martlet_math_atan.h"
};
static const unsigned char martlet_math_basic_h[] = {
#embed "../../Runtime/include/martlet_math_basic.h"
};
static const unsigned char martlet_math_f32_h[] = {
#embed "../../Runtime/include/martlet_math_f32.h"
};
static const unsigned char martlet_math_f64_h[] = {
#embed "../../Runtime/include/martlet_math_f64.h"
};
static const unsigned char martlet_math_narrow_h[] = {
#embed "../../Runtime/include/martlet_math_narrow.h"
};
static const unsigned char martlet_math_pow_h[] = {
#embed "../../Runtime/include/martlet_math_pow.h"
};
static const unsigned char martlet_math_random_h[] = {
#embed "../../Runtime/include/martlet_math_random.h"
};
static const unsigned char martlet_math_rows_h[] = {
#embed "../../Runtime/include/martlet_math_rows.h"
};
static const unsigned char martlet_math_trig_h[] = {
#embed "../../Runtime/include/martlet_math_trig.h"
};
static const unsigned char martlet_runtime_h[] = {
#embed "../../Runtime/include/martlet_runtime.h"
};
static const unsigned char martlet_runtime_calls_h[] = {
#embed "../../Runtime/include/martlet_runtime_calls.h"
};
static const unsigned char martlet_along_c[] = {
#embed "../../Runtime/martlet_along.c"
};
static const unsigned char martlet_calls_c[] = {
#embed "../../Runtime/martlet_calls.c"
};
static const unsigned char martlet_calls_h[] = {
#embed "../../Runtime/martlet_calls.h"
};
static const unsigned char martlet_compiler_h[] = {
#embed "../../Runtime/martlet_compiler.h"
};
static const unsigned char martlet_context_h[] = {
#embed "../../Runtime/martlet_context.h"
};
static const unsigned char martlet_conv_c[] = {
#embed "../../Runtime/martlet_conv.c"
};
static const unsigned char martlet_conv_h[] = {
#embed "../../Runtime/martlet_conv.h"
};
static const unsigned char martlet_conv_channels_inc[] = {
#embed "../../Runtime/martlet_conv_channels.inc"
};
static const unsigned char martlet_conv_depthwise_inc[] = {
#embed "../../Runtime/martlet_conv_depthwise.inc"
};
static const unsigned char martlet_conv_direct_inc[] = {
#embed "../../Runtime/martlet_conv_direct.inc"
};
static const unsigned char martlet_conv_driver_inc[] = {
#embed "../../Runtime/martlet_conv_driver.inc"
};
static const unsigned char martlet_conv_gradient_inc[] = {
#embed "../../Runtime/martlet_conv_gradient.inc"
};
static const unsigned char martlet_conv_kernels_inc[] = {
#embed "../../Runtime/martlet_conv_kernels.inc"
};
static const unsigned char martlet_conv_outer_inc[] = {
#embed "../../Runtime/martlet_conv_outer.inc"
};
static const unsigned char martlet_conv_planar_inc[] = {
#embed "../../Runtime/martlet_conv_planar.inc"
};
static const unsigned char martlet_float_state_h[] = {
#embed "../../Runtime/martlet_float_state.h"
};
static const unsigned char martlet_gemm_c[] = {
#embed "../../Runtime/martlet_gemm.c"
};
static const unsigned char martlet_gemm_h[] = {
#embed "../../Runtime/martlet_gemm.h"
};
static const unsigned char martlet_gemm_driver_inc[] = {
#embed "../../Runtime/martlet_gemm_driver.inc"
};
static const unsigned char martlet_gemm_kernels_inc[] = {
#embed "../../Runtime/martlet_gemm_kernels.inc"
};
static const unsigned char martlet_gemm_pack_inc[] = {
#embed "../../Runtime/martlet_gemm_pack.inc"
};
static const unsigned char martlet_gemm_thin_inc[] = {
#embed "../../Runtime/martlet_gemm_thin.inc"
};
static const unsigned char martlet_gemm_tiles_inc[] = {
#embed "../../Runtime/martlet_gemm_tiles.inc"
};
static const unsigned char martlet_index_c[] = {
#embed "../../Runtime/martlet_index.c"
};
static const unsigned char martlet_parallel_c[] = {
#embed "../../Runtime/martlet_parallel.c"
};
static const unsigned char martlet_sort_c[] = {
#embed "../../Runtime/martlet_sort.c"
};
static const unsigned char martlet_tiles_inc[] = {
#embed "../../Runtime/martlet_tiles.inc"
};
static const unsigned char martlet_tiles_elementwise_inc[] = {
#embed "../../Runtime/martlet_tiles_elementwise.inc"
};
static const unsigned char martlet_tiles_fused_inc[] = {
#embed "../../Runtime/martlet_tiles_fused.inc"
};
static const unsigned char martlet_tiles_list_h[] = {
#embed "../../Runtime/martlet_tiles_list.h"
};
static const unsigned char martlet_tiles_random_inc[] = {
#embed "../../Runtime/martlet_tiles_random.inc"
};
static const unsigned char martlet_tiles_rows_inc[] = {
#embed "../../Runtime/martlet_tiles_rows.inc"
};
static const unsigned char martlet_tiles_streams_inc[] = {
#embed "../../Runtime/martlet_tiles_streams.inc"
};
static const unsigned char martlet_tiles_views_inc[] = {
#embed "../../Runtime/martlet_tiles_views.inc"
};
static const unsigned char martlet_tiles_wide_inc[] = {
#embed "../../Runtime/martlet_tiles_wide.inc"
};
static const unsigned char martlet_vector_inc[] = {
#embed "../../Runtime/martlet_vector.inc"
};
static const unsigned char martlet_vector_sizes_h[] = {
#embed "../../Runtime/martlet_vector_sizes.h"
};
static const unsigned char martlet_window_h[] = {
#embed "../../Runtime/martlet_window.h"
};
static const unsigned char martlet_window_kernels_inc[] = {
#embed "../../Runtime/martlet_window_kernels.inc"
};
static const unsigned char martlet_winograd_c[] = {
#embed "../../Runtime/martlet_winograd.c"
};
static const unsigned char martlet_winograd_h[] = {
#embed "../../Runtime/martlet_winograd.h"
};
static const unsigned char martlet_winograd_kernels_inc[] = {
#embed "../../Runtime/martlet_winograd_kernels.inc"
};
static const unsigned char martlet_file_c[] = {
#embed "../../Runtime/export/martlet_file.c"
};
static const unsigned char martlet_file_h[] = {
#embed "../../Runtime/export/martlet_file.h"
};
static const unsigned char martlet_attention_h[] = {
#embed "../../Runtime/martlet_attention.h"
};
static const unsigned char martlet_attention_gradient_inc[] = {
#embed "../../Runtime/martlet_attention_gradient.inc"
};
static const unsigned char martlet_attention_kernels_inc[] = {
#embed "../../Runtime/martlet_attention_kernels.inc"
};
static const unsigned char martlet_attention_rows_inc[] = {
#embed "../../Runtime/martlet_attention_rows.inc"
};
static const unsigned char martlet_integer_c[] = {
#embed "../../Runtime/martlet_integer.c"
};
static const unsigned char martlet_integer_h[] = {
#embed "../../Runtime/martlet_integer.h"
};
static const unsigned char martlet_integer_kernels_inc[] = {
#embed "../../Runtime/martlet_integer_kernels.inc"
};
static const mt_source sources[] = {
    {"martlet_export.c", martlet_export_c, sizeof martlet_export_c},
    {"martlet_export.h", martlet_export_h, sizeof martlet_export_h},
    {"martlet_export_context.inc", martlet_export_context_inc, sizeof martlet_export_context_inc},
    {"martlet_math.h", martlet_math_h, sizeof martlet_math_h},
    {"martlet_math_atan.h", martlet_math_atan_h, sizeof martlet_math_atan_h},
    {"martlet_math_basic.h", martlet_math_basic_h, sizeof martlet_math_basic_h},
    {"martlet_math_f32.h", martlet_math_f32_h, sizeof martlet_math_f32_h},
    {"martlet_math_f64.h", martlet_math_f64_h, sizeof martlet_math_f64_h},
    {"martlet_math_narrow.h", martlet_math_narrow_h, sizeof martlet_math_narrow_h},
    {"martlet_math_pow.h", martlet_math_pow_h, sizeof martlet_math_pow_h},
    {"martlet_math_random.h", martlet_math_random_h, sizeof martlet_math_random_h},
    {"martlet_math_rows.h", martlet_math_rows_h, sizeof martlet_math_rows_h},
    {"martlet_math_trig.h", martlet_math_trig_h, sizeof martlet_math_trig_h},
    {"martlet_runtime.h", martlet_runtime_h, sizeof martlet_runtime_h},
    {"martlet_runtime_calls.h", martlet_runtime_calls_h, sizeof martlet_runtime_calls_h},
    {"martlet_along.c", martlet_along_c, sizeof martlet_along_c},
    {"martlet_calls.c", martlet_calls_c, sizeof martlet_calls_c},
    {"martlet_calls.h", martlet_calls_h, sizeof martlet_calls_h},
    {"martlet_compiler.h", martlet_compiler_h, sizeof martlet_compiler_h},
    {"martlet_context.h", martlet_context_h, sizeof martlet_context_h},
    {"martlet_conv.c", martlet_conv_c, sizeof martlet_conv_c},
    {"martlet_conv.h", martlet_conv_h, sizeof martlet_conv_h},
    {"martlet_conv_channels.inc", martlet_conv_channels_inc, sizeof martlet_conv_channels_inc},
    {"martlet_conv_depthwise.inc", martlet_conv_depthwise_inc, sizeof martlet_conv_depthwise_inc},
    {"martlet_conv_direct.inc", martlet_conv_direct_inc, sizeof martlet_conv_direct_inc},
    {"martlet_conv_driver.inc", martlet_conv_driver_inc, sizeof martlet_conv_driver_inc},
    {"martlet_conv_gradient.inc", martlet_conv_gradient_inc, sizeof martlet_conv_gradient_inc},
    {"martlet_conv_kernels.inc", martlet_conv_kernels_inc, sizeof martlet_conv_kernels_inc},
    {"martlet_conv_outer.inc", martlet_conv_outer_inc, sizeof martlet_conv_outer_inc},
    {"martlet_conv_planar.inc", martlet_conv_planar_inc, sizeof martlet_conv_planar_inc},
    {"martlet_float_state.h", martlet_float_state_h, sizeof martlet_float_state_h},
    {"martlet_gemm.c", martlet_gemm_c, sizeof martlet_gemm_c},
    {"martlet_gemm.h", martlet_gemm_h, sizeof martlet_gemm_h},
    {"martlet_gemm_driver.inc", martlet_gemm_driver_inc, sizeof martlet_gemm_driver_inc},
    {"martlet_gemm_kernels.inc", martlet_gemm_kernels_inc, sizeof martlet_gemm_kernels_inc},
    {"martlet_gemm_pack.inc", martlet_gemm_pack_inc, sizeof martlet_gemm_pack_inc},
    {"martlet_gemm_thin.inc", martlet_gemm_thin_inc, sizeof martlet_gemm_thin_inc},
    {"martlet_gemm_tiles.inc", martlet_gemm_tiles_inc, sizeof martlet_gemm_tiles_inc},
    {"martlet_index.c", martlet_index_c, sizeof martlet_index_c},
    {"martlet_parallel.c", martlet_parallel_c, sizeof martlet_parallel_c},
    {"martlet_sort.c", martlet_sort_c, sizeof martlet_sort_c},
    {"martlet_tiles.inc", martlet_tiles_inc, sizeof martlet_tiles_inc},
    {"martlet_tiles_elementwise.inc", martlet_tiles_elementwise_inc, sizeof martlet_tiles_elementwise_inc},
    {"martlet_tiles_fused.inc", martlet_tiles_fused_inc, sizeof martlet_tiles_fused_inc},
    {"martlet_tiles_list.h", martlet_tiles_list_h, sizeof martlet_tiles_list_h},
    {"martlet_tiles_random.inc", martlet_tiles_random_inc, sizeof martlet_tiles_random_inc},
    {"martlet_tiles_rows.inc", martlet_tiles_rows_inc, sizeof martlet_tiles_rows_inc},
    {"martlet_tiles_streams.inc", martlet_tiles_streams_inc, sizeof martlet_tiles_streams_inc},
    {"martlet_tiles_views.inc", martlet_tiles_views_inc, sizeof martlet_tiles_views_inc},
    {"martlet_tiles_wide.inc", martlet_tiles_wide_inc, sizeof martlet_tiles_wide_inc},
    {"martlet_vector.inc", martlet_vector_inc, sizeof martlet_vector_inc},
    {"martlet_vector_sizes.h", martlet_vector_sizes_h, sizeof martlet_vector_sizes_h},
    {"martlet_window.h", martlet_window_h, sizeof martlet_window_h},
    {"martlet_window_kernels.inc", martlet_window_kernels_inc, sizeof martlet_window_kernels_inc},
    {"martlet_winograd.c", martlet_winograd_c, sizeof martlet_winograd_c},
    {"martlet_winograd.h", martlet_winograd_h, sizeof martlet_winograd_h},
    {"martlet_winograd_kernels.inc", martlet_winograd_kernels_inc, sizeof martlet_winograd_kernels_inc},
    {"martlet_file.c", martlet_file_c, sizeof martlet_file_c},
    {"martlet_file.h", martlet_file_h, sizeof martlet_file_h},
    {"martlet_attention.h", martlet_attention_h, sizeof martlet_attention_h},
    {"martlet_attention_gradient.inc", martlet_attention_gradient_inc, sizeof martlet_attention_gradient_inc},
    {"martlet_attention_kernels.inc", martlet_attention_kernels_inc, sizeof martlet_attention_kernels_inc},
    {"martlet_attention_rows.inc", martlet_attention_rows_inc, sizeof martlet_attention_rows_inc},
    {"martlet_integer_kernels.inc", martlet_integer_kernels_inc, sizeof martlet_integer_kernels_inc},
    {"martlet_integer.h", martlet_integer_h, sizeof martlet_integer_h},
    {"martlet_integer.c", martlet_integer_c, sizeof martlet_integer_c},
};

const mt_source *mt_find_source(const char *name) {
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; ++i) {
    if (strcmp(sources[i].name, name) == 0) return &sources[i];
  }
  return NULL;
}
#else
const mt_source *mt_find_source(const char *name) {
  (void)name;
  return NULL;
}
#endif
