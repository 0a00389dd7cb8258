import MartletIR
import MartletLoops

/// Compares each pair of elements of two operands of one type; the result is bool.
///
/// A NaN makes every comparison but `ne` false; −0 equals +0. No gradient.
package struct Compare: Op {
  package var direction: Comparison
  package init(_ direction: Comparison) { self.direction = direction }
  package static let name = "compare"
  package var attributes: [Attribute] { [Attribute("direction", .string(direction.rawValue))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["direction"])
    let spelling = try attributes.string("direction")
    guard let direction = Comparison(rawValue: spelling) else {
      throw TypeError(
        op: Self.name, "no direction '\(spelling)'",
        hint: Comparison.allCases.map(\.rawValue).joined(separator: " "))
    }
    self.direction = direction
  }
  package static let samples = Comparison.allCases.flatMap { direction in
    OpSample.binary(
      Compare(direction), -2...2, -2...2,
      dtypes: [.float32, .float64, .int32, .int64, .uint8, .bool], isSmooth: false, ulp: 0)
  }

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    try expectEqualTypes(operands)
    return [TensorType(.bool, operands[0].shape)]
  }

  private func holds<T: Comparable>(_ x: T, _ y: T) -> Int64 {
    let result =
      switch direction {
      case .eq: x == y
      case .ne: x != y
      case .lt: x < y
      case .le: x <= y
      case .gt: x > y
      case .ge: x >= y
      }
    return result ? 1 : 0
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let (x, y) = (inputs[0], inputs[1])
    let type = TensorType(.bool, x.shape)
    if x.dtype.isFloatingPoint {
      return [HostArray(type, zip(x.doubles, y.doubles).map { holds($0, $1) })]
    }
    if x.dtype == .uint64 {
      return [
        HostArray(
          type,
          zip(x.integers, y.integers).map {
            holds(UInt64(bitPattern: $0), UInt64(bitPattern: $1))
          })
      ]
    }
    return [HostArray(type, zip(x.integers, y.integers).map { holds($0, $1) })]
  }

  package var lowering: Lowering { .elementwise(.compare(direction, .operand(0), .operand(1))) }
  package var gradient: Gradient { .none(because: "the result is bool") }
}

extension Tensor {
  /// True where the element of `x` is less than that of `y`; NumPy broadcasting, equal dtypes.
  public static func .< (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.lt), x, y) }
  /// True where the element is less than a literal of the tensor's dtype.
  public static func .< (x: Tensor, y: Double) -> Tensor { x .< x.filled(y) }
  /// True where the element of `x` is at most that of `y`; NumPy broadcasting, equal dtypes.
  public static func .<= (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.le), x, y) }
  /// True where the element is at most a literal of the tensor's dtype.
  public static func .<= (x: Tensor, y: Double) -> Tensor { x .<= x.filled(y) }
  /// True where the element of `x` is greater than that of `y`; NumPy broadcasting, equal dtypes.
  public static func .> (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.gt), x, y) }
  /// True where the element is greater than a literal of the tensor's dtype.
  public static func .> (x: Tensor, y: Double) -> Tensor { x .> x.filled(y) }
  /// True where the element of `x` is at least that of `y`; NumPy broadcasting, equal dtypes.
  public static func .>= (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.ge), x, y) }
  /// True where the element is at least a literal of the tensor's dtype.
  public static func .>= (x: Tensor, y: Double) -> Tensor { x .>= x.filled(y) }
  /// True where the element of `x` is equal to that of `y`; NumPy broadcasting, equal dtypes.
  public static func .== (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.eq), x, y) }
  /// True where the element is equal to a literal of the tensor's dtype.
  public static func .== (x: Tensor, y: Double) -> Tensor { x .== x.filled(y) }
  /// True where the element of `x` is different from that of `y`; NumPy broadcasting, equal dtypes.
  public static func .!= (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Compare(.ne), x, y) }
  /// True where the element is different from a literal of the tensor's dtype.
  public static func .!= (x: Tensor, y: Double) -> Tensor { x .!= x.filled(y) }
}
