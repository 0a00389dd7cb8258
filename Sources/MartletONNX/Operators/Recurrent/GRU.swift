import MartletOps

/// Gated recurrent units, gates in the order z, r, h. https://onnx.ai/onnx/operators/onnx__GRU.html
struct GRU: Operator {
  static let name = "GRU"
  static let since = 7

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let recurrence = try Recurrence(node, gates: 3, activations: ["Sigmoid", "Tanh"])
    let hidden = recurrence.hidden
    let resetsLast = try node.bool("linear_before_reset")
    let results = try (0..<recurrence.directions).map { index in
      let direction = try recurrence.direction(index)
      let inputBias = direction.bias?.sliced(0..<1, axis: 0).reshaped([3 * hidden])
      let ownBias = direction.bias?.sliced(1..<2, axis: 0).reshaped([3 * hidden])
      return try recurrence.run(direction, [try recurrence.initial(5, index)]) { states, x in
        let h = states[0]
        let given = inputBias.map { x + $0 } ?? x
        func own(_ state: Tensor, _ gates: Range<Int>) -> Tensor {
          let columns = (gates.lowerBound * hidden)..<(gates.upperBound * hidden)
          let product = matmul(state, direction.recurrent.sliced(columns, axis: 1))
          return ownBias.map { product + $0.sliced(columns, axis: 0) } ?? product
        }
        let (early, late): (Tensor, Tensor?)
        if resetsLast {
          let all = own(h, 0..<3)
          (early, late) = (all.sliced(0..<(2 * hidden), axis: 1), recurrence.gate(2, all))
        } else {
          (early, late) = (own(h, 0..<2), nil)
        }
        let z = recurrence.activate(
          0, direction, recurrence.gate(0, given) + recurrence.gate(0, early))
        let r = recurrence.activate(
          0, direction, recurrence.gate(1, given) + recurrence.gate(1, early))
        let candidate = late.map { r * $0 } ?? own(r * h, 2..<3)
        let n = recurrence.activate(1, direction, recurrence.gate(2, given) + candidate)
        return [(1 - z) * n + z * h]
      }
    }
    return recurrence.outputs(results)
  }
}
