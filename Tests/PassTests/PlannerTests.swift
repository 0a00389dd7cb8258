// Fusion, schedule and arena: properties that hold for every graph.

import MartletIR
import MartletLoops
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// No two values that are live at once overlap, unless they share a slot on purpose.
func checkPlan(_ schedule: Schedule, sourceLocation: Testing.SourceLocation = #_sourceLocation) {
  var first: [Int: Int] = [:]
  var last: [Int: Int] = [:]
  for (index, step) in schedule.steps.enumerated() {
    for buffer in step.reads + step.writes {
      first[buffer] = min(first[buffer] ?? index, index)
      last[buffer] = max(last[buffer] ?? index, index)
    }
  }
  let live = first.keys.filter {
    if case .arena = schedule.buffers[$0].storage { true } else { false }
  }
  for a in live {
    guard case .arena(let x) = schedule.buffers[a].storage else { continue }
    #expect(x % MemoryPlanning.alignment == 0, sourceLocation: sourceLocation)
    #expect(
      x + schedule.buffers[a].byteCount <= schedule.arenaBytes, sourceLocation: sourceLocation)
    for b in live where b > a {
      guard case .arena(let y) = schedule.buffers[b].storage else { continue }
      let overlapInTime = first[a]! <= last[b]! && first[b]! <= last[a]!
      let overlapInSpace =
        x < y + schedule.buffers[b].byteCount && y < x + schedule.buffers[a].byteCount
      guard overlapInTime, overlapInSpace else { continue }
      // In place: equal ranges, and one ends in the very step that defines the other.
      let inPlace = x == y && (last[a] == first[b] || last[b] == first[a])
      #expect(
        inPlace, "\(schedule.buffers[a].label) and \(schedule.buffers[b].label) overlap",
        sourceLocation: sourceLocation)
    }
  }
  #expect(schedule.arenaBytes >= schedule.arenaLowerBound, sourceLocation: sourceLocation)
}

@Suite struct PlannerTests {
  @Test func elementwiseChainIsOneKernelWithoutArena() throws {
    let graph = try parsed(
      """
      graph g(%0: f32[1000], %1: f32[1000]) {
        %2: f32[1000] = multiply %0, %1; %3: f32[1000] = logistic %2; %4: f32[1000] = add %3, %0
        return %4 }
      """)
    var lowered = try Lowering.lower(graph)
    MemoryPlanning.run(on: &lowered.schedule)
    #expect(lowered.schedule.steps.count == 1)
    #expect(lowered.schedule.arenaBytes == 0)
    var unfused = try Lowering.lower(graph, fuse: false)
    MemoryPlanning.run(on: &unfused.schedule)
    #expect(unfused.schedule.steps.count == 3)
    // The second value takes the first one's place.
    #expect(unfused.schedule.arenaBytes == 4032)
  }

  @Test func softmaxIsOneKernel() throws {
    let graph = try parsed(
      """
      graph g(%0: f32[64,100]) {
        %1: f32[64] = reduceMax {axes=[1]} %0; %2: f32[64,100] = broadcast {shape=[64,100], axes=[0]} %1
        %3: f32[64,100] = subtract %0, %2; %4: f32[64,100] = exp %3; %5: f32[64] = reduceSum {axes=[1]} %4
        %6: f32[64,100] = broadcast {shape=[64,100], axes=[0]} %5; %7: f32[64,100] = divide %4, %6
        return %7 }
      """)
    var lowered = try Lowering.lower(graph)
    MemoryPlanning.run(on: &lowered.schedule)
    #expect(lowered.schedule.steps.count == 1)
    #expect(lowered.schedule.arenaBytes == 0)
  }

  @Test func biasAndReluJoinTheProduct() throws {
    let graph = try parsed(
      """
      graph g(%0: f32[8,16], %1: f32[16,4], %2: f32[4]) {
        %3: f32[8,4] = dot {leftBatch=[], rightBatch=[], leftContract=[1], rightContract=[0]} %0, %1
        %4: f32[8,4] = broadcast {shape=[8,4], axes=[1]} %2; %5: f32[8,4] = add %3, %4
        %6: f32[] = constant {value=f32[](0)}; %7: f32[8,4] = broadcast {shape=[8,4], axes=[]} %6
        %8: f32[8,4] = maximum %5, %7; return %8 }
      """)
    var lowered = try Lowering.lower(graph)
    MemoryPlanning.run(on: &lowered.schedule)
    #expect(lowered.schedule.steps.count == 1)
    #expect(lowered.schedule.arenaBytes == 0)
  }

