// Random tile programs through both printers and both compilers, against their plain meaning.

import CMartletRuntime
import Foundation
import MartletCodegen
import MartletIR
import MartletJIT
import MartletLoops
import Testing

@Suite struct RunTests {
  typealias Kernel =
    @convention(c) (
      UnsafePointer<UnsafeMutableRawPointer?>, Int, Int, UnsafeMutableRawPointer
    ) -> Void

  /// How many programs; MARTLET_FUZZ asks for more.
  static func seeds(_ count: Int) -> Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["MARTLET_SEED"].flatMap { UInt64($0) } ?? 0
    return first..<(first + UInt64(environment["MARTLET_FUZZ"].flatMap { Int($0) } ?? count))
  }

  @Test func tileFormComputesItsProgram() throws {
    try check(RunTests.seeds(600), .tile, .tcc)
  }

  @Test func tileFormWithoutSuperinstructions() throws {
    var options = EmissionOptions()
    options.usesSuperinstructions = false
    options.tileElements = 64
    try check(RunTests.seeds(150), .tile, .tcc, options)
  }

  @Test(.enabled(if: SystemCompiler.find() != nil))
  func scalarFormComputesItsProgram() throws {
    try check(RunTests.seeds(200), .scalar, .cc)
  }

  /// Other instruction sets have other vector lengths, and polynomials without fused multiply-add.
  @Test(arguments: InstructionSet.allCases.filter { $0.isSupported && $0 != .best })
  func otherInstructionSets(_ isa: InstructionSet) throws {
    let kernels = RunTests.seeds(100).map { ($0, RandomKernel(seed: $0)) }
    try check(kernels, .tile, .tcc, EmissionOptions(), isa)
    if SystemCompiler.find() != nil {
      try check(Array(kernels.prefix(50)), .scalar, .cc, EmissionOptions(), isa)
    }
  }

  @Test func chainSoftmaxAndGradient() throws {
    for (program, rows) in [
      (Samples.chain, 1000), (Samples.biasReLU, 77), (Samples.softmax(cols: 10), 77),
      (Samples.softmax(cols: 1000), 3), (Samples.biasGradient, 300),
      (Samples.layerNorm(cols: 10), 300), (Samples.layerNorm(cols: 600), 300),
    ] {
      for isLarge in [false, true] {
        let kernel = RandomKernel(RunTests.sized(program, isLarge), rows: rows, seed: 1)
        try check([(1, kernel)], .tile, .tcc, EmissionOptions())
      }
    }
  }

  /// Stores past the caches, and fetches of the next tile, change no bit.
  @Test func largeBuffersComputeTheSame() throws {
    let kernels = RunTests.seeds(200).map { seed -> (UInt64, RandomKernel) in
      var kernel = RandomKernel(seed: seed)
      kernel.program = RunTests.sized(kernel.program, true)
      return (seed, kernel)
    }
    try check(kernels, .tile, .tcc, EmissionOptions())
  }

  private static func sized(_ program: TileProgram, _ isLarge: Bool) -> TileProgram {
    var program = program
    program.fetchesAhead = isLarge
    for index in program.buffers.indices where program.buffers[index].role == .output {
      program.buffers[index].isStreamed = isLarge
    }
    return program
  }

  @Test func largeFormsExist() {
    for name in streamablePrimitives {
      #expect(mt_find_symbol("mt_stream_" + name.dropFirst(3)) != nil, "\(name)")
    }
    for name in slowPrimitives {
      #expect(mt_find_symbol("mt_ahead_" + name.dropFirst(3)) != nil, "\(name)")
    }
    #expect(mt_find_symbol("mt_stream_end") != nil)
  }

  /// y and z in the memory of a and r: read again after the first store of the block, and by a copy.
  @Test(arguments: EmissionForm.allCases)
  func readsAfterStoresSeeTheOldValues(_ form: EmissionForm) throws {
    var p = TileProgram(rows: 0, cols: 10)
    let a = p.input("a"), r = p.input("r"), y = p.output("y"), spread = p.output("spread")
    let z = p.output("z"), w = p.output("w")
    let x = p.load(a)
    let row = p.append(.load(buffer: r, .flat), .float32, .row)
    let twice = p.binary(.add, x, x)
    p.store(y, twice)
    let sum = p.append(.reduceRow(.sum, twice), .float32, .row)
    _ = p.append(.store(buffer: z, sum), .float32, .row)
    p.store(spread, row)
    p.store(w, p.binary(.sub, x, sum))
    for seed in UInt64(0)..<4 {
      var kernel = RandomKernel(p, rows: 77, seed: seed)
      kernel.inPlace = [(y, a), (z, r)]
      if seed > 1 { kernel.aliasing = Aliasing(pairs: [.init(y, a), .init(z, r)]) }
      if form == .tile || SystemCompiler.find() != nil {
        try check([(seed, kernel)], form, form == .tile ? .tcc : .cc, EmissionOptions())
      }
    }
  }

  // MARK: - Running

  private func check(
    _ seeds: Range<UInt64>, _ form: EmissionForm, _ backend: Backend,
    _ options: EmissionOptions = EmissionOptions()
  ) throws {
    try check(seeds.map { ($0, RandomKernel(seed: $0)) }, form, backend, options)
  }

  private func check(
    _ kernels: [(seed: UInt64, kernel: RandomKernel)], _ form: EmissionForm, _ backend: Backend,
    _ options: EmissionOptions, _ isa: InstructionSet = .best
  ) throws {
    // One text for many kernels: a system compiler takes most of its time to start.
    var text = ""
    var symbols: Set<String> = []
    var emitted: [EmittedKernel] = []
    for (seed, kernel) in kernels {
      let description = Schedule.Kernel(
        name: "", comment: ["seed \(seed)"], program: kernel.program)
      let one = try emitKernel(
        description, name: "k\(seed)", form: form, options: options, aliasing: kernel.aliasing)
      emitted.append(one)
      text += one.text
      symbols.formUnion(one.symbols)
    }
    let source = EmittedSource(
      text, form: form == .tile ? .tile : .scalar, symbols: symbols.sorted())
    let code = try JIT(backend: backend, isa: isa).compile(source)
    for (index, (seed, kernel)) in kernels.enumerated() {
      let address = try code.function(named: "k\(seed)")
      var kernel = kernel
      let problem = RunTests.run(
        &kernel, unsafeBitCast(address, to: Kernel.self), isa,
        scratchBytes: emitted[index].scratchBytes)
      if let problem {
        Issue.record("seed \(seed), \(form), \(isa): \(problem)\n\(emitted[index].text)")
        return
      }
    }
    withExtendedLifetime(code) {}
  }

  /// Runs a kernel over its ranges; nil when every buffer holds what it should.
  private static func run(
    _ kernel: inout RandomKernel, _ function: Kernel, _ isa: InstructionSet, scratchBytes: Int
  ) -> String? {
    let program = kernel.program
    var reference = Reference(program, rows: kernel.rows, isa: isa)
    let expected = kernel.contents.map { Memory($0) }
    reference.run(expected)
    guard reference.missing.isEmpty else { return "no \(reference.missing.sorted())" }

    var actual = kernel.contents.map { Memory($0) }
    for pair in kernel.inPlace { actual[pair.output] = actual[pair.input] }
    let overwritten = Set(kernel.inPlace.map(\.input))
    let scratch = Memory(byteCount: scratchBytes)
    let pointers = actual.map { Optional($0.pointer) }
    for range in kernel.ranges() {
      // Nothing may be left from one range to the next.
      scratch.pointer.initializeMemory(as: UInt8.self, repeating: 0xFF, count: scratchBytes)
      pointers.withUnsafeBufferPointer { buffer in
        if let start = buffer.baseAddress {
          function(start, range.lowerBound, range.upperBound, scratch.pointer)
        }
      }
    }
    guard scratch.canariesAreIntact else { return "writes outside of scratch" }
    for (index, memory) in actual.enumerated() {
      guard memory.canariesAreIntact else { return "writes outside of buffer \(index)" }
      if overwritten.contains(index) { continue }
      if let element = firstDifference(
        memory.bytes, expected[index].bytes, program.buffers[index].dtype)
      {
        let size = program.buffers[index].dtype.byteCount
        let place = (element * size)..<((element + 1) * size)
        return "buffer \(index) differs at element \(element), \(Array(memory.bytes[place])) "
          + "for \(Array(expected[index].bytes[place])); in place: \(kernel.inPlace)"
      }
    }
    return nil
  }

  /// The first element of other bits; one NaN is as good as another.
  private static func firstDifference(_ a: [UInt8], _ b: [UInt8], _ dtype: DType) -> Int? {
    if a == b { return nil }
    let size = dtype.byteCount
    for element in 0..<(a.count / size) {
      let x = Array(a[(element * size)..<((element + 1) * size)])
      let y = Array(b[(element * size)..<((element + 1) * size)])
      if x == y { continue }
      let areNaN =
        switch dtype {
        case .float32:
          [x, y].allSatisfy { $0.withUnsafeBytes { $0.loadUnaligned(as: Float.self) }.isNaN }
        case .float64:
          [x, y].allSatisfy { $0.withUnsafeBytes { $0.loadUnaligned(as: Double.self) }.isNaN }
        default: false
        }
      if !areNaN { return element }
    }
    return nil
  }
}
