// The part of the C runtime that one exported program uses, from the runtime's own sources.

internal import CMartletRuntime
internal import CMartletSources

/// `martlet_runtime.h` and `martlet_runtime.c` of an exported program.
struct RuntimeText {
  var header: String
  var source: String

  /// The compilers and targets that the text is made for: what any of them needs is in it.
  private static let targets: [[String: Int]] = {
    let clang = ["__clang__": 1, "__GNUC__": 4]
    let gcc = ["__GNUC__": 12]
    let avx2 = ["__x86_64__": 1, "__AVX2__": 1, "__FMA__": 1]
    let avx512 = avx2.merging(
      [
        "__AVX512F__": 1, "__AVX512DQ__": 1, "__AVX512BW__": 1, "__AVX512VL__": 1,
      ], uniquingKeysWith: { a, _ in a })
    let arm = ["__aarch64__": 1, "__ARM_FEATURE_FMA": 1]
    return [
      (clang, avx512),
      (clang, avx512.merging(["__AVX512VNNI__": 1], uniquingKeysWith: { a, _ in a })),
      (gcc, avx512.merging(["__OPTIMIZE_SIZE__": 1], uniquingKeysWith: { a, _ in a })),
      (gcc, avx2), (clang, ["__x86_64__": 1]), (gcc, arm), (gcc, ["MARTLET_THREADS": 4]),
    ].map { compiler, machine in compiler.merging(machine, uniquingKeysWith: { a, _ in a }) }
  }()

  private enum File: Int {
    case header, program, source
    /// What stands in the text in another form.
    case given
  }

  /// - Parameters:
  ///   - program: the C text of the kernels and schedules.
  ///   - symbols: the runtime functions that it calls.
  ///   - prefix: the exported program's name, which makes the functions' names its own.
  init(program: String, symbols: [String], prefix: String) throws(ExportError) {
    guard mt_find_source("martlet_export.c") != nil else {
      throw ExportError(
        "this build of Martlet has no runtime sources in it",
        hint: "its C part was compiled without #embed: build with Swift's own clang")
    }
    var variants: [String] = []
    var singles: [String] = []
    for symbol in symbols {
      guard let found = mt_find_symbol(symbol) else {
        throw ExportError("the runtime has no function '\(symbol)'")
      }
      let addresses = found.pointee.address
      if addresses.1 != nil || addresses.2 != nil || addresses.3 != nil {
        variants.append(symbol)
      } else {
        singles.append(symbol)
      }
    }
    do throws(CSourceError) {
      let list = try TileList()
      var tiles = Set(variants.filter { list.lines[$0] != nil })
      let roots = Set(
        variants.map { "\($0)_\(prefix)" } + singles + ["mt_context_enter", "mt_context_leave"])
      while true {
        let found = try RuntimeText.amalgamate(
          program: program, symbols: symbols, tiles: list.text(tiles), roots: roots, prefix: prefix)
        let missing = found.unknownNames().filter { $0.hasSuffix("_\(prefix)") }
          .map { String($0.dropLast(prefix.count + 1)) }
        let more = missing.filter { list.lines[$0] != nil && !tiles.contains($0) }
        guard more.isEmpty else {
          tiles.formUnion(more)
          continue
        }
        header = RuntimeText.header(
          found.text(of: File.header.rawValue), variants: variants, singles: singles,
          prefix: prefix)
        source = RuntimeText.source(found.text(of: File.source.rawValue), prefix: prefix)
        return
      }
    } catch {
      throw ExportError("\(error.file): \(error.message)")
    }
  }

  static func read(_ name: String) -> [UInt8]? {
    // Some sources say include/martlet_math.h.
    let last = name.split(separator: "/").last.map(String.init) ?? name
    guard let found = mt_find_source(last), let bytes = found.pointee.bytes else { return nil }
    return Array(UnsafeBufferPointer(start: bytes, count: found.pointee.count))
  }

