// bench --compile: what compilation costs as graphs grow, and as loops get longer.

import Martlet

/// A family of graphs of two sizes.
struct CompileCase {
  var name: String
  /// Nodes traced, layers or steps: the smaller, then the larger one.
  var sizes: (Int, Int)
  var unit: String
  /// Compiles one of a size.
  var build: (Int, CompileOptions) throws -> Program

  static var all: [CompileCase] {
    [
      CompileCase(name: "chain", sizes: (500, 5_000), unit: "links") { count, options in
        try compile(TensorSpec([256]), options: options) { x in
          var (y, side) = (x, x)
          for link in 0..<count {
            y = tanh(y) * 1.25
            if link % 16 == 15 { (y, side) = (y + side, y) }
          }
          return y
        }.program
      },
      CompileCase(name: "perceptron, training", sizes: (20, 200), unit: "layers") {
        count, options in
        let model = Sequential(
          (0..<count).flatMap { _ -> [any Layer] in [Linear(32, 32), Activation { relu($0) }] })
        return try compile(
          training: model, with: Adam(learningRate: 1e-3), TensorSpec([16, 32]),
          TensorSpec([16, 32]), options: options
        ) { meanSquaredError(model($0), $1) }.program
      },
      CompileCase(name: "many small kernels", sizes: (250, 2_500), unit: "sums") { count, options in
        try compile(TensorSpec([64, 64]), options: options) { x in
          var y = x
          for _ in 0..<count { y = y * y.sum(axes: [1], keepDims: true) + x }
          return y
        }.program
      },
      CompileCase(
        name: "unrolled RNN, training", sizes: (100, 1_000), unit: "steps"
      ) { steps, options in
        let (input, hidden) = (Linear(32, 32), Linear(32, 32, bias: false))
        let model = Sequential([input, hidden])
        return try compile(
          training: model, with: SGD(learningRate: 0.01), TensorSpec([steps, 8, 32]),
          TensorSpec([8, 32]), options: options
        ) { x, y in
          var h = y
          for t in 0..<steps {
            let step = x.sliced(t..<(t + 1), axis: 0).reshaped([8, 32])
            h = tanh(input(step) + hidden(h))
          }
          return meanSquaredError(h, y)
        }.program
      },
      CompileCase(name: "LSTM loop", sizes: (10, 1_000), unit: "steps") { steps, options in
        let layer = LSTM(256, 256)
        return try compile(TensorSpec([steps, 32, 256]), options: options) { layer($0) }.program
      },
      CompileCase(name: "LSTM loop, training", sizes: (10, 1_000), unit: "steps") {
        steps, options in
        let layer = LSTM(256, 256)
        return try compile(
          training: layer, with: Adam(learningRate: 1e-3), TensorSpec([steps, 32, 256]),
          TensorSpec([steps, 32, 256]), options: options
        ) { meanSquaredError(layer($0), $1) }.program
      },
      CompileCase(name: "GRU loop, training", sizes: (10, 1_000), unit: "steps") { steps, options in
        let layer = GRU(256, 256)
        return try compile(
          training: layer, with: Adam(learningRate: 1e-3), TensorSpec([steps, 32, 256]),
          TensorSpec([steps, 32, 256]), options: options
        ) { meanSquaredError(layer($0), $1) }.program
      },
    ]
  }
}

enum CompileMeasurement {
  /// Prints the stages of each size, the least of three compilations, and the larger over the smaller.
  static func run(_ options: CompileOptions, json: Bool) throws {
    var options = options
    var number = 0
    if !json {
      Output.line(
        "graph".padded(24) + "size".padded(14)
          + ["nodes", "kernels", "trace", "grad", "passes", "C", "machine", "ms", "ratio"]
          .map { $0.padded(9, left: true) }.joined())
    }
    for item in CompileCase.all {
      var least = 0.0
      for size in [item.sizes.0, item.sizes.1] {
        var best: (total: Double, report: CompileReport)?
        for _ in 0..<3 {
          // Another name is another text: no machine code comes from the cache.
          number += 1
          options.name = "graph\(number)"
          let start = nowMilliseconds()
          let report = try item.build(size, options).report
          let total = nowMilliseconds() - start
          if total < best?.total ?? .infinity { best = (total, report) }
        }
        guard let best else { continue }
        if size == item.sizes.0 { least = best.total }
        show(
          item, size, best.total, size == item.sizes.0 ? nil : best.total / least, best.report, json
        )
      }
    }
  }

  private static func show(
    _ item: CompileCase, _ size: Int, _ total: Double, _ ratio: Double?, _ report: CompileReport,
    _ json: Bool
  ) {
    let stages = [
      ("trace", report.traceMilliseconds), ("differentiate", report.differentiateMilliseconds),
      ("passes", report.passesMilliseconds), ("emit", report.emitMilliseconds),
      ("machine", report.machineCodeMilliseconds),
    ]
    if json {
      var members: [JSONValue.Member] = [
        .init("compile", .string(item.name)), .init(item.unit, .integer(size)),
        .init("nodes", .integer(report.tracedNodes)), .init("kernels", .integer(report.kernels)),
        .init("ms", .number(total)),
      ]
      members += stages.map { .init($0.0 + "_ms", .number($0.1)) }
      if let ratio { members.append(.init("ratio", .number(ratio))) }
      return Output.line(JSONValue.object(members).line)
    }
    Output.line(
      item.name.padded(24) + "\(grouped(size)) \(item.unit)".padded(14)
        + ([grouped(report.tracedNodes), grouped(report.kernels)] + stages.map { fixed($0.1, 1) }
        + [fixed(total, 1), ratio.map { fixed($0, 2) } ?? ""]).map { $0.padded(9, left: true) }
        .joined())
  }
}
