// Operations of a user's own: every back end, gradients, and text that means no good.

import MartletExecution
import MartletIR
import MartletJIT
import MartletLoops
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// y = x / (1 + |x|) and its derivative, in C both.
private let softsign = CustomOperation(
  "softsign", code: .expression("x0 / (1 + fabsf(x0)) // as in Turian et al."),
  gradient: .rule { b in [softsignGradient(b.inputs[0], b.cotangents[0])] },
  reference: { x in
    [try NDArray(x[0].floats.map { $0 / (1 + abs($0)) }, shape: x[0].shape)]
  })

private let softsignGradient = CustomOperation(
  "soft sign's gradient", code: .expression("x1 / ((1 + fabsf(x0)) *\n(1 + fabsf(x0)))"),
  gradient: .none(because: "nobody needed a second one"),
  reference: { x in
    let values = zip(x[0].floats, x[1].floats).map { $1 / ((1 + abs($0)) * (1 + abs($0))) }
    return [try NDArray(values, shape: x[0].shape)]
  })

/// Rows divided by their lengths, and the lengths: two results, units that are rows, a preamble.
private let normalized = CustomOperation(
  "normalized",
  code: .kernel(
    """
    const long n = x0_shape[1];
    for (long row = begin; row < end; ++row) {
      double sum = 0;
      for (long i = 0; i < n; ++i) sum += square(x0[row * n + i]);
      y1[row] = sqrt(sum);
      for (long i = 0; i < n; ++i) y0[row * n + i] = x0[row * n + i] / y1[row];
    }
    """, preamble: "static double square(double x) { return x * x; }"),
  results: { types in
    guard let type = types.first, type.dtype == .float64, type.shape.rank == 2 else {
      throw Refusal(text: "takes a matrix of f64")
    }
    return [type, TensorType(.float64, [type.shape[0]])]
  },
  units: { operands, _ in operands[0].shape[0] },
  gradient: .rule { b in
    // d(x/|x|) = (dy − y⟨y, dy⟩)/|x|, d|x| = y
    let (y, r) = (b.results[0], b.results[1].expandedDims(at: 1))
    let dy = b.cotangents[0]
    let along = (y * dy).sum(axes: [1], keepDims: true)
    return [(dy - y * along) / r + y * b.cotangents[1].expandedDims(at: 1)]
  },
  reference: { x in
    let n = x[0].shape[1]
    let rows = x[0].doubles
    let lengths = (0..<x[0].shape[0]).map { row in
      rows[(row * n)..<((row + 1) * n)].reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
    let values = rows.indices.map { rows[$0] / lengths[$0 / n] }
    return [
      try NDArray(values, shape: x[0].shape), try NDArray(lengths, shape: [lengths.count]),
    ]
  })

private struct Refusal: Error, CustomStringConvertible {
  var text: String
  var description: String { text }
}

/// y[i] = x[i] in reverse, as a C function of this process.
private let mirrored = CustomOperation(
  "mirrored",
  code: .function { pointers, begin, end, _ in
    guard let pointers, let x = pointers[0], let y = pointers[1] else { return }
    let source = x.assumingMemoryBound(to: Int32.self)
    let target = y.assumingMemoryBound(to: Int32.self)
    for index in begin..<end { target[index] = source[6 - index] }
  }, isParallel: false, gradient: .none(because: "integers"),
  reference: { x in
    let values = try x[0].elements(as: Int32.self)
    return [try NDArray(Array(values.reversed()), shape: x[0].shape)]
  })

private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch let error as CompileError {
    return "\(error.code): \(error)"
  } catch { return "another error: \(error)" }
}

private func made(
  _ code: CustomOperation.Code, _ name: String = "mine",
  results: @escaping @Sendable ([TensorType]) throws -> [TensorType] = { Array($0.prefix(1)) },
  gradient: CustomOperation.Derivative = .none(because: "a test")
) -> CustomOperation {
  CustomOperation(name, code: code, results: results, gradient: gradient, reference: { $0 })
}

@Suite struct CustomOperationTests {
  static let backends: [CompileOptions.Backend] =
    [.tcc, .interpreter] + (SystemCompiler.find() == nil ? [] : [.cc])