  /// Compositions of views are affine maps, or are refused: never a wrong map.
  @Test func composedViewsReadTheRightElements() {
    var generator = SplitMix64(seed: 7)
    var composedCount = 0
    for _ in 0..<3000 {
      let dims = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
        Int.random(in: 1...6, using: &generator)
      }
      let count = dims.reduce(1, *)
      // An arbitrary strided first map over the dims.
      let base = IndexMap(
        dims: dims,
        strides: dims.map { _ in Int.random(in: 0...20, using: &generator) },
        offset: Int.random(in: 0...5, using: &generator))
      // A view of the dense array of those extents: transpose, reshape, slice, reverse, broadcast.
      let identity = IndexMap.identity(dims)
      var view = identity
      switch Int.random(in: 0...4, using: &generator) {
      case 0:
        let order = Array(dims.indices).shuffled(using: &generator)
        view = IndexMap(dims: order.map { dims[$0] }, strides: order.map { identity.strides[$0] })
      case 1:
        let factor = (1...count).filter { count % $0 == 0 }.randomElement(using: &generator) ?? 1
        view = .identity([factor, count / factor])
      case 2:
        let start = dims.map { Int.random(in: 0..<$0, using: &generator) }
        let step = dims.map { _ in Int.random(in: 1...2, using: &generator) }
        view = IndexMap(
          dims: dims.indices.map { (dims[$0] - start[$0] + step[$0] - 1) / step[$0] },
          strides: dims.indices.map { identity.strides[$0] * step[$0] },
          offset: dims.indices.reduce(0) { $0 + start[$1] * identity.strides[$1] })
      case 3:
        view = IndexMap(
          dims: dims, strides: identity.strides.map { -$0 },
          offset: dims.indices.reduce(0) { $0 + (dims[$1] - 1) * identity.strides[$1] })
      default:
        view = IndexMap(dims: [3] + dims, strides: [0] + identity.strides)
      }
      guard let composed = base.composed(after: view) else { continue }
      composedCount += 1
      #expect(composed.count == view.count)
      for index in 0..<view.count {
        #expect(composed.offset(at: index) == base.offset(at: view.offset(at: index)))
      }
    }
    // Most of them are affine; a map that refuses everything would pass the loop.
    #expect(composedCount > 2000)
  }

  /// Ten times the layers may cost ten times the search, not a hundred times.
  @Test func searchIsLinear() throws {
    func visits(_ layers: Int) throws -> Int {
      let graph = try parsed(trainingStep(layers: layers))
      return try Lowering.visits(graph)
    }
    let (small, large) = (try visits(20), try visits(200))
    #expect(small > 0)
    #expect(large <= 12 * small, "20 layers: \(small), 200 layers: \(large)")
  }

  /// Scalars are recomputed where they are used, but a long computation of them is stored: each
  /// use twice of a scalar would double the kernel.
  @Test func longScalarComputationsAreStored() throws {
    var text = "graph g(%0: f32[], %1: f32[100]) {\n"
    for i in 0..<60 {
      text += "%\(i + 2): f32[] = multiply %\(i == 0 ? 0 : i + 1), %\(i == 0 ? 0 : i + 1)\n"
    }
    text += """
      %62: f32[100] = broadcast {shape=[100], axes=[]} %61; %63: f32[100] = add %1, %62
      return %63 }
      """
    let lowered = try Lowering.lower(try parsed(text))
    let size = lowered.schedule.kernels.reduce(0) { $0 + $1.program.instructions.count }
    #expect(size < 200)
  }

  @Test(arguments: [false, true])
  func anyOrderIsAPlan(schedules: Bool) throws {
    var lowered = try Lowering.lower(try parsed(trainingStep(layers: 6)), schedule: schedules)
    MemoryPlanning.run(on: &lowered.schedule)
    checkPlan(lowered.schedule)
    checkOrder(lowered.schedule)
  }

  /// The order is chosen by the arena that it needs.
  @Test func orderSavesMemory() throws {
    // Written breadth first: four large values, then what makes each of them small.
    var text = "graph g(%0: f32[64,512]) {\n"
    var next = 1
    for i in 0..<4 {
      text +=
        "%\(next): f32[64,512] = dot {leftBatch=[], rightBatch=[], leftContract=[1], rightContract=[0]} %0, %w\(i)\n"
        .replacing("%w\(i)", with: "%\(100 + i)")
      next += 1
    }
    text = text.replacing(
      "(%0: f32[64,512])",
      with:
        "(%0: f32[64,512], %100: f32[512,512], %101: f32[512,512], %102: f32[512,512], %103: f32[512,512], %104: f32[512,4])"
    )
    for i in 0..<4 {
      text +=
        "%\(next): f32[64,4] = dot {leftBatch=[], rightBatch=[], leftContract=[1], rightContract=[0]} %\(i + 1), %104\n"
      next += 1
    }
    text += "return %5, %6, %7, %8 }"
    func arena(_ schedules: Bool) throws -> Int {
      var lowered = try Lowering.lower(try parsed(text), schedule: schedules)
      MemoryPlanning.run(on: &lowered.schedule)
      checkPlan(lowered.schedule)
      return lowered.schedule.arenaBytes
    }
    #expect(try arena(false) == 4 * 64 * 512 * 4)
    #expect(try arena(true) == 64 * 512 * 4)
  }
}