  private static func amalgamate(
    program: String, symbols: [String], tiles: [String: String], roots: Set<String>, prefix: String
  ) throws(CSourceError) -> CAmalgamation {
    let spellings = CSpellings()
    var flattener = CFlattener(spellings, read: read)
    func uses(_ names: String...) -> Bool {
      symbols.contains { symbol in names.contains { symbol.hasPrefix("mt_\($0)") } }
    }
    let conv = uses("conv2d")
    flattener.decided = [
      "MT_EXPORT": true,
      "MT_EXPORT_TILES": !tiles.isEmpty,
      "MT_EXPORT_GEMM": conv || uses("gemm", "attention"),
      "MT_EXPORT_ATTENTION": uses("attention"),
      "MT_EXPORT_CONV": conv,
      "MT_EXPORT_WINOGRAD": uses("conv2d_winograd"),
      "MT_EXPORT_WINDOW": uses("max_window", "window_", "sum_window") || conv,
      "MT_EXPORT_INTEGER": uses("integer"),
      "MT_EXPORT_F64": symbols.contains {
        $0.hasSuffix("_f64")
          && ($0.contains("gemm") || $0.contains("conv") || $0.contains("window")
            || $0.contains("attention"))
      },
      "MT_EXPORT_INDEX": uses("gather", "scatter", "copy_rows", "join_rows"),
      "MT_EXPORT_ALONG": uses("take_along", "add_along", "cumulative", "linear_recurrence"),
      "MT_EXPORT_SORT": uses("arg_sort", "arg_top"),
    ]
    flattener.replace = { text in
      guard let call = text.split(separator: "\n").last, call.hasPrefix("MT_TILES(") else {
        return nil
      }
      return tiles[String(call.dropFirst(9).dropLast())]
    }
    try flattener.add("martlet_export.h", file: File.header.rawValue)
    try flattener.add(Array(program.utf8), name: "program", file: File.program.rawValue)
    try flattener.add(
      Array("#define MT_ISA \(prefix)\n".utf8), name: "prefix", file: File.given.rawValue)
    try flattener.add("martlet_export.c", file: File.source.rawValue)
    return CAmalgamation(
      spellings, flattener.pieces, targets: targets, roots: roots, rootFile: File.program.rawValue)
  }

  // MARK: - Text around it

  static let licence = """
     * Part of the runtime of Martlet, a compiler for deep learning.
     * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
     * You may use, change and pass on this file with your program; compiled into it, without any notice.
    """

  private static func header(
    _ body: String, variants: [String], singles: [String], prefix: String
  ) -> String {
    var text = """
      /* martlet_runtime.h: what \(prefix).c calls. Written by martlet compile; no need to read it to use the model.
       *
      \(licence) */
      #ifndef MARTLET_RUNTIME_\(prefix.uppercased())_H
      #define MARTLET_RUNTIME_\(prefix.uppercased())_H


      """
    text += """
      /* Names of its own: several models may be part of one program, and with -DMARTLET_DISPATCH each for several
       * instruction sets. */
      #if MARTLET_VARIANT == 512
      #define MT_ISA \(prefix)_avx512
      #define MT_HAVE_FMA 1
      #elif MARTLET_VARIANT == 256
      #define MT_ISA \(prefix)_avx2
      #define MT_HAVE_FMA 1
      #else
      #define MT_ISA \(prefix)
      #endif
      #define MT_OWN__(name, isa) name##_##isa
      #define MT_OWN_(name, isa) MT_OWN__(name, isa)
      #define MT_OWN(name) MT_OWN_(name, MT_ISA)


      """
    let own = Set(singles + ["mt_context_enter", "mt_context_leave"] + internals)
    for name in own.sorted() {
      text += "#define \(name) MT_OWN(\(name))\n"
    }
    text += "#if !defined(MARTLET_RUNTIME_SOURCE)\n"
    for name in variants { text += "#define \(name) MT_OWN(\(name))\n" }
    text += "#endif\n\n" + body + "\n"
    for name in singles { text += prototype(name) }
    text += "#if !defined(MARTLET_RUNTIME_SOURCE)\n"
    for name in variants { text += prototype(name) }
    return text + "#endif\n\n#endif\n"
  }

