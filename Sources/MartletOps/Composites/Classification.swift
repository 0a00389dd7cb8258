// Questions about single elements, and limits given as tensors.

import MartletIR

/// True where the element is not a number: bool of the shape of `x`. No gradient.
///
/// False for every integer.
public func isNaN(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { x .!= x }
}

/// True where the element is infinite: bool of the shape of `x`. No gradient.
///
/// False for every integer.
public func isInf(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) {
    x.dtype.isFloatingPoint ? abs(x) .== .infinity : x .!= x
  }
}

/// True where the element is neither infinite nor NaN: bool of the shape of `x`. No gradient.
///
/// True for every integer.
public func isFinite(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) {
    x.dtype.isFloatingPoint ? abs(x) .< .infinity : x .== x
  }
}

/// The elements limited to `low…high`, `min(max(x, low), high)`, with NumPy broadcasting.
///
/// Equal dtypes, numbers. NaN propagates. Gradient: to `x` strictly between the limits, to a limit where
/// it holds, and at a tie. For constant limits:
/// ``Tensor/clipped(low:high:file:line:)``.
public func clamp(
  _ x: Tensor, low: Tensor, high: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) { minimum(maximum(x, low), high) }
}
