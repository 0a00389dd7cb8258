// any and all: composites over the u8 reductions.

import MartletIR

extension Tensor {
  /// True where any element over `axes` holds; false over no elements.
  ///
  /// Bool in, bool out; all axes if nil, negative ones count from the end; with `keepDims` the axes
  /// stay with extent 1. No gradient.
  public func any(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    reducedBool(axes, keepDims, isAny: true, file, line)
  }

  /// True where all elements over `axes` hold; true over no elements.
  ///
  /// Bool in, bool out; all axes if nil, negative ones count from the end; with `keepDims` the axes
  /// stay with extent 1. No gradient.
  public func all(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    reducedBool(axes, keepDims, isAny: false, file, line)
  }

  private func reducedBool(
    _ axes: [Int]?, _ keepDims: Bool, isAny: Bool, _ file: StaticString, _ line: UInt
  ) -> Tensor {
    let place = here(self, file, line)
    guard dtype == .bool else {
      if value != nil {
        let op = isAny ? "any" : "all"
        trace.report(
          TypeError(op: op, "takes bools", hint: "compare first, for example x .!= 0"), [type],
          at: place)
      }
      return poisoned
    }
    let counted = normalized(axes)
    if counted.isEmpty { return self }
    let bytes = converted(to: .uint8, file: file, line: line)
    // Max and min refuse empty groups; those have the value of no elements.
    let isEmpty = counted.contains { $0 >= 0 && $0 < rank && shape[$0] == 0 }
    if isEmpty {
      let sums = bytes.sum(axes: counted, keepDims: keepDims, file: file, line: line)
      return isAny ? sums .!= 0 : sums .== 0
    }
    let reduced =
      isAny
      ? bytes.max(axes: counted, keepDims: keepDims, file: file, line: line)
      : bytes.min(axes: counted, keepDims: keepDims, file: file, line: line)
    return reduced .!= 0
  }
}
