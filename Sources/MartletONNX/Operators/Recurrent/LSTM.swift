import MartletOps

/// Long short-term memory, gates in the order i, o, f, c. https://onnx.ai/onnx/operators/onnx__LSTM.html
struct LSTM: Operator {
  static let name = "LSTM"
  static let since = 7

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let recurrence = try Recurrence(node, gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"])
    let couples = try node.bool("input_forget")
    let results = try (0..<recurrence.directions).map { index in
      let direction = try recurrence.direction(index)
      let bias = direction.bias?.sum(axes: [0])
      // In the order i, o, f.
      let peepholes = try recurrence.peepholes(7, index, count: 3)
      let initial = [try recurrence.initial(5, index), try recurrence.initial(6, index)]
      return try recurrence.run(direction, initial) { states, x in
        let (h, c) = (states[0], states[1])
        let sum = x + matmul(h, direction.recurrent)
        let gates = bias.map { sum + $0 } ?? sum
        func gate(_ index: Int, _ cell: Tensor, peephole: Int) -> Tensor {
          let own = recurrence.gate(index, gates)
          guard let peepholes else { return recurrence.activate(0, direction, own) }
          let weights = peepholes.sliced(peephole..<(peephole + 1), axis: 0)
          return recurrence.activate(0, direction, own + weights * cell)
        }
        let i = gate(0, c, peephole: 0)
        let f = couples ? 1 - i : gate(2, c, peephole: 2)
        let candidate = recurrence.activate(1, direction, recurrence.gate(3, gates))
        let cell = f * c + i * candidate
        let o = gate(1, cell, peephole: 1)
        // ONNX Runtime does not clip the cell.
        return [o * recurrence.activate(2, direction, cell, clips: false), cell]
      }
    }
    return recurrence.outputs(results)
  }
}
