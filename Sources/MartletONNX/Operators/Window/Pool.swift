import MartletIR
import MartletOps

/// The largest element of each window. https://onnx.ai/onnx/operators/onnx__MaxPool.html
struct MaxPool: Operator {
  static let name = "MaxPool"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let window = try node.poolWindow(x)
    if node.wants(output: 1) { return try withIndices(node, x, window) }
    return [.tensor(node.windows(x, window, filling: -.infinity).reduced { maximum($0, $1) })]
  }
}

extension MaxPool {
  /// The largest elements and their places in the whole input, the first of equal ones.
  private static func withIndices(
    _ node: NodeContext, _ x: Tensor, _ window: Window
  ) throws -> [ONNXValue] {
    let input = Array(x.shape.dimensions[2...])
    let isColumnMajor = try node.bool("storage_order")
    // The step of each axis in the numbers of places.
    let steps = input.indices.map {
      isColumnMajor ? input[..<$0].reduce(1, *) : input[($0 + 1)...].reduce(1, *)
    }
    let points = window.outputs.reduce(1, *)
    let type = TensorType(.int64, Shape([1, 1] + window.outputs))
    var best: (value: Tensor, place: Tensor)?
    let values = node.windows(x, window, filling: -.infinity)
    for (tap, value) in values.enumerated() {
      var places = [Int64](repeating: 0, count: points)
      for point in 0..<points {
        var (tapRest, pointRest, place) = (tap, point, 0)
        var isInside = true
        for axis in input.indices.reversed() {
          let index =
            pointRest % window.outputs[axis] * window.strides[axis] - window.low[axis]
            + tapRest % window.kernel[axis] * window.dilations[axis]
          (tapRest, pointRest) = (tapRest / window.kernel[axis], pointRest / window.outputs[axis])
          isInside = isInside && index >= 0 && index < input[axis]
          place += index * steps[axis]
        }
        places[point] = isInside ? Int64(place) : -1
      }
      let place = node.literal(HostArray(type, places)).broadcasted(to: value.shape)
      guard let before = best else {
        best = (value, place)
        continue
      }
      // What lies in the padding gives way to any element, even the least.
      let isBetter = (value .> before.value) .| ((before.place .< 0) .& (place .>= 0))
      best = (select(isBetter, value, before.value), select(isBetter, place, before.place))
    }
    guard let best else { throw node.invalid("the window is empty") }
    let planes = HostArray(
      TensorType(.int64, Shape([x.shape[0], x.shape[1]] + input.map { _ in 1 })),
      (0..<(x.shape[0] * x.shape[1])).map { Int64($0 * input.reduce(1, *)) })
    return [.tensor(best.value), .tensor(best.place + node.literal(planes))]
  }
}

/// The mean of each window. https://onnx.ai/onnx/operators/onnx__AveragePool.html
struct AveragePool: Operator {
  static let name = "AveragePool"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let window = try node.poolWindow(x)
    let sum = node.windows(x, window, filling: 0).reduced { $0 + $1 }
    let counts = window.counts(
      Array(x.shape.dimensions[2...]), withPadding: try node.bool("count_include_pad"))
    let divisor = node.literal(
      HostArray(TensorType(x.dtype, Shape([1, 1] + window.outputs)), counts))
    return [.tensor(sum / divisor)]
  }
}

extension [Tensor] {
  fileprivate func reduced(_ body: (Tensor, Tensor) -> Tensor) -> Tensor {
    dropFirst().reduce(self[0], body)
  }
}

extension NodeContext {
  /// The window of a pool, by the node's attributes.
  func poolWindow(_ x: Tensor) throws -> Window {
    guard x.rank > 2 else { throw invalid("needs [N, C, …], got \(x.type)") }
    guard let kernel = try ints("kernel_shape") else { throw invalid("kernel_shape is missing") }
    // Each place of a window is an operation of its own.
    guard let places = Shape(kernel).checkedCount, places <= 1 << 14 else {
      throw unsupported("windows of \(printable(Shape(kernel).description))")
    }
    return try Window(
      self, input: Array(x.shape.dimensions[2...]), kernel: kernel,
      roundsUp: try bool("ceil_mode"))
  }

  /// For each place of a window, the elements there of all windows, `[N, C, …′]`: what a pool
  /// combines. Padding is filled.
  func windows(_ x: Tensor, _ window: Window, filling: Double) -> [Tensor] {
    let spatial = window.kernel.count
    let input = Array(x.shape.dimensions[2...])
    let high = window.exactHigh(input)
    // Where the last windows end before the input does, it is cut.
    let padded = x.padded(
      low: [0, 0] + window.low, high: [0, 0] + high.map { Swift.max(0, $0) }, with: filling)
    var places: [[Int]] = [[]]
    for axis in 0..<spatial {
      places = places.flatMap { head in (0..<window.kernel[axis]).map { head + [$0] } }
    }
    return places.map { place in
      let start = place.indices.map { place[$0] * window.dilations[$0] }
      let limit = place.indices.map {
        start[$0] + (window.outputs[$0] - 1) * window.strides[$0] + 1
      }
      return padded.sliced(
        start: [0, 0] + start, limit: [x.shape[0], x.shape[1]] + limit,
        stride: [1, 1] + window.strides)
    }
  }
}

extension Window {
  /// How many elements of each window count: those of the input, or with its padding.
  func counts(_ input: [Int], withPadding: Bool) -> [Double] {
    var counts = [1.0]
    for axis in kernel.indices {
      let end = withPadding ? input[axis] + high[axis] : input[axis]
      let begin = withPadding ? -low[axis] : 0
      let own = (0..<outputs[axis]).map { output -> Double in
        let start = output * strides[axis] - low[axis]
        let inside = (0..<kernel[axis]).filter {
          let place = start + $0 * dilations[axis]
          return place >= begin && place < end
        }
        return Double(Swift.max(1, inside.count))
      }
      counts = counts.flatMap { head in own.map { head * $0 } }
    }
    return counts
  }
}