  /// Functions of the runtime with external linkage that the runtime itself calls, whether or not the program does.
  private static let internals: [String] = {
    var names = ["mt_part_scratch", "mt_part_workspace", "mt_shared_workspace", "mt_parts_for"]
    names += ["mt_run_parts", "mt_parallel", "mt_parallel_segments"]
    names += ["mt_winograd_tile", "mt_winograd_run", "mt_integer_run"]
    for suffix in ["f32", "f64"] {
      names += [
        "mt_gemm_run_\(suffix)", "mt_gemm_packed_run_\(suffix)",
        "mt_gemm_packed_size_run_\(suffix)", "mt_gemm_pack_run_\(suffix)", "mt_conv_run_\(suffix)",
        "mt_conv_input_gradient_run_\(suffix)", "mt_conv_filter_gradient_run_\(suffix)",
      ]
    }
    return names
  }()

  private static func prototype(_ name: String) -> String {
    guard let text = mt_find_symbol(name)?.pointee.prototype else { return "" }
    var declaration = String(cString: text)
    for spelling in ["(void * cx", "(void *cx"] where declaration.contains(spelling) {
      let parts = declaration.split(separator: spelling, maxSplits: 1)
      guard parts.count == 2 else { continue }
      declaration = "\(parts[0])(mt_context *cx\(parts[1])"
    }
    return declaration + "\n"
  }

  /// Names in text that a macro made for the prefix alone; a file for one of several instruction sets
  /// has others.
  private static func variantNames(_ body: String, prefix: String) -> String {
    let spellings = CSpellings()
    var lexer = CLexer(Array(body.utf8), spellings)
    let suffix = "_\(prefix)"
    var names: Set<String> = []
    for line in lexer.lines() {
      for token in line.tokens where token.kind == .name {
        let name = spellings[token.id]
        if name.hasSuffix(suffix) { names.insert(name) }
      }
    }
    guard !names.isEmpty else { return "" }
    let lines = names.sorted().map { "#define \($0) MT_OWN(\($0.dropLast(suffix.count)))\n" }
    return "#if defined(MARTLET_VARIANT)\n\(lines.joined())#endif\n\n"
  }

  private static func source(_ body: String, prefix: String) -> String {
    """
    /* martlet_runtime.c: the functions that martlet_runtime.h declares, for the instruction set that the compiler is told
     * to use: AVX-512, AVX2 with FMA, NEON, or any other. Written by martlet compile.
     *
     * gcc needs -ffp-contract=off for results that are those of other compilers, to the bit.
     *
    \(licence) */
    #define MARTLET_RUNTIME_SOURCE 1
    #include "martlet_runtime.h"

    \(variantNames(body, prefix: prefix))\(body)
    """
  }
}

/// The list of the tile primitives, each with its kind: what `MT_TILES` in the runtime's sources holds.
private struct TileList {
  /// `BINARY, add_f32, add, f32` by `mt_add_f32`, in the list's order.
  private(set) var lines: [String: String] = [:]
  private var order: [String] = []

  init() throws(CSourceError) {
    let spellings = CSpellings()
    var flattener = CFlattener(spellings, read: RuntimeText.read)
    try flattener.add("martlet_tiles_list.h", file: 0)
    try flattener.add(Array("MT_TILES(MT_ENTRY)\n".utf8), name: "list", file: 0)
    var preprocessor = CPreprocessor(spellings, given: [:])
    let facts = preprocessor.run(flattener.pieces)
    guard let tokens = facts.last??.declarations.first else { return }
    let words = tokens.map { spellings[$0.id] }
    var index = 0
    while index + 9 < words.count {
      guard words[index] == "MT_ENTRY" else {
        index += 1
        continue
      }
      let parts = [words[index + 2], words[index + 4], words[index + 6], words[index + 8]]
      lines["mt_\(parts[1])"] = parts.joined(separator: ", ")
      order.append("mt_\(parts[1])")
      index += 10
    }
  }

  /// The lines of some primitives for each macro that is mapped over the list.
  func text(_ names: Set<String>) -> [String: String] {
    var result: [String: String] = [:]
    for macro in ["MT_DECLARE", "MT_DEFINE"] {
      result[macro] = order.filter { names.contains($0) }
        .map { "\(macro)(\(lines[$0] ?? ""))\n" }.joined()
    }
    return names.isEmpty ? [:] : result
  }
}

extension CAmalgamation {
  func unknownNames() -> [String] { unknown.map { spellings[$0] } }
}
