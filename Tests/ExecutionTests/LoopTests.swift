// Loops: traced, differentiated and compiled as the same steps written out.

import MartletExecution
import MartletIR
import MartletJIT
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// A recurrent net over `x` [T, B, I] with a hidden state [B, H]: the states and the last one.
private func recurrence(
  _ x: Tensor, _ h: Tensor, _ input: Tensor, _ hidden: Tensor, _ bias: Tensor,
  reversed: Bool = false
) -> [Tensor] {
  let (last, ys) = scan(over: [x], carrying: [h], reversed: reversed) { carry, x in
    let next = tanh(matmul(x[0], input) + matmul(carry[0], hidden) + bias)
    return ([next], [next])
  }
  return ys + last
}

/// The same, step by step.
private func unrolled(
  _ x: Tensor, _ h: Tensor, _ input: Tensor, _ hidden: Tensor, _ bias: Tensor,
  reversed: Bool = false
) -> [Tensor] {
  var h = h
  var ys = [Tensor](repeating: h, count: x.shape[0])
  for step in 0..<x.shape[0] {
    let t = reversed ? x.shape[0] - 1 - step : step
    h = tanh(matmul(x[t], input) + matmul(h, hidden) + bias)
    ys[t] = h
  }
  return [stack(ys, axis: 0), h]
}

private func types(_ length: Int, _ dtype: DType = .float64) -> [TensorType] {
  [[length, 3, 4], [3, 5], [4, 5], [5, 5], [5]].map { TensorType(dtype, $0) }
}

private func draw(_ types: [TensorType], _ name: String) -> [HostArray] {
  var generator = SplitMix64(name)
  return types.map { HostArray.random($0, in: -1...1, &generator) }
}

private func expectClose(_ a: [HostArray], _ b: [HostArray], ulp: Double = 64, _ label: String) {
  #expect(a.count == b.count)
  for (index, (x, y)) in zip(a, b).enumerated() {
    if let found = difference(x, y, ulp: ulp, scaled: true, absolute: 1e-14) {
      Issue.record("\(label), result \(index): \(found)")
    }
  }
}

@Suite struct LoopTests {
  /// Values, gradients and gradients of gradients, compiled, against the written-out steps.
  @Test(arguments: [false, true]) func isTheWrittenOutSteps(_ reversed: Bool) throws {
    let types = types(6)
    func derivatives(_ x: [Tensor], _ y: [Tensor]) -> [Tensor] {
      let loss = (y[0] * y[0]).sum() + y[1].sum()
      let first = gradients(of: loss, wrt: x)
      let norm = first.map { ($0 * $0).sum() }.reduce(x[0].trace.constant(0, .float64), +)
      return y + first + gradients(of: norm, wrt: x)
    }
    let inputs = draw(types, "recurrence")
    let loop = try TracedFunction(types) { x in
      derivatives(x, recurrence(x[0], x[1], x[2], x[3], x[4], reversed: reversed))
    }
    let steps = try TracedFunction(types) { x in
      derivatives(x, unrolled(x[0], x[1], x[2], x[3], x[4], reversed: reversed))
    }
    let expected = try steps(inputs)
    expectClose(try loop(inputs), expected, "interpreted")
    let fused = try runCompiled(loop.graph, inputs, options: testOptions())
    expectClose(fused, expected, "compiled")
    var checked = try testOptions(threads: 2)
    checked.checks = true
    let others = [
      try testOptions(disable: ["fuse"]), try testOptions(disable: ["loops", "cse"]),
      try testOptions(disable: ["plan", "schedule"]), checked,
    ]
    for options in others {
      let other = try runCompiled(loop.graph, inputs, options: options)
      #expect(zip(fused, other).allSatisfy { difference($0, $1, ulp: 0) == nil })
    }
  }

  /// Bodies that nobody wrote: every way through the compiler gives the same bits.
  @Test(arguments: 0..<24) func randomBodies(_ seed: UInt64) throws {
    var draw = SplitMix64(seed: seed ^ 0xB0D1)
    var random = RandomGraph(seed: seed)
    var body = random.graph
    // x0 is carried; the next carry is bounded and reads some value of its type.
    let carry = body.parameters[0].value
    let same = random.values.filter { body.type($0) == body.type(carry) }
    let other = same.randomElement(using: &draw) ?? carry
    let sum = try body.append(Add(), [carry, other])
    let next = try body.append(Tanh(), sum)
    let outputs = body.outputs
    body.outputs = []
    body.addOutput(next[0])
    for output in outputs { body.addOutput(output.value) }
    if Bool.random(using: &draw) { body.addOutput(next[0]) }
    random.graph = body
    let length = Int.random(in: 1...4, using: &draw)
    let scanned = Int.random(in: 0...3, using: &draw)
    let op = Scan(length: length, carries: 1, scanned: scanned, isReversed: seed % 2 == 0)
    var graph = Graph(name: "loop")
    let operands = body.parameters.enumerated().map { index, parameter in
      var type = body.type(parameter.value)
      if (1..<(1 + scanned)).contains(index) {
        type.shape = Shape([length] + type.shape.dimensions)
      }
      return graph.addParameter(type, name: parameter.name)
    }
    let results = try graph.append(op, operands, regions: [body])
    for result in results where Bool.random(using: &draw) { graph.addOutput(result) }
    if graph.outputs.isEmpty { graph.addOutput(results[0]) }
    if let found = defect(graph, seed: seed) { Issue.record("seed \(seed): \(found)\n\(graph)") }
  }

