// Both forms under gcc's warnings, and what codegen refuses.

import CMartletRuntime
import Foundation
import MartletCodegen
import MartletIR
import MartletLoops
import Testing

@Suite struct SyntaxTests {
  private static let gcc = ["/usr/bin/gcc", "/usr/local/bin/gcc"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  private func prototypes(_ symbols: [String]) -> String {
    symbols.compactMap { mt_find_symbol($0).map { String(cString: $0.pointee.prototype) } }
      .joined(separator: "\n") + "\n"
  }

  /// The messages of `gcc -fsyntax-only`; empty when it has none.
  private func gccMessages(_ source: String) throws -> String {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("k.c")
    try source.write(to: file, atomically: true, encoding: .utf8)
    let include = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Runtime/include").standardizedFileURL.path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: SyntaxTests.gcc ?? "/usr/bin/gcc")
    process.arguments = [
      "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fsyntax-only", "-I",
      include, file.path,
    ]
    let pipe = Pipe()
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  private func schedule() -> Schedule {
    var s = Schedule(name: "test */ #include <evil.h> \\")
    let programs: [TileProgram] = [
      Samples.chain, Samples.biasReLU, Samples.softmax(cols: 10), Samples.softmax(cols: 1000),
      Samples.biasGradient, Samples.views, Samples.chain,
    ]
    for (index, program) in programs.enumerated() {
      s.kernels.append(Schedule.Kernel(name: "kernel-\(index)/*", comment: [], program: program))
      let first = s.buffers.count
      for (place, buffer) in program.buffers.enumerated() {
        s.buffers.append(
          Schedule.Buffer(
            byteCount: 4096, dtype: buffer.dtype,
            storage: place == 0 ? .bound(index) : .arena(offset: 4096 * (first + place)),
            label: buffer.label))
      }
      let launch = Schedule.Launch(
        kernel: index, buffers: Array(first..<s.buffers.count), units: 3)
      s.steps.append(
        Schedule.Step(
          work: .launch(index == 6 ? [launch, launch] : [launch]), writes: [], reads: [],
          comment: "step \(index) */ int x; /*", grain: 16))
    }
    s.steps.append(
      Schedule.Step(
        work: .call(
          symbol: "mt_gemm_f32",
          [.table([1, 2, 3, 4, 0, 4, 1, 0, 3, 1]), .buffer(0), .buffer(1), .buffer(2)],
          epilogue: Schedule.Launch(kernel: 1, buffers: [4, 5, 6], units: 3), takesEpilogue: true),
        writes: [], reads: [], comment: "dot"))
    return s
  }

  @Test(.enabled(if: SyntaxTests.gcc != nil), arguments: EmissionForm.allCases)
  func schedulesCompileWithoutWarnings(_ form: EmissionForm) throws {
    var options = EmissionOptions()
    options.includesHeaders = form == .scalar
    let program = try emit(schedule(), form: form, options: options, prototypes: prototypes)
    let messages = try gccMessages(program.source)
    #expect(messages == "", "\(program.source)")
    // The chain stands twice in the schedule, and once in the text.
    #expect(program.kernelNames.count == 6)
    #expect(program.source.contains("mt_parallel_segments(cx, k00_kernel_0, 2,"))
    #expect(program.source.contains("k01_kernel_1, p7)"))
    #expect(program.symbols.contains("mt_gemm_f32"))
    #expect(
      program.source
        == (try emit(schedule(), form: form, options: options, prototypes: prototypes).source))
  }

  @Test(.enabled(if: SyntaxTests.gcc != nil), arguments: EmissionForm.allCases)
  func randomKernelsCompileWithoutWarnings(_ form: EmissionForm) throws {
    var text = form == .scalar ? "#include \"martlet_math.h\"\n" : ""
    var bodies = ""
    var symbols: Set<String> = []
    for seed in UInt64(1000)..<1300 {
      let kernel = RandomKernel(seed: seed)
      let emitted = try emitKernel(
        Schedule.Kernel(name: "", comment: [], program: kernel.program), name: "k\(seed)",
        form: form, aliasing: kernel.aliasing)
      symbols.formUnion(emitted.symbols)
      bodies += "void k\(seed)(void *const *p, long begin, long end, void *scratch);\n"
      bodies += emitted.text
    }
    text += prototypes(symbols.sorted()) + bodies
    let messages = try gccMessages(text)
    #expect(messages == "")
  }

  @Test func refusesAnOutputOverAGatheredInput() throws {
    // y in the memory of x, which is read transposed: a planner's bug must not become wrong numbers.
    let kernel = Schedule.Kernel(name: "views", comment: [], program: Samples.views)
    let aliasing = Aliasing(pairs: [.init(0, 2)])
    #expect(throws: CodegenError.self) {
      try emitKernel(kernel, name: "k", form: .tile, aliasing: aliasing)
    }
    #expect(throws: CodegenError.self) {
      try emitKernel(kernel, name: "k", form: .scalar, aliasing: aliasing)
    }
  }

  @Test func refusesBuffersThatOverlapInPart() throws {
    var s = schedule()
    // y of the chain begins inside of b.
    s.buffers[1].storage = .arena(offset: 64)
    s.buffers[3].storage = .arena(offset: 128)
    #expect(throws: CodegenError.self) { try emit(s, form: .tile) }
    // At one place they are in place: codegen orders the store after the last read.
    s.buffers[3].storage = .arena(offset: 64)
    s.buffers[2].storage = .arena(offset: 8192)
    #expect(throws: Never.self) { try emit(s, form: .tile) }
  }

  /// Halves are moved and converted; a pass puts the arithmetic into float32 before.
  @Test func refusesArithmeticOnStorageDTypes() throws {
    var p = TileProgram(rows: 0, cols: 1)
    let x = p.input("x", .float16), y = p.output("y", .float16)
    p.store(y, p.binary(.add, p.load(x), p.load(x)))
    #expect(throws: CodegenError.self) {
      try emitKernel(
        Schedule.Kernel(name: "half", comment: [], program: p), name: "k", form: .tile)
    }
  }
}
