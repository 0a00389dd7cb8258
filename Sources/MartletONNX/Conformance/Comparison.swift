// When two values of a test are equal.

import MartletIR

/// The tolerances of a comparison, `|got − expected| ≤ absolute + relative · |expected|`.
package struct Tolerance: Sendable {
  package var relative: Double
  package var absolute: Double
  /// Those of the official runner.
  package static let onnx = Tolerance(relative: 1e-3, absolute: 1e-7)
  package init(relative: Double, absolute: Double) {
    self.relative = relative
    self.absolute = absolute
  }
}

extension ONNXValue {
  /// Why the value is not the expected one; nil where it is.
  package func difference(from expected: ONNXValue, _ tolerance: Tolerance) -> String? {
    switch (self, expected) {
    case (.constant(let got), .constant(let wanted)):
      return got.difference(from: wanted, tolerance)
    case (.sequence(let got), .sequence(let wanted)):
      guard got.count == wanted.count else {
        return "\(got.count) elements instead of \(wanted.count)"
      }
      for (index, pair) in zip(got, wanted).enumerated() {
        if let why = pair.0.difference(from: pair.1, tolerance) {
          return "element \(index): \(why)"
        }
      }
      return nil
    case (.optional(nil), .optional(nil)): return nil
    case (.optional(let got?), .optional(let wanted?)):
      return got.difference(from: wanted, tolerance)
    case (let got, .optional(let wanted?)): return got.difference(from: wanted, tolerance)
    default: return "\(description) instead of \(expected.description)"
    }
  }
}

extension HostTensor {
  fileprivate func difference(from expected: HostTensor, _ tolerance: Tolerance) -> String? {
    guard elementType == expected.elementType, shape == expected.shape else {
      return
        "\(elementType.name)\(shape) instead of \(expected.elementType.name)\(expected.shape)"
    }
    if let wanted = expected.strings {
      guard let got = strings else { return "numbers instead of strings" }
      for index in wanted.indices where got[index] != wanted[index] {
        return "'\(printable(got[index]))' instead of '\(printable(wanted[index]))' at \(index)"
      }
      return nil
    }
    let (got, wanted) = (doubles, expected.doubles)
    guard got.count == wanted.count else { return "\(got.count) elements" }
    var count = 0
    var first: Int?
    for index in got.indices {
      let (x, y) = (got[index], wanted[index])
      if x == y || (x.isNaN && y.isNaN) { continue }
      if abs(x - y) <= tolerance.absolute + tolerance.relative * abs(y) { continue }
      count += 1
      if first == nil { first = index }
    }
    guard let first else { return nil }
    return "\(count) of \(got.count) differ, first at \(first): \(got[first]) instead of "
      + "\(wanted[first])"
  }
}