  @Test(.enabled(if: SystemCompiler.find() != nil)) func scalarFormIsTileForm() throws {
    let types = types(4, .float32)
    let f = try TracedFunction(types) { x in
      let y = recurrence(x[0], x[1], x[2], x[3], x[4])
      return y + gradients(of: y[0].sum(), wrt: x)
    }
    let inputs = draw(types, "forms")
    let tile = try runCompiled(f.graph, inputs, options: testOptions())
    let scalar = try runCompiled(f.graph, inputs, options: testOptions(.cc))
    #expect(zip(tile, scalar).allSatisfy { difference($0, $1, ulp: 0) == nil })
  }

  @Test func loopsNest() throws {
    // For each row a running sum of squares, itself carried from row to row.
    let types = [TensorType(.float64, [4, 3, 2]), TensorType(.float64, [2])]
    func nested(_ x: Tensor, _ h: Tensor) -> Tensor {
      scan(over: [x], carrying: [h]) { outer, rows in
        let inner = scan(over: [rows[0]], carrying: outer) { carry, row in
          let next = tanh(carry[0] * h + row[0] * row[0])
          return ([next], [next * outer[0]])
        }
        return (inner.carry, [inner.outputs[0].sum(axes: [0])])
      }.outputs[0]
    }
    func written(_ x: Tensor, _ h: Tensor) -> Tensor {
      var (carry, ys) = (h, [Tensor]())
      for i in 0..<4 {
        let outer = carry
        var sum: Tensor?
        for j in 0..<3 {
          carry = tanh(carry * h + x[i][j] * x[i][j])
          sum = sum.map { $0 + carry * outer } ?? carry * outer
        }
        if let sum { ys.append(sum) }
      }
      return stack(ys, axis: 0)
    }
    func derivatives(_ f: (Tensor, Tensor) -> Tensor, _ x: [Tensor]) -> [Tensor] {
      let y = f(x[0], x[1])
      let first = gradients(of: (y * y).sum(), wrt: x)
      return [y] + first + gradients(of: (first[0] * first[0]).sum() + first[1].sum(), wrt: x)
    }
    let inputs = draw(types, "nested")
    let loop = try TracedFunction(types) { derivatives(nested, $0) }
    let steps = try TracedFunction(types) { derivatives(written, $0) }
    let expected = try steps(inputs)
    expectClose(try loop(inputs), expected, "interpreted")
    expectClose(try runCompiled(loop.graph, inputs, options: testOptions()), expected, "compiled")
  }

  /// A body is lowered once however often it runs.
  @Test func codeDoesNotGrowWithTheSteps() throws {
    func program(_ length: Int) throws -> Program {
      let f = try TracedFunction(types(length, .float32)) { x in
        let y = recurrence(x[0], x[1], x[2], x[3], x[4])
        return gradients(of: y[0].sum(), wrt: x)
      }
      return try Compiler.compile(f.graph, state: [], written: [], options: testOptions())
    }
    let (short, long) = (try program(10), try program(1_000))
    #expect(short.report.kernels == long.report.kernels)
    #expect(abs(short.report.sourceBytes - long.report.sourceBytes) < 300)
  }

  /// Weights get their gradient in one product behind the loop; the cells' products alone stay in it.
  @Test func weightGradientsAreOneProduct() throws {
    let f = try TracedFunction(types(8, .float32)) { x in
      gradients(of: recurrence(x[0], x[1], x[2], x[3], x[4])[0].sum(), wrt: Array(x[2...]))
    }
    var graph = f.graph
    try PassManager(Pipeline.optimization).run(on: &graph, PassContext())
    let loops = graph.nodes.filter { $0.op is Scan }
    #expect(loops.count == 2)
    #expect(loops.allSatisfy { ($0.op as? Scan)?.carries == 1 })
    #expect(graph.nodes.filter { $0.op is Dot }.count >= 2)
  }

  @Test func drawsDifferFromStepToStep() throws {
    let spec = TensorSpec([16, 4])
    let f = try compile(spec, options: testOptions()) { x in
      scan(over: [x], carrying: []) { _, x in ([], [x[0].randomUniformLike()]) }.outputs[0]
    }
    let zeros = try NDArray([Float](repeating: 0, count: 64), shape: [16, 4])
    let first = try f(zeros).doubles
    #expect(Set(first).count == 64)
    let second = try f(zeros).doubles
    #expect(Set(first).isDisjoint(with: second))
    f.session.step = 0
    #expect(try f(zeros).doubles == first)
  }

  // MARK: while, conditional

