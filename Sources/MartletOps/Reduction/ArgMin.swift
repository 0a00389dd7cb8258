import MartletIR
import MartletLoops

/// The index of the first smallest element along an axis, i32. A NaN counts as the smallest.
package struct ArgMin: ArgReduction {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "argMin"
  package static let function = ReduceFunction.min
  package static let samples = OpSample.argReduction(ArgMin.self)
}

extension Tensor {
  /// The index (i32) of the first smallest element along `axis` (a negative one counts from the end).
  ///
  /// The first NaN wins over all others. With `keepDims` the axis stays with extent 1. No gradient.
  /// Refused for bool and along an empty axis.
  public func argmin(
    axis: Int, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    argReduced(ArgMin.self, axis, keepDims, at: here(self, file, line))
  }
}
