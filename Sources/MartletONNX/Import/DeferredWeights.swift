// Weights of eight bits that a file unpacks itself, by Cast and Mul or DequantizeLinear: kept as they are
// until somebody wants the numbers.

import MartletExecution
import MartletIR
import MartletOps
import Synchronization

/// `(x − zero point) · scale` in f32, of eight-bit elements; computed when it is first read, in one
/// pass. A table of embeddings never is: rows are gathered first.
package final class DeferredFloats: Sendable {
  /// The elements in memory, int8 or uint8.
  let elements: NDArray
  /// Along the axis; one for all if there is one.
  let scales: [Float]
  let zeros: [Int32]
  let axis: Int
  /// False for a Cast that nothing has scaled.
  let isScaled: Bool
  private let numbers = Mutex<NDArray?>(nil)

  init(_ elements: NDArray, scales: [Float]?, zeros: [Int32] = [0], axis: Int = 0) {
    self.elements = elements
    self.scales = scales ?? [1]
    self.zeros = zeros
    self.axis = axis
    isScaled = scales != nil
  }

  var shape: Shape { elements.shape }

  /// The numbers; nil where there is no memory for them.
  var array: NDArray? {
    numbers.withLock { known in
      if known == nil { known = computed() }
      return known
    }
  }

  private func computed() -> NDArray? {
    guard let result = try? NDArray(zeros: shape) else { return nil }
    let target = result.base.assumingMemoryBound(to: Float.self)
    if elements.dtype == .int8 {
      fill(target, elements.base.assumingMemoryBound(to: Int8.self))
    } else {
      fill(target, elements.base.assumingMemoryBound(to: UInt8.self))
    }
    return result
  }

  private func fill<T: FixedWidthInteger>(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<T>
  ) {
    let extent = scales.count == 1 && zeros.count == 1 ? 1 : shape[axis]
    let inner = extent == 1 ? shape.count : shape.dimensions[(axis + 1)...].reduce(1, *)
    let line = extent * inner
    guard line > 0 else { return }
    let factors = (0..<extent).map { scales[scales.count == 1 ? 0 : $0] }
    let shifts = (0..<extent).map { zeros[zeros.count == 1 ? 0 : $0] }
    factors.withUnsafeBufferPointer { factors in
      shifts.withUnsafeBufferPointer { shifts in
        for start in stride(from: 0, to: shape.count, by: line) {
          if inner == 1 {
            for place in 0..<extent {
              let x = Int32(truncatingIfNeeded: source[start + place]) &- shifts[place]
              target[start + place] = Float(x) * factors[place]
            }
            continue
          }
          for place in 0..<extent {
            let (factor, shift) = (factors[place], shifts[place])
            let from = start + place * inner
            for at in from..<(from + inner) {
              let x = Int32(truncatingIfNeeded: source[at]) &- shift
              target[at] = Float(x) * factor
            }
          }
        }
      }
    }
  }

  /// Rows at places that are known at run time: as bytes, then as numbers. Nil where the scales do
  /// not go along the rows.
  func rows(at places: Tensor, _ trace: Trace) -> Tensor? {
    guard zeros == [0], shape.rank == 2, scales.count == 1 || axis == 0,
      let literal = HostTensor(elements).array
    else { return nil }
    let x = gather(trace.constant(literal), places, axis: 0).converted(to: .float32)
    guard isScaled else { return x }
    let type = TensorType(.float32, [scales.count])
    let factors = trace.constant(HostArray(type, scales.map(Double.init)))
    guard scales.count > 1 else { return x * factors.reshaped([]) }
    return x * gather(factors, places, axis: 0).expandedDims(at: places.rank)
  }
}

extension DeferredFloats {
  /// Elements from which on it is worth it.
  private static let smallest = 1 << 14

  /// What a node over constants gives, if that are eight-bit weights as numbers.
  static func result(of node: NodeContext) throws -> ONNXValue? {
    guard Importer.canonical(node.node.domain).isEmpty, let x = node.knownConstant(0) else {
      return nil
    }
    switch node.node.opType {
    case "Cast":
      guard let weights = weights(x, node), try node.elementType(attribute: "to") == .float else {
        return nil
      }
      return .constant(HostTensor(DeferredFloats(weights, scales: nil)))
    case "Mul":
      guard node.inputs.count == 2, let y = node.knownConstant(1) else { return nil }
      for (whole, factor) in [(x, y), (y, x)] {
        guard case .deferred(let cast) = whole.storage, !cast.isScaled,
          factor.elementType == .float, let numbers = factor.array,
          let axis = onlyAxis(factor.shape, whole.shape)
        else { continue }
        let scales = numbers.doubles.map { Float($0) }
        return .constant(HostTensor(DeferredFloats(cast.elements, scales: scales, axis: axis)))
      }
      return nil
    case "DequantizeLinear":
      guard let weights = weights(x, node), let scale = node.knownConstant(1),
        scale.elementType == .float, let scales = scale.array, try node.int("block_size") ?? 0 == 0,
        try node.int("output_dtype") ?? 0 == 0, !node.has(2) || node.knownConstant(2) != nil,
        scale.shape.rank == 0 || scale.count == 1 || scale.shape.rank == 1
      else { return nil }
      let zeros = node.knownConstant(2)?.integers.map { Int32(truncatingIfNeeded: $0) } ?? [0]
      let axis =
        scale.count == 1 ? 0 : try node.axis(node.int("axis", default: 1), rank: x.shape.rank)
      // Whatever does not fit has its error where the operator is built.
      guard scale.count == 1 || scale.count == x.shape[axis],
        zeros.count == 1 || zeros.count == scale.count,
        try !node.has(2) || node.elementType(2) == x.elementType
      else { return nil }
      return .constant(
        HostTensor(
          DeferredFloats(
            weights, scales: scales.doubles.map { Float($0) }, zeros: zeros, axis: axis)))
    default: return nil
    }
  }

  /// The elements of a constant that is large enough, and of eight bits, in memory.
  private static func weights(_ x: HostTensor, _ node: NodeContext) -> NDArray? {
    guard case .memory(let array) = x.storage, x.elementType == .int8 || x.elementType == .uint8,
      array.count >= smallest, array.count <= node.importer.limits.bytes / 4
    else { return nil }
    return array
  }

  /// The one axis of `shape` that `factor` differs along; nil where there are more.
  private static func onlyAxis(_ factor: Shape, _ shape: Shape) -> Int? {
    guard factor.rank <= shape.rank else { return nil }
    let extents = [Int](repeating: 1, count: shape.rank - factor.rank) + factor.dimensions
    let axes = extents.indices.filter { extents[$0] != 1 }
    guard axes.count <= 1, axes.allSatisfy({ extents[$0] == shape[$0] }) else { return nil }
    return axes.first ?? 0
  }
}
