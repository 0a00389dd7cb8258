/* The library calls as the symbol table sees them, and their entry for each instruction set. */
#include "martlet_calls.h"

#include "martlet_conv.h"
#include "martlet_gemm.h"
#include "martlet_integer.h"
#include "martlet_winograd.h"

/* The drivers are the same for all instruction sets: they get the kernels that they drive. */
#define MT_ENTRIES(T, S, isa)                                                                     \
  void mt_gemm_##S##_##isa MT_P_GEMM(mt_context *, T) {                                           \
    mt_gemm_run_##S(&mt_gemm_ops_##S##_##isa, cx, s, a, b, c, epilogue, p);                       \
  }                                                                                               \
  void mt_gemm_packed_size_##S##_##isa MT_P_GEMM_SIZE(mt_context *, T) {                          \
    mt_gemm_packed_size_run_##S(&mt_gemm_ops_##S##_##isa, s, bytes);                              \
  }                                                                                               \
  void mt_gemm_pack_##S##_##isa MT_P_GEMM_PACK(mt_context *, T) {                                 \
    mt_gemm_pack_run_##S(&mt_gemm_ops_##S##_##isa, cx, s, b, packed);                             \
  }                                                                                               \
  void mt_gemm_packed_##S##_##isa MT_P_GEMM_PACKED(mt_context *, T) {                             \
    mt_gemm_packed_run_##S(&mt_gemm_ops_##S##_##isa, cx, s, a, packed, c, epilogue, p);           \
  }                                                                                               \
  void mt_conv2d_##S##_##isa MT_P_CONV(mt_context *, T) {                                         \
    mt_conv_run_##S(&mt_conv_ops_##S##_##isa, cx, g, x, w, y, epilogue, p);                       \
  }                                                                                               \
  void mt_conv2d_input_gradient_##S##_##isa MT_P_CONV(mt_context *, T) {                          \
    mt_conv_input_gradient_run_##S(&mt_conv_ops_##S##_##isa, cx, g, x, w, y, epilogue, p);        \
  }                                                                                               \
  void mt_conv2d_filter_gradient_##S##_##isa MT_P_CONV(mt_context *, T) {                         \
    mt_conv_filter_gradient_run_##S(&mt_conv_ops_##S##_##isa, cx, g, x, w, y, epilogue, p);       \
  }
#define MT_ENTRIES_OF(isa)                                                                        \
  MT_ENTRIES(float, f32, isa) MT_ENTRIES(double, f64, isa)                                        \
  void mt_conv2d_winograd_f32_##isa MT_P_CONV(mt_context *, float) {                              \
    mt_winograd_run(&mt_winograd_ops_##isa, cx, g, x, w, y, epilogue, p);                         \
  }                                                                                               \
  void mt_integer_conv2d_##isa MT_P_INTEGER(mt_context *, int) {                                  \
    mt_integer_run(mt_integer_ops_##isa(), cx, g, x, w, y, epilogue, p);                          \
  }

/* An exported program has one instruction set, and no table: it is linked by name. */
#if defined(MT_EXPORT)
#define MT_ENTRIES_FOR(isa) MT_ENTRIES_OF(isa)
MT_ENTRIES_FOR(MT_ISA)
#else

/* ISO C has no conversion from a function to an object pointer; POSIX and every JIT do. */
#define MT_ADDRESS(function) __extension__(void *)(function)

MT_ENTRIES_OF(baseline)
#if MT_X86
MT_ENTRIES_OF(avx2)
MT_ENTRIES_OF(avx512)
#define MT_ADDRESSES(name) \
  {MT_ADDRESS(mt_##name##_baseline), MT_ADDRESS(mt_##name##_avx2), MT_ADDRESS(mt_##name##_avx512), NULL}
#elif MT_ARM64
MT_ENTRIES_OF(neon)
#define MT_ADDRESSES(name) \
  {MT_ADDRESS(mt_##name##_baseline), NULL, NULL, MT_ADDRESS(mt_##name##_neon)}
#else
#define MT_ADDRESSES(name) {MT_ADDRESS(mt_##name##_baseline), NULL, NULL, NULL}
#endif

#define MT_TEXT_(name, ...) "void mt_" #name #__VA_ARGS__ ";"
#define MT_TEXT(name, ...) MT_TEXT_(name, __VA_ARGS__)
#define MT_REGISTER_VARIANTS(name, parameters, T) \
  {"mt_" #name, MT_TEXT(name, parameters(void *, T)), MT_ADDRESSES(name)},
#define MT_REGISTER_SINGLE(name, parameters, T)     \
  {"mt_" #name, MT_TEXT(name, parameters(void *, T)), \
   {MT_ADDRESS(mt_##name), NULL, NULL, NULL}},

extern const mt_symbol mt_call_symbols[];
extern const size_t mt_call_symbol_count;
const mt_symbol mt_call_symbols[] = {
    MT_VARIANT_CALLS(MT_REGISTER_VARIANTS) MT_SINGLE_CALLS(MT_REGISTER_SINGLE)};
const size_t mt_call_symbol_count = sizeof mt_call_symbols / sizeof mt_call_symbols[0];
#endif
