import MartletOps

/// `h = f(x · Wᵀ + h · Rᵀ + b)`. https://onnx.ai/onnx/operators/onnx__RNN.html
struct RNN: Operator {
  static let name = "RNN"
  static let since = 7

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let recurrence = try Recurrence(node, gates: 1, activations: ["Tanh"])
    let results = try (0..<recurrence.directions).map { index in
      let direction = try recurrence.direction(index)
      let bias = direction.bias?.sum(axes: [0])
      return try recurrence.run(direction, [try recurrence.initial(5, index)]) { states, x in
        let sum = x + matmul(states[0], direction.recurrent)
        return [recurrence.activate(0, direction, bias.map { sum + $0 } ?? sum)]
      }
    }
    return recurrence.outputs(results)
  }
}
