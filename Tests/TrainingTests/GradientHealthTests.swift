// How far gradients reach back in time, and what a long recurrence costs to compile.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// ‖∂(Σ yT)/∂x_t‖ for each step t of a sequence.
private func reach(_ layer: any RecurrentLayer, steps: Int) throws -> [Double] {
  let size = 8
  let function = try compile(TensorSpec([steps, 4, size]), options: testOptions()) { x in
    let y = layer.run(x).sequence
    let loss = y.sliced((steps - 1)..<steps, axis: 0).sum()
    let dx = gradients(of: loss, wrt: [x])[0]
    return sqrt((dx * dx).sum(axes: [1, 2]))
  }
  var draws = SplitMix64("reach")
  let values = (0..<(steps * 4 * size)).map { _ in Float.random(in: -1...1, using: &draws) }
  return try function(try NDArray(values, shape: [steps, 4, size])).doubles
}

/// Recurrent weights that are `scale` times a rotation: each step back multiplies a gradient's length
/// by `scale` (and by the nonlinearity's slope).
private func rotate(_ layer: SimpleRNN, _ scale: Float) throws {
  var u = [Float](repeating: 0, count: 64)
  for i in 0..<8 { u[i * 8 + (i + 1) % 8] = scale }
  try layer.hiddenWeight.set(try NDArray(u, shape: [8, 8]))
  try layer.inputBias.set(try NDArray([Float](repeating: 0.1, count: 8)))
  try layer.hiddenBias.set(try NDArray([Float](repeating: 0.1, count: 8)))
  try layer.inputWeight.set(try NDArray([Float](repeating: 0.1, count: 64), shape: [8, 8]))
}

@Suite struct GradientHealthTests {
  /// Over 100 steps (Hochreiter 1991; Bengio, Simard and Frasconi 1994): a simple net's gradient dies out
  /// or explodes, an LSTM's with open forget gates reaches the first step.
  @Test func simpleNetsForgetWhereLSTMsRemember() throws {
    let steps = 100
    func ratio(_ layer: any RecurrentLayer) throws -> Double {
      let norms = try reach(layer, steps: steps)
      #expect(norms.allSatisfy { $0.isFinite })
      return norms[0] / norms[steps - 1]
    }
    let plain = SimpleRNN(8, 8)
    #expect(try ratio(plain) < 1e-12, "PyTorch's first weights: it vanishes")

    let growing = SimpleRNN(8, 8, nonlinearity: .relu)
    try rotate(growing, 1.2)
    #expect(try ratio(growing) > 1e6, "it explodes: 1.2^99 is 7e7")
    try rotate(growing, 0.8)
    let shrinking = try ratio(growing)
    #expect(shrinking < 1e-8 && shrinking > 0, "0.8^99 is 3e-10")

    // A forget gate of σ(6) keeps 0.9975 of the cell a step: e^(−0.25) over 100.
    let remembering = try ratio(LSTM(8, 8, forgetBias: 6))
    #expect(remembering > 0.05 && remembering < 20, "\(remembering)")
  }

  /// The same, as a training step tells it by layer, and clipping makes of it.
  @Test func gradientNormsAreReportedByLayer() throws {
    struct Net: Layer {
      let body = SimpleRNN(8, 8, nonlinearity: .relu)
      let output = Linear(8, 1)
      func callAsFunction(_ x: Tensor) -> Tensor {
        output(body.run(x).state[0])
      }
    }
    let net = Net()
    _ = net.parameters
    try rotate(net.body, 1.2)
    let step = try compile(
      training: net, with: SGD(learningRate: 0.01).clipping(globalNorm: 1).reportingGradientNorm(),
      TensorSpec([100, 4, 8]), TensorSpec([4, 1]), options: testOptions()
    ) { meanSquaredError(net($0), $1) }
    let x = try NDArray([Float](repeating: 0.1, count: 3200), shape: [100, 4, 8])
    let before = try net.body.hiddenWeight.value().doubles
    let told = try step.run(
      [x, try NDArray(zeros: [4, 1])], observing: [.gradientNorms])
    let body = try #require(told.gradientNorms["body"])
    let output = try #require(told.gradientNorms["output"])
    #expect(told.gradientNorms.count == 2 && body > 1e6 && output > 0)
    let all = try #require(told.auxiliary["gradientNorm"]).item()
    #expect(abs(all - (body * body + output * output).squareRoot()) <= 1e-4 * all)
    // Clipped, the exploded gradient moves the weights by the rate times one at most.
    let moved = zip(before, try net.body.hiddenWeight.value().doubles).reduce(0) {
      $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
    }.squareRoot()
    #expect(moved > 0 && moved <= 0.0101)
  }

