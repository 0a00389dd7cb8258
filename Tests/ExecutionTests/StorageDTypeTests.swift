// Dtypes that are stored in one form and computed with in another: what the compiler makes of them is
// what the interpreter says, which computes in their own.

import MartletExecution
import MartletIR
import MartletJIT
import MartletOps
import MartletTestSupport
import Testing

@Suite struct StorageDTypeTests {
  private static let halves: [DType] = [.float16, .bfloat16]
  private static let integers: [DType] = [.int8, .int16, .uint16, .uint32, .uint64]

  /// Edges of a dtype and of its neighbours, and numbers at random.
  private static func values(_ dtype: DType, _ count: Int, _ seed: String) -> HostArray {
    var generator = SplitMix64(seed + dtype.rawValue)
    let type = TensorType(dtype, [count])
    if dtype.isFloatingPoint {
      let edges: [Double] = [
        0, -0.0, 1, -1, .infinity, -.infinity, .nan, 65504, 65520, 0x1p-24, 0x1p-25, 0x1p-14,
        3e38, 1e-3, 127.5, -128.5, 255, 256, 0x1p63, 0x1p64, -0x1p63, 4294967295, 4294967296,
      ]
      return HostArray(
        type,
        (0..<count).map { index -> Double in
          index < edges.count ? edges[index] : Double.random(in: -300...300, using: &generator)
        })
    }
    let edges: [Int64] = [
      0, 1, -1, 2, 3, 7, 127, -128, 255, 32767, -32768, 65535, 2_147_483_647, -2_147_483_648,
      4_294_967_295, .max, .min, .min + 1, 1 << 53, (1 << 53) + 1,
    ]
    return HostArray(
      type,
      (0..<count).map { index -> Int64 in
        switch generator.next() % 3 {
        case 0: edges[Int(generator.next() % UInt64(edges.count))]
        case 1: Int64.random(in: -20...20, using: &generator)
        default: Int64(bitPattern: generator.next())
        }
      })
  }

  private func compare(
    _ cases: [CompiledCase], ulp: (any Op) -> Double, _ options: CompileOptions
  ) throws {
    for (item, actual) in zip(cases, try runCompiled(cases, options)) {
      let expected = try item.op.evaluate(item.inputs, item.regions)
      for (x, y) in zip(actual, expected) {
        let found = difference(x, y, ulp: ulp(item.op), absolute: 1.2e-38)
        #expect(found == nil, "\(item.label): \(found ?? "")")
      }
    }
  }

  @Test func integerArithmetic() throws {
    let ops: [any Op] = [
      Add(), Subtract(), Multiply(), Divide(), Remainder(), Maximum(), Minimum(), Power(),
      Compare(.lt), Compare(.ge), Compare(.eq),
    ]
    let cases = Self.integers.flatMap { dtype -> [CompiledCase] in
      let (x, y) = (Self.values(dtype, 300, "x"), Self.values(dtype, 300, "y"))
      return ops.map { CompiledCase($0, [x, y]) }
        + ([Negate(), Abs(), Sign()] as [any Op]).map { CompiledCase($0, [x]) }
    }
    try compare(cases, ulp: { _ in 0 }, testOptions())
  }

  /// + − · / and √ in f32 rounded again are rounded once: 24 ≥ 2·11 + 2 bits (Figueroa, 1995).
  @Test(arguments: [CompileOptions.Backend.tcc, .cc])
  func halfArithmetic(_ backend: CompileOptions.Backend) throws {
    if backend == .cc, SystemCompiler.find() == nil { return }
    let exact: [any Op] = [Add(), Subtract(), Multiply(), Divide(), Maximum(), Minimum()]
    let cases = Self.halves.flatMap { dtype -> [CompiledCase] in
      let (x, y) = (Self.values(dtype, 400, "x"), Self.values(dtype, 400, "y"))
      let small = HostArray.random(TensorType(dtype, [200]), dtype)
      return exact.map { CompiledCase($0, [x, y]) }
        + ([Sqrt(), Abs(), Negate(), Round()] as [any Op]).map { CompiledCase($0, [x]) }
        + ([Exp(), Tanh(), Logistic(), Erf(), Sin()] as [any Op]).map { CompiledCase($0, [small]) }
    }
    try compare(
      cases, ulp: { $0 is Exp || $0 is Tanh || $0 is Logistic || $0 is Erf || $0 is Sin ? 1 : 0 },
      testOptions(backend))
  }

  /// Every pair of dtypes, at the edges: rounding once, saturation, wrapping.
  @Test func conversions() throws {
    let cases = DType.allCases.filter { $0 != .bool }.flatMap { from in
      DType.allCases.map { CompiledCase(Convert(to: $0), [Self.values(from, 200, "convert")]) }
    }
    try compare(cases, ulp: { _ in 0 }, testOptions())
  }

