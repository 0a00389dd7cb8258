import MartletIR
import MartletLoops

/// Each element as another dtype.
///
/// Float to integer truncates towards zero and saturates, NaN gives 0; integers wrap; anything to
/// bool is `x ≠ 0`; bool to a number is 0 or 1; to a narrower float rounds to nearest, ties to even.
/// Gradient: the cotangent converted back, between floats; none flows through an integer.
package struct Convert: Op {
  package var dtype: DType
  package init(to dtype: DType) { self.dtype = dtype }
  package static let name = "convert"
  package var attributes: [Attribute] { [Attribute("dtype", .dtype(dtype))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["dtype"])
    dtype = try attributes.dtype("dtype")
  }
  package static let samples: [OpSample] = {
    let dtypes = DType.allCases
    return dtypes.flatMap { from in
      dtypes.flatMap { to in
        (from.isStorage || to.isStorage ? [[2, 7]] : [[], [0], [7], [2, 130]] as [Shape]).map {
          shape in
          OpSample(
            Convert(to: to), [TensorType(from, shape)], [from == .bool ? 0...1 : -300...300],
            isSmooth: to.isFloatingPoint, ulp: 0)
        }
      }
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    return [TensorType(dtype, operands[0].shape)]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    let type = TensorType(dtype, x.shape)
    if x.dtype.isFloatingPoint { return [HostArray(type, x.doubles)] }
    guard dtype.isFloatingPoint else { return [HostArray(type, x.integers)] }
    // A wide integer must round once: by way of Double it would round twice.
    guard dtype == .float32 else { return [HostArray(type, x.doubles)] }
    return [
      HostArray(
        type,
        x.integers.map {
          Double(x.dtype == .uint64 ? Float(UInt64(bitPattern: $0)) : Float($0))
        })
    ]
  }

  package var lowering: Lowering { .elementwise(.convert(.operand(0), to: dtype)) }

  package var forward: ForwardRule {
    dtype.isFloatingPoint ? .linear(in: 0..<1) : .transposed
  }
  package var gradient: Gradient {
    .rule { v in
      let isSmooth = v.x.dtype.isFloatingPoint && dtype.isFloatingPoint
      return [isSmooth ? v.dy.converted(to: v.x.dtype) : nil]
    }
  }
}

extension Tensor {
  /// The elements as another dtype; the tensor itself if it has that dtype already.
  ///
  /// Float to integer truncates towards zero and saturates, NaN gives 0; integers wrap; anything to
  /// bool is `x ≠ 0`. Gradient: the cotangent converted back, between floats only.
  public func converted(
    to dtype: DType, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    dtype == self.dtype ? self : record(Convert(to: dtype), self, at: here(self, file, line))
  }
}
