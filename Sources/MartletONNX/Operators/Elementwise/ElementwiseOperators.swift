// Elementwise operators: each is one expression of Martlet's own functions. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html, with the name of the row.

import MartletIR
import MartletOps

let elementwiseOperators: [OperatorEntry] =
  [
    OperatorEntry(Mod.self), OperatorEntry(IsInf.self), OperatorEntry(Shrink.self),
    OperatorEntry(SwiGLU.self), OperatorEntry(Hardmax.self),
    .unary("Swish") { x, node in
      let alpha = try node.float("alpha", default: 1)
      return x * logistic(alpha == 1 ? x : x * alpha)
    },
    .unary("Abs") { abs($0) }, .unary("Neg") { 0 - $0 }, .unary("Exp") { exp($0) },
    .unary("Log") { log($0) }, .unary("Sqrt") { sqrt($0) },
    .unary("Reciprocal") { reciprocal($0) },
    .unary("Floor") { $0.dtype.isFloatingPoint ? floor($0) : $0 },
    .unary("Ceil") { $0.dtype.isFloatingPoint ? ceil($0) : $0 },
    .unary("Round") { $0.dtype.isFloatingPoint ? round($0) : $0 }, .unary("Sign") { sign($0) },
    .unary("Sin") { sin($0) }, .unary("Cos") { cos($0) }, .unary("Tan") { tan($0) },
    .unary("Asin") { asin($0) }, .unary("Acos") { acos($0) }, .unary("Atan") { atan($0) },
    .unary("Sinh") { sinh($0) }, .unary("Cosh") { cosh($0) }, .unary("Tanh") { tanh($0) },
    .unary("Asinh") { asinh($0) }, .unary("Acosh") { acosh($0) }, .unary("Atanh") { atanh($0) },
    .unary("Erf") { erf($0) }, .unary("Sigmoid") { logistic($0) },
    .unary("Relu") { maximum($0, 0) }, .unary("Softplus") { softplus($0) },
    .unary("Softsign") { softsign($0) }, .unary("Mish") { mish($0) },
    .unary("HardSwish") { $0 * ($0 / 6 + 0.5).clipped(low: 0, high: 1) },
    .unary("Not") { .!$0 }, .unary("IsNaN") { isNaN($0) },
    .unary("LeakyRelu") { x, node in
      select(x .< 0, x * (try node.float("alpha", default: 0.01)), x)
    },
    .unary("Elu") { x, node in elu(x, alpha: try node.float("alpha", default: 1)) },
    .unary("Celu") { x, node in celu(x, alpha: try node.float("alpha", default: 1)) },
    .unary("Selu") { x, node in
      elu(x, alpha: try node.float("alpha", default: 1.67326319217681884765625))
        * (try node.float("gamma", default: 1.05070102214813232421875))
    },
    .unary("HardSigmoid") { x, node in
      (x * (try node.float("alpha", default: 0.2)) + (try node.float("beta", default: 0.5)))
        .clipped(low: 0, high: 1)
    },
    .unary("ThresholdedRelu") { x, node in
      thresholdedRelu(x, threshold: try node.float("alpha", default: 1))
    },
    .unary("Gelu") { x, node in
      gelu(x, approximation: try node.string("approximate") == "tanh" ? .tanh : .none)
    },

    .binary("Add") { $0 + $1 }, .binary("Sub") { $0 - $1 }, .binary("Mul") { $0 * $1 },
    .binary("Div") { $0 / $1 }, .binary("Less") { $0 .< $1 },
    .binary("Greater") { $0 .> $1 }, .binary("LessOrEqual") { $0 .<= $1 },
    .binary("GreaterOrEqual") { $0 .>= $1 }, .binary("And") { $0 .& $1 },
    .binary("Or") { $0 .| $1 }, .binary("Xor") { $0 .^ $1 },
    OperatorEntry("PRelu") { node in
      let x = try node.tensor(0)
      // Before version 7 a vector is one of channels.
      let isOfChannels = try node.version < 7 && x.rank > 1 && node.shape(1) == [x.shape[1]]
      let slope = isOfChannels ? try node.channels(1, of: x, x.dtype) : try node.tensor(1)
      return [.tensor(select(x .< 0, x * slope, x))]
    },
    .binary("Pow") { x, y in
      // The exponent may be of another type; the result has the base's.
      x.dtype == y.dtype
        ? pow(x, y)
        : x.dtype.isFloatingPoint
          ? pow(x, y.converted(to: x.dtype))
          : truncated(pow(x.converted(to: .float64), y.converted(to: .float64)), to: x.dtype)
    },

    .variadic("Max") { maximum($0, $1) }, .variadic("Min") { minimum($0, $1) },
    .variadic("Sum") { $0 + $1 },
    OperatorEntry("Mean") { node in
      let inputs = try node.tensors()
      guard let first = inputs.first else { throw node.invalid("there is no input") }
      return [.tensor(inputs.dropFirst().reduce(first, +) / Double(inputs.count))]
    },
    OperatorEntry("Where", since: 9) { node in
      let (condition, a, b) = (try node.tensor(0), try node.tensor(1), try node.tensor(2))
      let shapes = [condition.shape, a.shape, b.shape]
      guard let ab = broadcastShapes(shapes[1], shapes[2]), let all = broadcastShapes(shapes[0], ab)
      else {
        throw node.invalid("shapes \(shapes[0]), \(shapes[1]), \(shapes[2]) do not broadcast")
      }
      return [
        .tensor(
          select(
            condition.broadcasted(to: all), a.broadcasted(to: all), b.broadcasted(to: all)))
      ]
    },
    OperatorEntry("Clip") { node in
      var x = try node.tensor(0)
      if node.version < 11 {
        if let low = try node.float("min") { x = maximum(x, low) }
        if let high = try node.float("max") { x = minimum(x, high) }
        return [.tensor(x)]
      }
      if let low = try node.optionalTensor(1) { x = maximum(x, low) }
      if let high = try node.optionalTensor(2) { x = minimum(x, high) }
      return [.tensor(x)]
    },
    OperatorEntry("Softmax") { [try $0.alongAxis { softmax($0, axis: $1) }] },
    OperatorEntry("LogSoftmax") { [try $0.alongAxis { logSoftmax($0, axis: $1) }] },
  ]