  @Test(arguments: backends, [1, 3])
  func expressionsRunAndDifferentiate(_ backend: CompileOptions.Backend, _ threads: Int) throws {
    let options = try testOptions(backend, threads: threads)
    let f = try compile(TensorSpec([3, 5000]), TensorSpec([5000]), options: options) { x, s in
      // A view, a broadcast, and emitted kernels around it.
      softsign((x * 2).transposed([1, 0])).transposed([1, 0]) * s
    }
    let x = try NDArray((0..<15_000).map { Float($0 % 777 - 388) / 100 }, shape: [3, 5000])
    let s = try NDArray((0..<5000).map { Float($0 % 3) }, shape: [5000])
    let expected = zip(x.floats.indices, x.floats).map { index, value in
      2 * value / (1 + abs(2 * value)) * Float(index % 5000 % 3)
    }
    #expect(try f(x, s).floats == expected)
    let g = try compile(TensorSpec([7]), options: options) { x in
      gradients(of: (softsign(x) * softsign(x)).sum(), wrt: [x])[0]
    }
    let point: [Float] = [-3, -1, -0.5, 0, 0.25, 2, 8]
    let slope = point.map { x -> Float in
      let d = 1 + abs(x)
      return 2 * (x / d) / (d * d)
    }
    for (a, b) in zip(try g(try NDArray(point)).floats, slope) { #expect(abs(a - b) < 1e-7) }
  }

  @Test(arguments: backends)
  func kernelsHaveSeveralResults(_ backend: CompileOptions.Backend) throws {
    let f = try Function(
      specs: [TensorSpec([37, 9], .float64)], options: try testOptions(backend, threads: 2),
      isTraining: false
    ) { _, x in
      let both = normalized.results(of: [x[0]])
      return [(name: "y", tensor: both[0]), (name: "r", tensor: both[1])]
    }
    var generator = SplitMix64(seed: 5)
    let x = try NDArray(.random(TensorType(.float64, [37, 9]), in: -2...2, &generator))
    let exact = try normalized.definition.reference([x.hostArray])
    for (found, wanted) in zip(try f.run([x]), exact) {
      #expect(difference(found.hostArray, wanted, ulp: 2) == nil)
    }
  }

  @Test func gradientsHoldAgainstDifferences() throws {
    var generator = SplitMix64(seed: 6)
    let type = TensorType(.float64, [4, 3])
    let point = HostArray.random(type, in: 0.5...2, &generator)
    let found = try checkGradient([type], at: [point], &generator) { x in
      normalized.results(of: [x[0]])
    }
    #expect(found.mismatch(1e-7) == nil)
    // Forward mode: the rule transposed, and the expression's own.
    let tangent = HostArray.random(type, in: -1...1, &generator)
    let f = try TracedFunction([type, type]) { x in
      let y = normalized.results(of: [x[0]])
      let direct = x[0] / sqrt((x[0] * x[0]).sum(axes: [1], keepDims: true))
      return jvp(of: [y[0]], wrt: [x[0]], tangents: [x[1]])
        + jvp(of: [direct], wrt: [x[0]], tangents: [x[1]])
    }
    let pair = try f([point, tangent])
    #expect(difference(pair[0], pair[1], ulp: 0, absolute: 1e-13) == nil)
  }

  @Test(arguments: backends)
  func functionsOfTheProcessAreCalled(_ backend: CompileOptions.Backend) throws {
    let f = try compile(TensorSpec([7], .int32), options: try testOptions(backend, threads: 2)) {
      mirrored($0) + 1
    }
    let found = try f(try NDArray([1, 2, 3, 4, 5, 6, 7] as [Int32])).elements(as: Int32.self)
    #expect(found == [8, 7, 6, 5, 4, 3, 2])
  }

  /// Neither CSE nor the code cache may take one for the other; nor may a constant be folded.
  @Test func equalNamesAreNotEqualOperations() throws {
    func twin(_ text: String) -> CustomOperation { made(.expression(text), "twin") }
    let (a, b) = (twin("x0 + 1"), twin("x0 + 2"))
    let x = try NDArray([1, 2] as [Float])
    let both = try compile(TensorSpec([2]), options: try testOptions()) { a($0) * b($0) + a($0) }
    #expect(try both(x).floats == [8, 15])
    // One call of each: the second call of `a` is the first.
    #expect(both.program.graph.nodes.count { $0.op is Custom } == 2)
    for (operation, expected) in [(a, [2, 3] as [Float]), (b, [3, 4]), (a, [2, 3])] {
      let f = try compile(TensorSpec([2]), options: try testOptions()) { operation($0) }
      #expect(try f(x).floats == expected)
    }
    let constant = try compile(TensorSpec([1]), options: try testOptions()) { x in
      a(zerosLike(x)) + x
    }
    #expect(try constant(try NDArray([5] as [Float])).floats == [6])
  }

  @Test func codeOutlivesTheCache() throws {
    let first = made(.expression("x0 + 0.5f"))
    let f = try compile(TensorSpec([3]), options: try testOptions()) { first($0) }
    for index in 0..<80 {
      let other = made(.expression("x0 + \(index)"))
      let g = try compile(TensorSpec([3]), options: try testOptions()) { other($0) }
      #expect(try g(try NDArray(zeros: [3])).floats[0] == Float(index))
    }
    #expect(try f(try NDArray(zeros: [3])).floats == [0.5, 0.5, 0.5])
  }

  // MARK: Mistakes

  @Test(arguments: backends.filter { $0 != .interpreter })
  func theCompilersWordsAndTheUsersLine(_ backend: CompileOptions.Backend) throws {
    func text(_ code: CustomOperation.Code) throws -> String {
      let operation = made(code, "my \"*/ op\n#error")
      let options = try testOptions(backend)
      return message { _ = try compile(TensorSpec([4]), options: options) { operation($0) } }
    }
    let kernel = try text(.kernel("long n = 1;\nn = m + 1;\ny0[0] = n;"))
    #expect(kernel.hasPrefix("custom-operation: "), "\(kernel)")
    #expect(kernel.contains("line 2: ") && kernel.contains("n = m + 1;"), "\(kernel)")
    #expect(kernel.contains("CustomOperationTests.swift:"), "\(kernel)")
    let expression = try text(.expression("x0 +\n* nothing"))
    #expect(expression.contains("line 2: ") && expression.contains("* nothing"), "\(expression)")
    let preamble = try text(.kernel("y0[0] = 1;", preamble: "int f(void) {\n  return q;\n}"))
    #expect(preamble.contains("line 2: ") && preamble.contains("return q;"), "\(preamble)")
    let unknown = try text(.kernel("martlet_unknown(); y0[0] = 1;"))
    #expect(unknown.contains("martlet_unknown"), "\(unknown)")
  }

  @Test func bracketsAreLookedAtFirst() throws {
    func text(_ code: CustomOperation.Code) throws -> String {
      let operation = made(code)
      let options = try testOptions()
      return message { _ = try compile(TensorSpec([4]), options: options) { operation($0) } }
    }
    let cases: [(CustomOperation.Code, String)] = [
      (.kernel("y0[0] = 1;\n} void k00(void) {"), "line 2: '}' closes nothing"),
      (.kernel("if (1) {\n\n y0[0] = 1;"), "line 1: '{' is never closed"),
      (.kernel("y0[(0])= 1;"), "line 1: ']' closes nothing"),
      (.kernel("/* y0[0] = 1;"), "line 1: a comment that does not end"),
      (.kernel("char *s = \"}\n;"), "line 1: a literal that does not end"),
      (.kernel("y0[0] = 1;", preamble: "}"), "preamble: line 1: '}' closes nothing"),
      (.expression("x0); evil((1)"), "line 1: ')' closes nothing"),
      (.expression("x0; evil()"), "line 1: ';' in an expression"),
      (.kernel("y0[0] = 1;\u{0}"), "line 1: a zero byte"),
    ]
    for (code, expected) in cases {
      let found = try text(code)
      #expect(found.hasPrefix("custom-operation: ") && found.contains(expected), "\(found)")
    }
    // Brackets in strings, characters and comments are none.
    let fine = made(.kernel("char *s = \"}\\\"\"; char c = '{'; /* ) */ y0[0] = s[0] - c; // ]"))
    let f = try compile(TensorSpec([1]), options: try testOptions()) { fine($0) }
    #expect(try f(try NDArray(zeros: [1])).floats == [2])
  }

  /// A user's macros and functions are no others'.
  @Test(arguments: backends.filter { $0 != .interpreter })
  func namesStayInside(_ backend: CompileOptions.Backend) throws {
    let preamble = """
      #define float double
      void martlet_run(void) {}
      void mt_parallel(void) {}
      void k00_add(void) {}
      """
    let (a, b) = (
      made(
        .kernel(
          "y0[0] = helper(1);", preamble: preamble + "\nstatic int helper(int x) { return x; }")),
      made(
        .kernel(
          "y0[0] = helper(1);", preamble: preamble + "\nstatic int helper(int x) { return 2; }"))
    )
    let f = try compile(TensorSpec([1]), options: try testOptions(backend)) { x in
      a(x + 1) * 10 + b(x * 2)
    }
    #expect(try f(try NDArray(zeros: [1])).floats[0].isFinite)
    let text = message {
      let operation = made(.kernel("y0[0] = 1;"), "*/ \" mt_evil")
      _ = try compile(TensorSpec([1]), options: try testOptions(backend)) { operation($0) }
    }
    #expect(text == "no error", "\(text)")
  }

  @Test func typesAndGradientsAreChecked() throws {
    func text(
      _ operation: CustomOperation,
      _ body: @escaping (Tensor, CustomOperation) -> Tensor = { $1($0) }
    ) throws -> String {
      let options = try testOptions()
      return message { _ = try compile(TensorSpec([4]), options: options) { body($0, operation) } }
    }
    #expect(try text(normalized).contains("normalized: takes a matrix of f64"))
    let none = try text(made(.expression("x0"), results: { _ in [] }))
    #expect(none.contains("mine: has no results"), "\(none)")
    let shape = try text(
      made(.expression("x0"), results: { _ in [TensorType(.float32, [5])] }))
    #expect(shape.contains("operands of its shape"), "\(shape)")
    let second = try text(softsign) { x, op in
      let first = gradients(of: op(x).sum(), wrt: [x])[0]
      return gradients(of: first.sum(), wrt: [x])[0]
    }
    #expect(second.contains("nobody needed a second one"), "\(second)")
    func slope(_ rule: @escaping CustomGradientRule) throws -> String {
      try text(made(.expression("x0"), gradient: .rule(rule))) { x, op in
        gradients(of: op(x).sum(), wrt: [x])[0]
      }
    }
    let count = try slope { _ in [] }
    #expect(count.contains("gives 0 cotangents for 1 operands"), "\(count)")
    let type = try slope { [$0.inputs[0].sum()] }
    #expect(type.contains("gives f32[] for an operand of f32[4]"), "\(type)")
    #expect(try slope { _ in [nil] } == "no error")
  }

  // MARK: Gradients of one's own for composites

  @Test func gradientsAreReplaced() throws {
    let type = TensorType(.float64, [5])
    let f = try TracedFunction([type]) { x in
      let scale = x[0].sum()
      let y = customGradient([x[0]], of: { [sign($0[0]) * scale, $0[0]] }) { b in
        [select(abs(b.inputs[0]) .<= 1, b.cotangents[0] + b.cotangents[1] * 100, 0)]
      }
      let w = x[0].trace.constant(HostArray(type, [1.0, 2, 3, 4, 5]))
      return [
        y[0], gradients(of: (y[0] * w).sum(), wrt: [x[0]])[0],
        gradients(of: y[1].sum(), wrt: [x[0]])[0],
        jvp(of: [y[0]], wrt: [x[0]], tangents: [w])[0],
      ]
    }
    let found = try f([HostArray(type, [-2.0, -0.5, 0.25, 1, 3])]).map(\.doubles)
    #expect(found[0] == [-1.75, -1.75, 1.75, 1.75, 1.75])
    #expect(found[1] == [0, 2, 3, 4, 0] && found[2] == [0, 100, 100, 100, 0])
    #expect(found[3] == [0, 2, 3, 4, 0])
    // Nothing of it is left in a program.
    let options = try testOptions()
    let program = try compile(TensorSpec([5]), options: options) { x in
      customGradient([x], of: { [tanh($0[0])] }, gradient: { [$0.cotangents[0]] })[0]
    }.program
    #expect(program.graph.nodes.map { $0.op.name } == ["tanh"])
    let wrong = message {
      _ = try compile(TensorSpec([5]), options: options) { x in
        let y = customGradient([x], of: { [tanh($0[0])] }, gradient: { _ in [] })[0]
        return gradients(of: y.sum(), wrt: [x])[0]
      }
    }
    #expect(wrong.contains("gives 0 cotangents for 1 operands"), "\(wrong)")
  }
}
