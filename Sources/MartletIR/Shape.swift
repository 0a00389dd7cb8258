// Shapes and tensor types, with overflow-checked arithmetic.

/// The extent of a tensor along each axis, outermost first. `[]` is a scalar.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  /// Extents, outermost axis first; none is negative.
  public var dimensions: [Int]

  /// A shape from its extents.
  public init(_ dimensions: [Int]) { self.dimensions = dimensions }
  /// A shape from a literal: `[64, 784]`.
  public init(arrayLiteral elements: Int...) { dimensions = elements }

  /// The number of axes.
  public var rank: Int { dimensions.count }
  /// The extent along `axis`.
  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The number of elements, or nil when it (or an extent) is negative or overflows.
  package var checkedCount: Int? {
    var count = 1
    for extent in dimensions {
      guard extent >= 0 else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      count = product
    }
    return count
  }

  /// The number of elements. A shape that passed the verifier never overflows.
  public var count: Int { checkedCount ?? Int.max }

  /// Row-major strides in elements.
  package var strides: [Int] {
    var result = [Int](repeating: 1, count: rank)
    var stride = 1
    for axis in (0..<rank).reversed() {
      result[axis] = stride
      stride = stride &* max(1, dimensions[axis])
    }
    return result
  }

}

extension Shape: CustomStringConvertible {
  /// `[64,784]`.
  public var description: String {
    "[" + dimensions.map(String.init).joined(separator: ",") + "]"
  }
}

/// A tensor's dtype and shape; prints as `f32[64,10]`.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  /// The element type.
  public var dtype: DType
  /// The extents.
  public var shape: Shape

  /// A type from its parts.
  public init(_ dtype: DType, _ shape: Shape) {
    self.dtype = dtype
    self.shape = shape
  }

  /// The number of elements.
  public var count: Int { shape.count }
  /// Bytes of the dense array.
  public var byteCount: Int { shape.count &* dtype.byteCount }
  /// `f32[64,10]`.
  public var description: String { "\(dtype)\(shape)" }

  /// Throws unless element and byte counts are representable.
  package func checkSize(op: String) throws(TypeError) {
    guard let count = shape.checkedCount,
      !count.multipliedReportingOverflow(by: dtype.byteCount).overflow,
      count &* dtype.byteCount <= Int.max / 2
    else {
      throw TypeError(op: op, "the shape \(shape) has a negative extent or too many elements")
    }
  }
}
