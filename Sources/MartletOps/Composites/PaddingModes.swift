// Padding with the tensor's own elements: slices, reversals and concatenations.

import MartletIR

/// What stands around a tensor's elements when no constant does.
public enum PadMode: Hashable, Sendable {
  /// Its elements mirrored at the edge, which is not repeated: `c b | a b c | b a`.
  case reflect
  /// Its elements mirrored behind the edge, which is repeated: `b a | a b c | c b`.
  case symmetric
  /// The element at the edge: `a a | a b c | c c`.
  case edge
  /// The other end: `b c | a b c | a b`.
  case wrap
}

extension Tensor {
  /// Surrounds the elements with elements of the tensor: `low[i]` before and `high[i]` after axis i
  /// (NumPy's `pad` with that mode).
  ///
  /// Gradient: each element gets the cotangents of all its copies. Refused for negative numbers and
  /// for more than there is to copy: n − 1 for `reflect`, n for `symmetric` and `wrap`.
  public func padded(
    low: [Int], high: [Int], mode: PadMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      guard low.count == rank, high.count == rank, (low + high).allSatisfy({ $0 >= 0 }) else {
        return refuse(
          "padded", "needs one number of at least 0 before and after each axis", self,
          at: trace.place)
      }
      var y = self
      for axis in 0..<rank where low[axis] > 0 || high[axis] > 0 {
        let n = shape[axis]
        let most =
          switch mode {
          case .reflect: n - 1
          case .symmetric, .wrap: n
          case .edge: n > 0 ? Int(Int32.max) : 0
          }
        guard low[axis] <= most, high[axis] <= most else {
          return refuse(
            "padded", "\(low[axis]) and \(high[axis]) elements of \(n) on axis \(axis)", self,
            at: trace.place, hint: "the mode \(mode) copies at most \(Swift.max(0, most))")
        }
        func part(_ from: Int, _ to: Int, mirrored: Bool) -> Tensor {
          let slice = y.sliced(from..<to, axis: axis)
          return mirrored ? slice.reversed(axes: [axis]) : slice
        }
        func repeated(_ place: Int, _ count: Int) -> Tensor {
          var extents = y.shape.dimensions
          extents[axis] = count
          return y.sliced(place..<(place + 1), axis: axis).broadcasted(to: Shape(extents))
        }
        let (l, h) = (low[axis], high[axis])
        let pieces =
          switch mode {
          case .reflect: (part(1, l + 1, mirrored: true), part(n - 1 - h, n - 1, mirrored: true))
          case .symmetric: (part(0, l, mirrored: true), part(n - h, n, mirrored: true))
          case .wrap: (part(n - l, n, mirrored: false), part(0, h, mirrored: false))
          case .edge: (repeated(0, l), repeated(n - 1, h))
          }
        y = concatenate(
          (l > 0 ? [pieces.0] : []) + [y] + (h > 0 ? [pieces.1] : []), axis: axis)
      }
      return y
    }
  }
}