/// One training step of a deep perceptron with gradient descent, as text.
func trainingStep(layers: Int, width: Int = 16, batch: Int = 8) -> String {
  var next = 1
  var parameters = ["%0: f32[\(batch),\(width)]"]
  var weights: [Int] = []
  for layer in 0..<layers {
    parameters.append("%\(next): state f32[\(width),\(width)] \"w\(layer)\"")
    weights.append(next)
    next += 1
  }
  var lines: [String] = []
  func add(_ type: String, _ text: String) -> Int {
    lines.append("%\(next): \(type) = \(text)")
    next += 1
    return next - 1
  }
  let (active, weight) = ("f32[\(batch),\(width)]", "f32[\(width),\(width)]")
  func dot(_ a: Int, _ b: Int, _ left: Int, _ right: Int, _ type: String) -> Int {
    add(
      type,
      "dot {leftBatch=[], rightBatch=[], leftContract=[\(left)], rightContract=[\(right)]} %\(a), %\(b)"
    )
  }
  var inputs: [Int] = []
  var h = 0
  for layer in 0..<layers {
    inputs.append(h)
    h = add(active, "tanh %\(dot(h, weights[layer], 1, 0, active))")
  }
  var assigned: [String] = []
  var gradient = h
  var outputs = Array(inputs.dropFirst()) + [h]
  for layer in (0..<layers).reversed() {
    let y = outputs.removeLast()
    let square = add(active, "multiply %\(y), %\(y)")
    let slope = add(active, "subtract 1.0, %\(square)")
    gradient = add(active, "multiply %\(gradient), %\(slope)")
    let dw = dot(inputs[layer], gradient, 0, 0, weight)
    let step = add(weight, "multiply %\(dw), 0.01")
    let new = add(weight, "subtract %\(weights[layer]), %\(step)")
    assigned.append("%\(weights[layer]) <- %\(new)")
    if layer > 0 { gradient = dot(gradient, weights[layer], 1, 1, active) }
  }
  return "graph step(\(parameters.joined(separator: ", "))) {\n"
    + lines.joined(separator: "\n") + "\nreturn " + assigned.joined(separator: ", ") + " }"
}

/// Each step reads only what an earlier one wrote, and no bound buffer is read after the step that
/// overwrites it.
func checkOrder(_ schedule: Schedule, sourceLocation: Testing.SourceLocation = #_sourceLocation) {
  var written: Set<Int> = []
  var overwritten: Set<Int> = []
  for step in schedule.steps {
    for buffer in step.reads {
      if case .arena = schedule.buffers[buffer].storage {
        #expect(
          written.contains(buffer) || step.writes.contains(buffer), sourceLocation: sourceLocation)
      }
      #expect(
        !overwritten.contains(buffer), "\(schedule.buffers[buffer].label) is read too late",
        sourceLocation: sourceLocation)
    }
    for buffer in step.writes {
      written.insert(buffer)
      if case .bound = schedule.buffers[buffer].storage { overwritten.insert(buffer) }
    }
  }
}