  /// Each loop is printed once, however long and however deep it lies in another.
  @Test func codeIsAsLongForAThousandStepsAsForTen() throws {
    func source(_ steps: Int, training: Bool) throws -> String {
      let layer = StackedRecurrent([LSTM(4, 8), GRU(8, 8)])
      let x = TensorSpec([steps, 2, 4])
      if training {
        return try compile(
          training: layer, with: Adam(), x, TensorSpec([2, 8]), options: testOptions()
        ) { meanSquaredError(layer.run($0).state[2], $1) }.dump(.c)
      }
      return try compile(x, options: testOptions()) { layer($0) }.dump(.c)
    }
    for training in [false, true] {
      // Sums over many rows are made in parts: from some hundred steps on the code stays the same.
      let few = training ? 500 : 10
      let (ten, thousand) = (
        try source(few, training: training), try source(1000, training: training)
      )
      // The counts themselves take more digits.
      func bare(_ text: String) -> String { String(text.filter { !$0.isNumber }) }
      #expect(bare(ten) == bare(thousand))
      #expect(thousand.utf8.count - ten.utf8.count < 2_000)
    }
    func nested(_ outer: Int, _ inner: Int) throws -> String {
      try compile(TensorSpec([outer, inner, 3]), options: testOptions()) { x in
        let made = scan(over: [x], carrying: [x.trace.constant(0, .float32).broadcasted(to: [3])]) {
          carry, rows in
          let row = scan(over: [rows[0]], carrying: carry) { carry, element in
            let next = tanh(carry[0] * 0.5 + element[0])
            return ([next], [next])
          }
          return (row.carry, [row.outputs[0].sum(axes: [0])])
        }
        return gradients(of: made.outputs[0].sum(), wrt: [x])[0]
      }.dump(.c)
    }
    let (small, large) = (try nested(10, 10), try nested(100, 100))
    #expect(small.filter { !$0.isNumber } == large.filter { !$0.isNumber })
  }

  /// Without a loop: a thousand steps one after the other, forward and backward, are a program too.
  @Test func unrolledThousandStepsCompile() throws {
    let cell = Linear(16, 16)
    let steps = 1000
    let function = try compile(
      [TensorSpec([steps, 2, 16]), TensorSpec([2, 16])], options: testOptions()
    ) { inputs in
      var h = inputs[1]
      for t in 0..<steps {
        h = tanh(cell(h) + inputs[0].sliced(t..<(t + 1), axis: 0).reshaped([2, 16]))
      }
      return [h] + gradients(of: h.sum(), wrt: [inputs[1]])
    }
    // Linear in the steps: what is printed, what is scheduled.
    let report = function.program.report
    #expect(report.kernels < 6 * steps)
    let x = try NDArray([Float](repeating: 0.1, count: steps * 32), shape: [steps, 2, 16])
    let results = try function.run([x, try NDArray(zeros: [2, 16])])
    #expect(results.allSatisfy { $0.doubles.allSatisfy { $0.isFinite } })
    // The loop gives the same.
    let looped = try compile(
      [TensorSpec([steps, 2, 16]), TensorSpec([2, 16])], options: testOptions()
    ) { inputs in
      let made = scan(over: [inputs[0]], carrying: [inputs[1]]) { carry, x in
        let h = tanh(cell(carry[0]) + x[0])
        return ([h], [h])
      }
      return [made.carry[0]]
    }
    let last = try looped.run([x, try NDArray(zeros: [2, 16])])[0]
    for (a, b) in zip(results[0].doubles, last.doubles) { #expect(abs(a - b) < 1e-5) }
  }
}