  /// Every one of the 65,536 halves comes back from f32, and a double rounds to it once.
  @Test(arguments: halves) func everyHalf(_ dtype: DType) throws {
    let bits = (0...65535).map { Int64($0) }
    let bytes = try NDArray(HostArray(TensorType(.uint16, [65536]), bits))
    let all = bytes.withUnsafeBytes { HostArray(bytes: $0, TensorType(dtype, [65536])) }
    #expect(
      all.doubles.indices.allSatisfy { index in
        let x = all.doubles[index]
        let back = Int64(dtype.bits(ofHalf: x))
        return x.isNaN ? dtype.halfIsNaN(back) : back == bits[index]
      })
    var generator = SplitMix64("between")
    let between = all.doubles.map { x in
      x.isFinite ? x + x.ulp * Double.random(in: -0x1p45...0x1p45, using: &generator) : x
    }
    let doubles = HostArray(TensorType(.float64, [65536]), between)
    let cases = [
      CompiledCase(Convert(to: .float32), [all]), CompiledCase(Convert(to: dtype), [doubles]),
      CompiledCase(Convert(to: dtype), [HostArray(TensorType(.float32, [65536]), between)]),
    ]
    for (item, actual) in zip(cases, try runCompiled(cases, testOptions())) {
      let expected = try item.op.evaluate(item.inputs, [])[0]
      let found = difference(actual[0], expected, ulp: 0, absolute: 1.2e-38)
      #expect(found == nil, "\(item.label): \(found ?? "")")
    }
  }

  /// Views, indexing, sums, products, sorting and convolution over storage dtypes.
  @Test func everythingElse() throws {
    func array(_ dtype: DType, _ shape: Shape) -> HostArray {
      var generator = SplitMix64("else \(dtype) \(shape)")
      return HostArray.random(
        TensorType(dtype, shape), in: dtype.isUnsigned ? 0...9 : -9...9, &generator)
    }
    let cases = (Self.halves + Self.integers).flatMap { dtype -> [CompiledCase] in
      let x = array(dtype, [6, 10])
      let zero = array(dtype, [])
      let index = HostArray(TensorType(.int32, [4]), [3.0, 0, 5, 5])
      let places = HostArray(TensorType(.int32, [6, 2]), (0..<12).map { Double($0 % 10) })
      return [
        CompiledCase(Transpose([1, 0]), [x]), CompiledCase(Reverse(axes: [1]), [x]),
        CompiledCase(Slice(start: [1, 2], limit: [6, 9], stride: [2, 3]), [x]),
        CompiledCase(Pad(low: [1, -1], high: [0, 2], interior: [1, 0]), [x, zero]),
        CompiledCase(Broadcast(shape: [6, 10], axes: [1]), [array(dtype, [10])]),
        CompiledCase(Broadcast(shape: [6, 70], axes: [0]), [array(dtype, [6])]),
        CompiledCase(Concatenate(axis: 1), [x, x]), CompiledCase(Gather(axis: 0), [x, index]),
        CompiledCase(TakeAlong(axis: 1), [x, places]),
        CompiledCase(Iota(TensorType(dtype, [5, 7]), axis: 1), []),
        CompiledCase(
          Select(),
          [HostArray(TensorType(.bool, [6, 10]), x.doubles.map { $0 > 2 ? 1.0 : 0 }), x, x]),
        CompiledCase(ReduceMax(axes: [1]), [x]), CompiledCase(ReduceSum(axes: [0]), [x]),
        CompiledCase(ArgMax(axis: 1), [x]), CompiledCase(ArgSort(axis: 1, descending: true), [x]),
        CompiledCase(CumulativeSum(axis: 1, exclusive: false, reverse: false), [x]),
        CompiledCase(
          Dot(DotAxes(leftContract: [1], rightContract: [0])), [x, array(dtype, [10, 5])]),
      ]
    }
    for options in [try testOptions(), try testOptions(disable: ["fuse", "plan"])] {
      try compare(cases, ulp: { $0 is Dot || $0 is ReduceSum ? 2 : 0 }, options)
    }
  }

  /// Arguments, literals and results keep the dtype; only arithmetic is done in another.
  @Test func programsOverStorageDTypes() throws {
    let bfloat = DType.bfloat16
    let scale = try compile(TensorSpec([4], .bfloat16), options: testOptions()) { $0 * 3 + 0.1 }
    let x: [Double] = [1, 2, -3, 0.5]
    let y = try scale(NDArray(HostArray(TensorType(.bfloat16, [4]), x)))
    #expect(y.dtype == .bfloat16)
    #expect(y.doubles == x.map { bfloat.rounded(bfloat.rounded(3 * $0) + bfloat.rounded(0.1)) })

    let third = try compile(TensorSpec([3], .uint64), options: testOptions()) { $0 / 3 }
    let n: [Int64] = [-1, 7, .min]
    let q = try third(NDArray(HostArray(TensorType(.uint64, [3]), n)))
    let expected: [UInt64] = [UInt64.max / 3, 2, (UInt64(1) << 63) / 3]
    #expect(q.hostArray.integers.map { UInt64(bitPattern: $0) } == expected)
  }
}

extension DType {
  fileprivate func halfIsNaN(_ bits: Int64) -> Bool {
    self == .float16 ? bits & 0x7FFF > 0x7C00 : bits & 0x7FFF > 0x7F80
  }
}

extension HostArray {
  /// Numbers at which exponentials do not overflow.
  fileprivate static func random(_ type: TensorType, _ dtype: DType) -> HostArray {
    var generator = SplitMix64("small \(dtype)")
    return random(type, in: -4...4, &generator)
  }
}