  @Test func whileStopsInTime() throws {
    // Newton's iteration for a root, until it stands still.
    let f = try compile([TensorSpec([3]), TensorSpec([])], options: testOptions()) { v in
      whileLoop(carrying: [onesLike(v[0]), v[1] * 0], atMost: 40) { carry in
        (abs(carry[0] * carry[0] - v[0]) / v[0]).max() .> 1e-6
      } _: { carry in
        [(carry[0] + v[0] / carry[0]) * 0.5, carry[1] + 1]
      }
    }
    let one = try NDArray([Float(0)], shape: [])
    let found = try f.run([try NDArray([Float(2), 9, 100]), one])
    for (x, y) in zip(found[0].doubles, [1.414213562, 3, 10]) { #expect(abs(x - y) < 1e-5) }
    #expect((6...9).contains(found[1].doubles[0]))
    // From where it starts no step is taken, and never more than 40.
    #expect(try f.run([try NDArray([Float(1), 1, 1]), one])[1].doubles == [0])
    #expect(try f.run([try NDArray([Float(2), .nan, 1]), one])[1].doubles[0] <= 40)
  }

  @Test func conditionalRunsOneSide() throws {
    let types = [TensorType(.bool, []), TensorType(.float64, [3]), TensorType(.float64, [3])]
    func derivatives(_ x: [Tensor], _ y: Tensor) -> [Tensor] {
      let first = gradients(of: (y * y).sum(), wrt: Array(x[1...]))
      return [y] + first + gradients(of: (first[0] * first[1]).sum(), wrt: Array(x[1...]))
    }
    let branch = try TracedFunction(types) { x in
      derivatives(
        x, conditional(x[0], then: { [tanh(x[1]) * x[2]] }, else: { [x[2] * x[2] * x[2]] })[0])
    }
    for holds in [true, false] {
      let chosen = try TracedFunction(types) { x in
        derivatives(x, holds ? tanh(x[1]) * x[2] : x[2] * x[2] * x[2])
      }
      var inputs = draw(types, "branches")
      inputs[0] = HostArray(types[0], [holds ? 1.0 : 0])
      let expected = try chosen(inputs)
      expectClose(try branch(inputs), expected, "interpreted")
      var checked = try testOptions(threads: 2)
      checked.checks = true
      for options in [try testOptions(), try testOptions(disable: ["fuse", "plan"]), checked] {
        expectClose(try runCompiled(branch.graph, inputs, options: options), expected, "compiled")
      }
    }
  }

  /// A branch in a loop, a loop in a branch.
  @Test func regionsNest() throws {
    let types = [TensorType(.float64, [5, 3]), TensorType(.float64, [3])]
    let f = try TracedFunction(types) { v in
      let loop = scan(over: [v[0]], carrying: [v[1]]) { carry, x in
        let next = conditional(
          x[0].sum() .> 0, then: { [tanh(carry[0] + x[0])] },
          else: {
            scan(over: [v[0]], carrying: carry) { c, y in ([tanh(c[0] * y[0])], []) }.carry
          })
        return (next, next)
      }
      return loop.outputs + gradients(of: loop.carry[0].sum(), wrt: v)
    }
    let inputs = draw(types, "regions")
    let expected = try f(inputs)
    expectClose(try runCompiled(f.graph, inputs, options: testOptions()), expected, "compiled")
  }

  // MARK: Mistakes

  private func message(_ types: [TensorType], _ body: ([Tensor]) -> [Tensor]) -> String {
    do {
      _ = try TracedFunction(types, body)
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  @Test func mistakesAreNamed() {
    let (x, h) = (TensorType(.float32, [4, 3]), TensorType(.float32, [3]))
    func run(_ body: @escaping ([Tensor], [Tensor]) -> ([Tensor], [Tensor])) -> String {
      message([x, h]) { scan(over: [$0[0]], carrying: [$0[1]], body).outputs }
    }
    #expect(run { c, x in ([c[0].converted(to: .float64)], x) }.contains("carry 0 is f32[3]"))
    #expect(run { c, x in ([c[0].sum()], x) }.contains("carry 0 is f32[3]"))
    #expect(run { c, x in ([], x) }.contains("1 values are carried, the body returns 0"))
    #expect(run { c, x in (c, [x[0] + c[0][0..<2]]) }.contains("broadcast"))
    #expect(
      message([TensorType(.float32, [0, 3]), h]) {
        scan(over: [$0[0]], carrying: [$0[1]]) { c, _ in (c, []) }.carry
      }.contains("no steps"))
    #expect(
      message([x, TensorType(.float32, [5, 3])]) {
        scan(over: $0, carrying: []) { _, x in ([], x) }.outputs
      }.contains("equal leading axes"))
    #expect(
      message([h]) { scan(over: [], carrying: $0) { c, _ in (c, []) }.carry }
        .contains("no sequence"))
    var leaked: Tensor?
    #expect(
      message([x]) {
        _ = scan(over: $0, carrying: []) { _, x in
          leaked = x[0]
          return ([], x)
        }
        return [leaked.map { $0 + 1 } ?? $0[0]]
      }.contains("ended"))
  }
}
