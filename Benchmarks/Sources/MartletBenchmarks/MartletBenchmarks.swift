// Benchmarks through the public API: medians and interquartile ranges, fused beside unfused in one
// run. `swift run -c release` in this folder; the peers are compared by `martlet bench` and scripts.

import Martlet

struct Sample {
  var median: Double
  var range: Double
}

/// Runs closures in turn, A B A B …, until each has run for `seconds`; milliseconds.
func interleaved(seconds: Double, _ runs: [() throws -> Void]) throws -> [Sample] {
  let clock = ContinuousClock()
  for run in runs { for _ in 0..<3 { try run() } }
  var times = [[Double]](repeating: [], count: runs.count)
  let start = clock.now
  repeat {
    for (index, run) in runs.enumerated() {
      let spent = try clock.measure { try run() }
      times[index].append(
        Double(spent.components.attoseconds) / 1e15 + Double(spent.components.seconds) * 1e3)
    }
  } while clock.now - start < .seconds(seconds) || times[0].count < 30
  return times.map { list in
    let sorted = list.sorted()
    return Sample(
      median: sorted[sorted.count / 2],
      range: sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4])
  }
}

func row(_ name: String, _ fused: Sample, _ unfused: Sample) {
  func text(_ x: Double) -> String { "\((x * 1000).rounded() / 1000)" }
  print(
    "| \(name) | \(text(fused.median)) ± \(text(fused.range)) | "
      + "\(text(unfused.median)) ± \(text(unfused.range)) | "
      + "\(text(unfused.median / fused.median)) |")
}

func options(fused: Bool) throws -> CompileOptions {
  var options = try CompileOptions()
  options.threads = 1
  if !fused { try options.disable(["fuse"]) }
  return options
}

/// sigmoid(a·b + c)·a + 0.5·relu(c): fused into one kernel, and one kernel an operation.
func chain(_ count: Int) throws {
  func values(_ seed: Int) throws -> NDArray {
    try NDArray((0..<count).map { Float(($0 &* 2_654_435_761 &+ seed) % 1000) / 500 - 1 })
  }
  let (a, b, c) = (try values(1), try values(2), try values(3))
  let spec = TensorSpec([count])
  let functions = try [true, false].map { fused in
    try compile(spec, spec, spec, options: options(fused: fused)) { a, b, c in
      sigmoid(a * b + c) * a + relu(c) * 0.5
    }
  }
  let samples = try interleaved(
    seconds: 2, functions.map { function in { _ = try function(a, b, c) } })
  row("chain, \(count) elements", samples[0], samples[1])
}

/// One training step of LeNet-5 with momentum.
func lenet5(batch: Int) throws {
  let pixels = batch * 28 * 28
  let images = try NDArray(
    (0..<pixels).map { Float($0 &* 7919 % 255) / 255 }, shape: [batch, 28, 28, 1])
  let labels = try NDArray((0..<batch).map { Int32($0 % 10) })
  let steps = try [true, false].map { fused in
    let model = LeNet5()
    return try compile(
      training: model, with: Momentum(), TensorSpec([batch, 28, 28, 1]),
      TensorSpec([batch], .int32), options: options(fused: fused)
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  }
  let samples = try interleaved(
    seconds: 2, steps.map { step in { _ = try step(images, labels) } })
  row("LeNet-5 training step, batch \(batch)", samples[0], samples[1])
}

@main struct MartletBenchmarks {
  static func main() throws {
    print("One thread; median ± interquartile range in milliseconds; fused and unfused in turn.\n")
    print("| workload | fused | unfused | unfused / fused |")
    print("|---|---|---|---|")
    try chain(1 << 16)
    try chain(1 << 24)
    try lenet5(batch: 64)
  }
}
