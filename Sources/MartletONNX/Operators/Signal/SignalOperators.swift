// Operators on signals. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let signalOperators: [OperatorEntry] = [
  OperatorEntry(DFT.self), OperatorEntry(STFT.self), OperatorEntry(MelWeightMatrix.self),
  .window("HannWindow") { 0.5 - 0.5 * LibM.cos($0) },
  .window("HammingWindow") { 25.0 / 46 - 21.0 / 46 * LibM.cos($0) },
  .window("BlackmanWindow") { 0.42 - 0.5 * LibM.cos($0) + 0.08 * LibM.cos(2 * $0) },
]

extension OperatorEntry {
  /// A window function of the angle 2πn/N.
  fileprivate static func window(
    _ name: String, _ body: @escaping @Sendable (Double) -> Double
  ) -> OperatorEntry {
    OperatorEntry(name, since: 17) { node in
      let size = try node.integer(0)
      let element = try node.elementType(attribute: "output_datatype") ?? .float
      guard size >= 0, let dtype = element.carrier else { throw node.invalid("size \(size)") }
      let type = TensorType(dtype, try node.checked([size]))
      try node.checkSize(type)
      let period = try node.bool("periodic", default: true) ? size : size - 1
      let values = (0..<size).map { body(2 * .pi * Double($0) / Double(period)) }
      return [.constant(HostTensor(HostArray(type, values)))]
    }
  }
}
