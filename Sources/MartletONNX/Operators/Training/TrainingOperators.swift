// Optimizers as operators, domain ai.onnx.preview.training. Specifications:
// https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_NAME.html

import MartletIR
import MartletOps

let trainingOperators: [OperatorEntry] = [
  OperatorEntry(Adagrad.self), OperatorEntry(Adam.self), OperatorEntry(Momentum.self),
  OperatorEntry(Gradient.self),
]

/// The domain of the optimizers.
let trainingDomain = "ai.onnx.preview.training"

extension NodeContext {
  /// Inputs from 2 on in `kinds` groups of equal size: all parameters, all gradients, states.
  func optimized(
    _ kinds: Int, _ body: (_ values: [Tensor]) throws -> [Tensor]
  ) throws -> [ONNXValue] {
    let all = try inputs.indices.dropFirst(2).map(tensor)
    guard !all.isEmpty, all.count % kinds == 0 else {
      throw invalid("\(all.count) inputs are not \(kinds) for each parameter")
    }
    let count = all.count / kinds
    var results: [[Tensor]] = []
    for index in 0..<count {
      let values = (0..<kinds).map { all[$0 * count + index] }
      guard values.allSatisfy({ $0.type == values[0].type && $0.dtype.isFloatingPoint }) else {
        throw invalid("parameter \(index) is \(values.map(\.type))")
      }
      results.append(try body(values))
    }
    return (results.first ?? []).indices.flatMap { kind in results.map { .tensor($0[kind]) } }
  }

  /// An input that is one number, in a dtype.
  func scalarInput(_ index: Int, _ dtype: DType) throws -> Tensor {
    let x = try tensor(index)
    guard x.count == 1 else { throw invalid("input \(index) is \(x.type), not one number") }
    return x.reshaped([]).converted(to: dtype)
  }
}
