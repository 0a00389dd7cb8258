// Random graphs: fused = unfused = interpreter, whatever pass is off, whatever the threads.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// Grows graphs whose values stay in a comfortable range.
struct RandomGraph {
  var generator: SplitMix64
  var graph = Graph(name: "random")
  var values: [Value] = []

  init(seed: UInt64) {
    generator = SplitMix64(seed: seed)
    let rows = [1, 3, 17, 64].randomElement(using: &generator) ?? 3
    let cols = [1, 5, 16, 70].randomElement(using: &generator) ?? 5
    for (index, shape) in ([[rows, cols], [rows, cols], [cols], [rows], []] as [Shape]).enumerated()
    {
      values.append(graph.addParameter(TensorType(.float32, shape), name: "x\(index)"))
    }
    let steps = Int.random(in: 3...14, using: &generator)
    for _ in 0..<steps { grow() }
    // Several outputs: the last values and one from the middle.
    for value in Set([values[values.count - 1], values[values.count - 2], values[values.count / 2]])
      .sorted()
    {
      graph.addOutput(value)
    }
  }

  private mutating func pick(_ condition: (TensorType) -> Bool = { _ in true }) -> Value? {
    // Late values more often, so that chains grow.
    let candidates = values.filter { condition(graph.type($0)) }
    guard !candidates.isEmpty else { return nil }
    let late = candidates.suffix(4)
    return Bool.random(using: &generator)
      ? late.randomElement(using: &generator) : candidates.randomElement(using: &generator)
  }

  private mutating func add(_ op: any Op, _ operands: [Value]) {
    if let results = try? graph.append(op, operands) { values += results }
  }

  private mutating func grow() {
    guard let x = pick() else { return }
    let type = graph.type(x)
    switch Int.random(in: 0...9, using: &generator) {
    case 0, 1:
      let ops: [any Op] = [Tanh(), Logistic(), Negate(), Abs(), Sqrt()]
      let op = ops.randomElement(using: &generator) ?? Tanh()
      if op is Sqrt {
        add(Abs(), [x])
        add(op, [values[values.count - 1]])
      } else {
        add(op, [x])
      }
    case 2, 3, 4:
      guard let y = pick({ broadcastShapes($0.shape, type.shape) != nil }),
        let shape = broadcastShapes(graph.type(y).shape, type.shape)
      else { return }
      func grown(_ v: Value) -> Value {
        let own = graph.type(v).shape
        if own == shape { return v }
        let axes = (0..<own.rank).map { $0 + shape.rank - own.rank }
        return (try? graph.append(Broadcast(shape: shape, axes: axes), [v])[0]) ?? v
      }
      let ops: [any Op] = [Add(), Subtract(), Multiply(), Maximum(), Minimum()]
      let (a, b) = (grown(x), grown(y))
      // Keep magnitudes bounded: products pass through tanh.
      add(ops.randomElement(using: &generator) ?? Add(), [a, b])
      add(Tanh(), [values[values.count - 1]])
    case 5:
      guard type.shape.rank > 0 else { return }
      let axis = Int.random(in: 0..<type.shape.rank, using: &generator)
      let ops: [any Op] = [ReduceSum(axes: [axis]), ReduceMax(axes: [axis])]
      let op = ops.randomElement(using: &generator) ?? ops[0]
      add(op, [x])
      if Bool.random(using: &generator) {
        let kept = (0..<type.shape.rank).filter { $0 != axis }
        add(Broadcast(shape: type.shape, axes: kept), [values[values.count - 1]])
      }
    case 6:
      add(Transpose((0..<type.shape.rank).shuffled(using: &generator)), [x])
    case 7:
      add(Reshape([type.count]), [x])
    case 8:
      guard type.shape.rank > 0, type.shape[0] > 1 else { return }
      var limit = type.shape.dimensions
      limit[0] -= 1
      add(
        Slice(
          start: [Int](repeating: 0, count: limit.count), limit: limit,
          stride: [Int](repeating: 1, count: limit.count)), [x])
    default:
      guard type.shape.rank == 2,
        let y = pick({ $0.shape.rank == 2 && $0.shape[0] == type.shape[1] })
          ?? pick({ $0.shape == type.shape })
      else { return }
      let right = graph.type(y).shape
      let axes =
        right[0] == type.shape[1]
        ? DotAxes(leftContract: [1], rightContract: [0])
        : DotAxes(leftContract: [0], rightContract: [0])
      add(Dot(axes), [x, y])
      add(Tanh(), [values[values.count - 1]])
    }
  }
}

/// What is wrong with a compiled graph, or nil. `seed` draws the inputs.
func defect(_ graph: Graph, seed: UInt64) -> String? {
  do {
    var generator = SplitMix64(seed: seed ^ 0x9E37)
    let inputs = graph.parameters.map {
      HostArray.random(graph.type($0.value), in: -1...1, &generator)
    }
    let expected = try Interpreter().run(graph, inputs)
    let fused = try runCompiled(graph, inputs, options: try testOptions())
    for (a, e) in zip(fused, expected) {
      if let found = difference(a, e, ulp: 512, scaled: true, absolute: 2e-5) {
        return "differs from the interpreter: \(found)"
      }
    }
    func compare(_ options: CompileOptions, _ what: String) throws -> String? {
      for (a, b) in zip(try runCompiled(graph, inputs, options: options), fused) {
        if let found = difference(a, b, ulp: 0) { return "\(what): \(found)" }
      }
      return nil
    }
    // Bits do not depend on fusion, planning, order, CSE, dead code or threads.
    for disable in [["fuse"], ["plan"], ["schedule"], ["cse", "dce"], ["fuse", "plan", "cse"]] {
      if let found = try compare(try testOptions(disable: disable), "without \(disable)") {
        return found
      }
    }
    // With guards between the arena's buffers: nothing writes out of bounds.
    var checked = try testOptions(threads: 2)
    checked.checks = true
    return try compare(checked, "with checks") ?? compare(try testOptions(threads: 3), "3 threads")
  } catch {
    return "\(error)"
  }
}

/// Fails with the smallest graph that still has a defect; its text is a test case.
private func expectNoDefect(seed: UInt64) {
  let graph = RandomGraph(seed: seed).graph
  guard let found = defect(graph, seed: seed) else { return }
  let small = shrink(graph) { defect($0, seed: seed) != nil }
  Issue.record("seed \(seed): \(found)\nshrunk: \(defect(small, seed: seed) ?? "")\n\(small)")
}

@Suite struct RandomGraphTests {
  @Test(arguments: 0..<60)
  func compiledMatchesTheInterpreter(_ seed: UInt64) { expectNoDefect(seed: seed) }

  /// The shrinker finds the two nodes that matter.
  @Test func shrinksToWhatMatters() throws {
    let graph = RandomGraph(seed: 7).graph
    let hasDot = { (graph: Graph) in graph.nodes.contains { $0.op is Tanh } }
    try #require(hasDot(graph) && graph.nodes.count > 4)
    let small = shrink(graph, while: hasDot)
    #expect(small.nodes.count == 1 && small.outputs.count == 1 && small.parameters.count == 1)
    try verify(small)
  }
}

@Suite(.enabled(if: isSlowRun)) struct SlowRandomGraphTests {
  @Test func thousandsOfGraphs() {
    for seed in 1_000..<4_000 as Range<UInt64> { expectNoDefect(seed: seed) }
  }
}
