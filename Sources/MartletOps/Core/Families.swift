// Families of operations: what their members share. A new unary op is about twelve lines.

import MartletIR
import MartletLoops

/// Operations without attributes.
package protocol AttributeFree: Operation {
  init()
}
extension AttributeFree {
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow([])
    self.init()
  }
}

extension Op {
  /// Throws unless there are `count` operands.
  package func expectOperands(_ operands: [TensorType], _ count: Int) throws(TypeError) {
    guard operands.count == count else {
      throw TypeError(op: name, "takes \(count) operands, got \(operands.count)")
    }
  }

  /// Throws unless all operands have one type.
  package func expectEqualTypes(_ operands: [TensorType]) throws(TypeError) {
    guard let first = operands.first else { return }
    for other in operands.dropFirst() where other != first {
      if other.dtype != first.dtype {
        throw TypeError(
          op: name, "dtypes differ: \(first) and \(other)",
          hint: "convert one of them: x.converted(to: .\(caseName(first.dtype)))")
      }
      throw TypeError(op: name, "shapes differ: \(first) and \(other)")
    }
  }

  /// Throws unless each axis is in range and named once.
  package func expectAxes(_ axes: [Int], rank: Int) throws(TypeError) {
    for (index, axis) in axes.enumerated() {
      guard axis >= 0, axis < rank else {
        throw TypeError(op: name, "axis \(axis) is out of range for rank \(rank)")
      }
      guard !axes[..<index].contains(axis) else {
        throw TypeError(op: name, "axis \(axis) is named twice")
      }
    }
  }
}

/// The Swift spelling of a dtype, for hints.
package func caseName(_ dtype: DType) -> String {
  let kind = dtype.rawValue.prefix { $0.isLetter }
  let names: [Substring: String] = ["f": "float", "bf": "bfloat", "i": "int", "u": "uint"]
  return (names[kind] ?? "\(kind)") + dtype.rawValue.dropFirst(kind.count)
}

/// y = f(x) for each element of one floating-point (or, where stated, integer) operand.
package protocol UnaryElementwise: Op, AttributeFree {
  /// The runtime's function.
  static var function: UnaryFunction { get }
  /// The oracle for floats.
  func scalar(_ x: Double) -> Double
  /// The oracle for integers; nil where the operation takes floats only.
  func integer(_ x: Int64, _ dtype: DType) -> Int64?
}

extension UnaryElementwise {
  package func integer(_ x: Int64, _ dtype: DType) -> Int64? { nil }

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let dtype = operands[0].dtype
    let accepted = dtype.isFloatingPoint || (dtype.isInteger && integer(0, dtype) != nil)
    guard accepted else {
      throw TypeError(
        op: name, "no such function on \(dtype)", hint: "convert first: x.converted(to: .float32)")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    if x.dtype.isFloatingPoint { return [HostArray(x.type, x.doubles.map(scalar))] }
    return [HostArray(x.type, x.integers.map { integer($0, x.dtype) ?? 0 })]
  }

  package var lowering: Lowering { .elementwise(.unary(Self.function, .operand(0))) }
}

/// z = f(x, y) for each pair of elements of two operands of one type.
package protocol BinaryElementwise: Op, AttributeFree {
  static var function: BinaryFunction { get }
  func scalar(_ x: Double, _ y: Double) -> Double
  /// The oracle for integers (wrapped to the dtype afterwards); nil where floats only.
  func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64?
}

extension BinaryElementwise {
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    try expectEqualTypes(operands)
    let dtype = operands[0].dtype
    guard dtype.isFloatingPoint || (dtype.isInteger && integer(0, 1, dtype) != nil) else {
      throw TypeError(
        op: name, "no such function on \(dtype)", hint: "convert first: x.converted(to: .float32)")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let (x, y) = (inputs[0], inputs[1])
    if x.dtype.isFloatingPoint {
      return [HostArray(x.type, zip(x.doubles, y.doubles).map { scalar($0, $1) })]
    }
    return [
      HostArray(x.type, zip(x.integers, y.integers).map { integer($0, $1, x.dtype) ?? 0 })
    ]
  }

  package var lowering: Lowering {
    .elementwise(.binary(Self.function, .operand(0), .operand(1)))
  }
}

extension OpSample {
  /// Scalar, empty, one-element, odd and two-dimensional samples of a unary operation.
  package static func unary(
    _ op: any Op, _ range: ClosedRange<Double>, dtypes: [DType] = [.float32, .float64],
    isSmooth: Bool = true, ulp: Double = 4
  ) -> [OpSample] {
    dtypes.flatMap { dtype in
      ([[], [0], [1], [7], [3, 5], [2, 130]] as [Shape]).map {
        OpSample(op, [TensorType(dtype, $0)], [range], isSmooth: isSmooth, ulp: ulp)
      }
    }
  }

  /// The same for a binary operation.
  package static func binary(
    _ op: any Op, _ x: ClosedRange<Double>, _ y: ClosedRange<Double>,
    dtypes: [DType] = [.float32, .float64], isSmooth: Bool = true, ulp: Double = 4
  ) -> [OpSample] {
    dtypes.flatMap { dtype in
      ([[], [0], [1], [7], [3, 5], [2, 130]] as [Shape]).map {
        let type = TensorType(dtype, $0)
        return OpSample(op, [type, type], [x, y], isSmooth: isSmooth, ulp: ulp)
      }
    }
  }
}
