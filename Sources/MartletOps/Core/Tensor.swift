// The symbolic tensor: a handle on a value of a trace.

import MartletIR

/// A symbolic array inside a traced computation.
///
/// A `Tensor` exists only while the closure given to `compile` runs. It has a type but no data:
/// there is no way to ask for its elements, so a Swift `if` on a tensor's value does not compile.
public struct Tensor {
  package let trace: Trace
  /// Nil when the tensor is poisoned by an error that was reported already.
  package let value: Value?
  /// dtype and shape.
  public let type: TensorType

  package init(trace: Trace, value: Value?, type: TensorType) {
    self.trace = trace
    self.value = value
    self.type = type
  }

  /// The element type.
  public var dtype: DType { type.dtype }
  /// The extents.
  public var shape: Shape { type.shape }
  /// The number of axes.
  public var rank: Int { type.shape.rank }
  /// The number of elements.
  public var count: Int { type.shape.count }
}

/// Records an operation with one result.
package func record(_ op: any Op, _ operands: Tensor..., at place: SourceLocation? = nil) -> Tensor
{
  recordAll(op, operands, at: place)[0]
}

/// Records an operation over a list of operands (at least one).
package func recordAll(
  _ op: any Op, _ operands: [Tensor], regions: [Graph] = [], at place: SourceLocation? = nil
) -> [Tensor] {
  // Every caller has at least one operand; operations without any take the trace explicitly. Of
  // operands from a loop's body and from around it, the body's trace records.
  innermost(operands).record(op, operands, regions: regions, at: place)
}

/// The innermost of the traces of some tensors (at least one).
package func innermost(_ operands: [Tensor]) -> Trace {
  var trace = operands[0].trace
  for operand in operands where operand.trace.depth > trace.depth { trace = operand.trace }
  return trace
}

/// A location for functions that take `file:line:`.
package func here(_ x: Tensor, _ file: StaticString, _ line: UInt) -> SourceLocation {
  x.trace.location(file, line)
}

/// Runs the body of a composite function: what it records lies where the function was called.
package func composite<T>(
  _ x: Tensor, _ file: StaticString, _ line: UInt, _ body: () -> T
) -> T {
  x.trace.calling(from: here(x, file, line), body)
}

/// NumPy broadcasting of two shapes; nil when they do not fit.
package func broadcastShapes(_ a: Shape, _ b: Shape) -> Shape? {
  let rank = max(a.rank, b.rank)
  var result = [Int](repeating: 1, count: rank)
  for axis in 0..<rank {
    let x = axis - (rank - a.rank) >= 0 ? a[axis - (rank - a.rank)] : 1
    let y = axis - (rank - b.rank) >= 0 ? b[axis - (rank - b.rank)] : 1
    guard x == y || x == 1 || y == 1 else { return nil }
    result[axis] = x == 1 ? y : x
  }
  return Shape(result)
}

/// Records a binary elementwise operation with NumPy broadcasting made explicit.
package func recordBroadcast(
  _ op: any Op, _ a: Tensor, _ b: Tensor, at place: SourceLocation? = nil
) -> Tensor {
  guard a.shape != b.shape, a.dtype == b.dtype else { return record(op, a, b, at: place) }
  guard let shape = broadcastShapes(a.shape, b.shape) else {
    let place = place ?? a.trace.place
    if a.value != nil, b.value != nil {
      a.trace.report(
        TypeError(
          op: op.name, "shapes \(a.shape) and \(b.shape) do not broadcast",
          hint: "trailing extents must be equal or 1"), [a.type, b.type], at: place)
    }
    return Tensor(trace: a.trace, value: nil, type: a.type)
  }
  return record(
    op, a.broadcasted(to: shape), b.broadcasted(to: shape), at: place)
}

extension Tensor {
  /// A scalar literal of this tensor's dtype and shape.
  package func filled(_ value: Double) -> Tensor {
    trace.constant(value, dtype).broadcasted(to: shape)
  }
}

extension Trace {
  /// A scalar literal.
  package func constant(_ value: Double, _ dtype: DType) -> Tensor {
    record(Constant(HostArray(TensorType(dtype, []), [value])), [])[0]
  }
  package func constant(_ array: HostArray) -> Tensor { record(Constant(array), [])[0] }
}

/// Zeros of another tensor's type.
public func zerosLike(_ x: Tensor) -> Tensor { x.filled(0) }
/// Ones of another tensor's type.
public func onesLike(_ x: Tensor) -> Tensor { x.filled(1) }
