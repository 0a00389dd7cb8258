// Arrays seen as [outer, axis, inner]: lines along one axis, which some operations walk as a whole.

import MartletIR

/// The lines of an array along one axis.
package struct AxisLines {
  package let outer: Int
  package let extent: Int
  package let inner: Int

  package init(_ shape: Shape, _ axis: Int) {
    outer = shape.dimensions[..<axis].reduce(1, *)
    extent = shape[axis]
    inner = shape.dimensions[(axis + 1)...].reduce(1, *)
  }

  /// Offsets of the elements of each line, from the axis' front.
  package var offsets: [[Int]] {
    (0..<outer).flatMap { o in
      (0..<inner).map { i in (0..<extent).map { (o * extent + $0) * inner + i } }
    }
  }

  /// The runtime's table, with an operation's own two numbers.
  package func table(_ a: Int, _ b: Int) -> [Int] { [outer, extent, inner, a, b] }
}

extension Op {
  /// Throws unless there is one operand of numbers with this axis.
  package func expectNumbers(
    _ operands: [TensorType], count: Int = 1, axis: Int
  ) throws(TypeError) {
    try expectOperands(operands, count)
    try expectEqualTypes(operands)
    try expectAxes([axis], rank: operands[0].shape.rank)
    guard operands[0].dtype != .bool else {
      throw TypeError(
        op: name, "takes numbers, got \(operands[0])",
        hint: "convert first: x.converted(to: .int32)")
    }
  }
}

extension OpSample {
  /// Shapes and axes for what walks along an axis: first, middle, last, long, of one element, empty.
  package static let lines: [(shape: Shape, axis: Int)] = [
    ([7], 0), ([3, 5], 1), ([3, 5], 0), ([2, 3, 4], 1), ([5, 1], 1), ([2, 130], 1), ([130, 3], 0),
    ([0, 3], 1), ([3, 0], 1),
  ]
}
