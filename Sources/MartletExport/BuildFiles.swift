// A Makefile and a CMakeLists.txt for an exported program.

struct BuildFiles {
  let options: ExportOptions

  private var sources: [String] {
    let own = ["\(options.name).c", "martlet_runtime.c"]
    return options.weights == .embed ? own + ["\(options.name)_weights.c"] : own
  }

  var files: [ExportedFile] { [makefile, cmake] }

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
