/* What differs between compilers: how a file is compiled for one instruction set, and how a loop is promised to vectorise. */
#ifndef MARTLET_COMPILER_H
#define MARTLET_COMPILER_H

#define MT_PASTE_(a, b) a##b
#define MT_PASTE(a, b) MT_PASTE_(a, b)
#define MT_STRING_(...) #__VA_ARGS__
#define MT_STRING(...) MT_STRING_(__VA_ARGS__)

#if defined(__x86_64__)
#define MT_X86 1
#else
#define MT_X86 0
#endif
#if defined(__aarch64__)
#define MT_ARM64 1
#else
#define MT_ARM64 0
#endif

/* Instruction sets are chosen in the source, not on the command line, so that one plain build holds all of them.
 * Include every system header before MT_TARGET_*; end the file with MT_TARGET_END. */
#define MT_PRAGMA(...) _Pragma(#__VA_ARGS__)
#if defined(__clang__)
#define MT_TARGET_BEGIN(features) \
  MT_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define MT_TARGET_AVX2 MT_TARGET_BEGIN("avx2,fma,bmi2")
#define MT_TARGET_AVX512 MT_TARGET_BEGIN("avx512f,avx512dq,avx512bw,avx512vl,fma,bmi2")
#define MT_TARGET_AVX512_VNNI MT_TARGET_BEGIN("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,fma,bmi2")
#define MT_TARGET_END MT_PRAGMA(clang attribute pop)
#else
#define MT_TARGET_BEGIN(features) MT_PRAGMA(GCC push_options) MT_PRAGMA(GCC target(features))
#define MT_TARGET_AVX2 MT_TARGET_BEGIN("avx2,fma,bmi2")
#define MT_TARGET_AVX512 \
  MT_TARGET_BEGIN("avx512f,avx512dq,avx512bw,avx512vl,fma,bmi2,prefer-vector-width=512")
#define MT_TARGET_AVX512_VNNI \
  MT_TARGET_BEGIN("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,fma,bmi2,prefer-vector-width=512")
#define MT_TARGET_END MT_PRAGMA(GCC pop_options)
#endif

/* In front of a loop that reads index i before it writes index i: equal buffers are fine, and the compiler's own
 * overlap test (whose answer for equal buffers is the slow scalar loop) is not wanted. */
#if defined(__clang__)
#define MT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define MT_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* Products and sums are never contracted behind our back; gcc has no such pragma and takes -ffp-contract=off. */
#if defined(__clang__)
_Pragma("STDC FP_CONTRACT OFF")
#endif

#endif
