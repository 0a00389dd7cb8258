// Values for inputs that are not given: what `martlet run` and the comparisons draw.

import MartletExecution
import MartletIR

extension ONNXModel {
  /// The given arrays, and drawn ones for the other inputs: floats in −1…1, integers in 0…9, bools,
  /// by a seed and the input's number. Optional inputs that are not given stay empty.
  package func filled(
    _ given: [String: NDArray], dimensions: [String: Int], seed: UInt64
  ) throws -> [String: ONNXValue] {
    var values = given.mapValues { ONNXValue.constant(HostTensor($0)) }
    try check(dimensions, values)
    var dimensions = dimensions
    for port in inputs {
      guard case .tensor(_, let declared?) = port.kind, let array = given[port.name],
        declared.count == array.shape.rank
      else { continue }
      for (dimension, extent) in zip(declared, array.shape.dimensions) {
        if case .symbolic(let name) = dimension, dimensions[name] == nil {
          dimensions[name] = extent
        }
      }
    }
    for (number, port) in inputs.enumerated() where values[port.name] == nil {
      guard case .tensor(let element, let declared?) = port.kind, let dtype = element.carrier else {
        continue
      }
      let shape = declared.map { dimension -> Int? in
        switch dimension {
        case .fixed(let n): n
        case .symbolic(let name): dimensions[name]
        case .unknown: nil
        }
      }
      let extents = shape.compactMap { $0 }
      // The import says which dimension is not bound.
      guard extents.count == shape.count else { continue }
      guard let count = Shape(extents).checkedCount, count <= file.limits.bytes / 8 else {
        throw ONNXError(
          .limit,
          "the input '\(port)' of \(extents.map(String.init).joined(separator: " × ")) is too large",
          hint: "--max-bytes allows more")
      }
      var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(number) &* 0xD1B5_4A32_D192_ED03
      func draw() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
      }
      let type = TensorType(dtype, Shape(extents))
      let array =
        dtype.isFloatingPoint
        ? HostArray(type, (0..<count).map { _ in Double(draw() >> 40) * 0x1p-23 - 1 })
        : HostArray(type, (0..<count).map { _ in Int64(draw() % (dtype == .bool ? 2 : 10)) })
      values[port.name] = .constant(HostTensor(try NDArray(array), as: element))
    }
    return values
  }
}