/// Batch normalisation between convolutions, as autodiff and canonicalisation leave it.
@Suite struct FusionTests {
  /// The steps of a training step with two normalised convolutions and a residual sum.
  private func program() throws -> LoweredProgram {
    let trace = Trace(name: "block", isTraining: true)
    let x = trace.argument(TensorType(.float32, [4, 8, 8, 16]), name: "x")
    func parameter(_ shape: Shape, _ name: String) -> Tensor {
      trace.argument(TensorType(.float32, shape), name: name)
    }
    let filters = [parameter([3, 3, 16, 16], "a"), parameter([3, 3, 16, 16], "b")]
    let scales = [parameter([16], "s"), parameter([16], "t")]
    let biases = [parameter([16], "u"), parameter([16], "v")]
    func normalised(_ x: Tensor, _ index: Int) -> Tensor {
      batchNorm(
        conv2d(x, filters[index], padding: .same), scale: scales[index], bias: biases[index]
      ).normalized
    }
    let h = relu(normalised(x, 0))
    let loss = relu(normalised(h, 1) + x).sum()
    let wanted = filters + scales + biases
    for gradient in gradients(of: loss, wrt: wanted) {
      if let value = gradient.value { trace.graph.addOutput(value) }
    }
    try trace.finish()
    var graph = trace.graph
    trace.release()
    try PassManager(Pipeline.optimization).run(on: &graph, PassContext())
    return try Lowering.lower(graph)
  }

  /// Batch normalisation reads its input once for both sums and once to normalise; its gradient
  /// reads once for both sums and once for the gradient of the input.
  @Test func batchNormIsTwoPassesEachWay() throws {
    let program = try program()
    let activation = 4 * 8 * 8 * 16 * 4
    var kernels = 0
    for step in program.schedule.steps {
      guard case .launch = step.work else { continue }
      let large = (step.reads + step.writes).contains {
        program.schedule.buffers[$0].byteCount == activation
      }
      if large { kernels += 1 }
    }
    // For each of two: sums over the first image, sums, normalise; sums of the gradient, gradient
    // of the input. (The last ReLU's gradient is part of the sums' kernel.)
    #expect(kernels <= 10, "\(program.fusionText)")
    #expect(program.fusionText.contains("sums over rows, which no epilogue can"))
  }
}

@Suite struct ScaleFoldingTests {
  @Test func aFactorOfEachChannelBecomesPartOfTheFilter() throws {
    try expectRewrites(
      """
      graph g(%0: f32[1,4,4,1]) {
        %1: f32[1,1,1,2] = constant {value=f32[1,1,1,2](3, 5)}
        %2: f32[2] = constant {value=f32[2](2, 4)}
        %3: f32[1,4,4,2] = conv2d {input=[4,4], kernel=[1,1], strides=[1,1], padding=[0,0,0,0], dilations=[1,1], groups=1} %0, %1
        %4: f32[1,4,4,2] = broadcast {shape=[1,4,4,2], axes=[3]} %2
        %5: f32[1,4,4,2] = multiply %3, %4
        return %5 }
      """, by: [ConstantFolding()],
      to:
        """
        graph g(%0: f32[1,4,4,1]) {
          %1: f32[1,1,1,2] = constant {value=f32[1,1,1,2](6, 20)}
          %2: f32[1,4,4,2] = conv2d {input=[4,4], kernel=[1,1], strides=[1,1], padding=[0,0,0,0], dilations=[1,1], groups=1} %0, %1
          return %2 }
        """)
  }

  /// Somebody else reads the product without the factor.
  @Test func aProductWithTwoReadersStays() throws {
    let text = """
      graph g(%0: f32[3,2]) {
        %1: f32[2,2] = constant {value=f32[2,2](3, 5, 7, 9)}
        %2: f32[2] = constant {value=f32[2](2, 4)}
        %3: f32[3,2] = dot {leftBatch=[], rightBatch=[], leftContract=[1], rightContract=[0]} %0, %1
        %4: f32[3,2] = broadcast {shape=[3,2], axes=[1]} %2
        %5: f32[3,2] = multiply %3, %4
        return %5, %3 }
      """
    try expectRewrites(text, by: [ConstantFolding()], to: text)
  }
}