/// Powers as integers, rounded towards zero. One within a rounding error of an integer is that integer.
private func truncated(_ power: Tensor, to dtype: DType) -> Tensor {
  let nearest = round(power)
  let isNear = abs(power - nearest) .<= abs(nearest) * 0x1p-48
  return select(isNear, nearest, power).converted(to: dtype)
}

extension OperatorEntry {
  /// One operand, one result of its shape.
  static func unary(
    _ name: String, _ body: @escaping @Sendable (Tensor) -> Tensor
  ) -> OperatorEntry {
    OperatorEntry(name) { [.tensor(body(try $0.tensor(0)))] }
  }

  /// One operand and attributes.
  static func unary(
    _ name: String, _ body: @escaping @Sendable (Tensor, NodeContext) throws -> Tensor
  ) -> OperatorEntry {
    OperatorEntry(name) { [.tensor(try body($0.tensor(0), $0))] }
  }

  /// Two operands that broadcast. Before version 7 they did not, except by attributes.
  static func binary(
    _ name: String, _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> OperatorEntry {
    OperatorEntry(name) { [.tensor(body(try $0.tensor(0), try $0.tensor(1)))] }
  }

  /// Any number of operands, combined from left to right.
  static func variadic(
    _ name: String, _ body: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> OperatorEntry {
    OperatorEntry(name) { node in
      let inputs = try node.tensors()
      guard let first = inputs.first else { throw node.invalid("there is no input") }
      return [.tensor(inputs.dropFirst().reduce(first, body))]
    }
  }
}

extension NodeContext {
  /// A function along one axis; before version 13 along all axes from `axis` on, as one.
  func alongAxis(_ body: (Tensor, Int) -> Tensor) throws -> ONNXValue {
    let x = try tensor(0)
    if version >= 13 {
      let axis = try axis(int("axis", default: -1), rank: x.rank)
      return .tensor(body(x, axis))
    }
    let axis = try int("axis", default: 1)
    let first = try axis == x.rank ? axis : self.axis(axis, rank: max(1, x.rank))
    let outer = x.shape.dimensions[..<first].reduce(1, *)
    let rows = x.reshaped([outer, x.shape.dimensions[first...].reduce(1, *)])
    return .tensor(body(rows, 1).reshaped(x.shape))
  }
}
