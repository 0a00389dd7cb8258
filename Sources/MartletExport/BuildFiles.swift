// A Makefile and a CMakeLists.txt for an exported program.

struct BuildFiles {
  let options: ExportOptions

  private var sources: [String] {
    let own = ["\(options.name).c", "martlet_runtime.c"]
    let all = options.weights == .embed ? own + ["\(options.name)_weights.c"] : own
    return all + variants.map(\.name)
  }

  var files: [ExportedFile] { variants + [makefile, cmake] }

  /// The same two files once more for each instruction set that `-DMARTLET_DISPATCH` chooses from.
  private var variants: [ExportedFile] {
    let avx2 = "avx2,fma,bmi2"
    let avx512 = "avx512f,avx512dq,avx512bw,avx512vl,fma,bmi2"
    return ["martlet_runtime", options.name].flatMap { stem in
      [
        variant(stem, "avx2", vector: 256, clang: avx2, gcc: avx2),
        variant(
          stem, "avx512", vector: 512, clang: avx512, gcc: avx512 + ",prefer-vector-width=512"),
      ]
    }
  }

  private func variant(
    _ stem: String, _ isa: String, vector: Int, clang: String, gcc: String
  ) -> ExportedFile {
    ExportedFile(
      "\(stem)_\(isa).c",
      """
      /* \(stem).c for \(isa == "avx2" ? "AVX2 with FMA" : "AVX-512"), where -DMARTLET_DISPATCH asks for all instruction sets; empty without. */
      #if defined(MARTLET_DISPATCH) && defined(__x86_64__)
      #define MARTLET_VARIANT \(vector)
      /* Headers first: their functions are for any CPU. */
      #include "\(options.name).h"
      #include <immintrin.h>
      #include <string.h>
      #if MARTLET_THREADS > 1
      #include <pthread.h>
      #include <sched.h>
      #include <stdatomic.h>
      #endif
      #if defined(__clang__)
      #pragma clang attribute push(__attribute__((target("\(clang)"))), apply_to = function)
      #include "\(stem).c"
      #pragma clang attribute pop
      #else
      #pragma GCC target("\(gcc)")
      #include "\(stem).c"
      #endif
      #else
      typedef int \(stem)_\(isa)_is_empty;
      #endif

      """)
  }

  private var makefile: ExportedFile {
    ExportedFile(
      "Makefile",
      """
      # lib\(options.name).a for this machine. Another one: make CC=aarch64-linux-gnu-gcc CFLAGS=-O3
      CFLAGS ?= -O3 -march=native
      lib\(options.name).a: \(sources.map { $0.dropLast(1) + "o" }.joined(separator: " "))
      \tar rcs $@ $^
      %.o: %.c \(options.name).h martlet_runtime.h
      \t$(CC) $(CFLAGS) -std=c11 -ffp-contract=off -fno-math-errno -fno-trapping-math -c -o $@ $<

      """)
  }

  private var cmake: ExportedFile {
    ExportedFile(
      "CMakeLists.txt",
      """
      add_library(\(options.name) STATIC \(sources.joined(separator: " ")))
      set_target_properties(\(options.name) PROPERTIES C_STANDARD 11)
      target_compile_options(\(options.name) PRIVATE -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math)
      target_include_directories(\(options.name) PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
      target_link_libraries(\(options.name) PUBLIC m)

      """)
  }
}
