// Unit axes, stacking and splitting: reshapes, slices and concatenations under familiar names.

import MartletIR

extension Tensor {
  /// The same elements with a new axis of extent 1 at `axis` (negative: counted from the result's
  /// end).
  ///
  /// Gradient: the cotangent reshaped. Refused when the axis is out of range.
  public func expandedDims(
    at axis: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      let target = axis < 0 ? axis + rank + 1 : axis
      guard (0...rank).contains(target) else {
        return refuse(
          "expandedDims", "axis \(axis) is out of range for a result of rank \(rank + 1)", self,
          at: trace.place)
      }
      var extents = shape.dimensions
      extents.insert(1, at: target)
      return reshaped(Shape(extents))
    }
  }

  /// The same elements without axes of extent 1: those named, or all of them if nil.
  ///
  /// Gradient: the cotangent reshaped. Refused when a named axis has another extent.
  public func squeezed(
    axes: [Int]? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      let dropped =
        axes.map { $0.map { $0 < 0 ? $0 + rank : $0 } } ?? (0..<rank).filter { shape[$0] == 1 }
      guard dropped.allSatisfy({ (0..<rank).contains($0) && shape[$0] == 1 }) else {
        return refuse(
          "squeezed", "the axes \(dropped) are not all of extent 1", self, at: trace.place)
      }
      let kept = (0..<rank).filter { !dropped.contains($0) }
      return reshaped(Shape(kept.map { shape[$0] }))
    }
  }

  /// The same elements with all axes from `axis` on made one: `[B, H, W, C] → [B, H·W·C]`.
  ///
  /// Gradient: the cotangent reshaped. Refused when the axis is out of range.
  public func flattened(
    from axis: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      guard (0...rank).contains(axis) else {
        return refuse("flattened", "axis \(axis) is out of range", self, at: trace.place)
      }
      let rest = shape.dimensions[axis...].reduce(1, *)
      return reshaped(Shape(shape.dimensions[..<axis] + [rest]))
    }
  }

  /// Consecutive parts of the given sizes along an axis (a negative one counts from the end).
  ///
  /// Gradient: each part's cotangent in its place. Refused unless the sizes sum to the axis'
  /// extent.
  public func split(
    sizes: [Int], axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> [Tensor] {
    composite(self, file, line) {
      guard let axis = checkedAxis(axis, op: "split", at: trace.place) else {
        return sizes.map { _ in poisoned }
      }
      var total = 0
      for size in sizes {
        let (sum, overflow) = total.addingReportingOverflow(size)
        total = size < 0 || overflow || total < 0 ? -1 : sum
      }
      guard total == shape[axis] else {
        let poisoned = refuse(
          "split", "the sizes \(sizes) do not sum to \(shape[axis]), the extent of axis \(axis)",
          self, at: trace.place)
        return sizes.map { _ in poisoned }
      }
      var start = 0
      return sizes.map { size in
        defer { start += size }
        return sliced(start..<(start + size), axis: axis)
      }
    }
  }

  /// `count` parts of equal size along an axis (a negative one counts from the end).
  ///
  /// Gradient: each part's cotangent in its place. Refused unless `count` divides the axis' extent.
  public func split(
    into count: Int, axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> [Tensor] {
    composite(self, file, line) {
      guard let axis = checkedAxis(axis, op: "split", at: trace.place) else { return [poisoned] }
      guard count > 0, shape[axis] % count == 0 else {
        return [
          refuse(
            "split", "\(count) parts do not divide \(shape[axis]), the extent of axis \(axis)",
            self, at: trace.place)
        ]
      }
      return split(
        sizes: [Int](repeating: shape[axis] / count, count: count), axis: axis)
    }
  }

  /// The slices along an axis, each without that axis: the inverse of ``stack(_:axis:file:line:)``.
  ///
  /// Gradient: each slice's cotangent in its place.
  public func unstacked(
    axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> [Tensor] {
    composite(self, file, line) {
      guard let axis = checkedAxis(axis, op: "unstacked", at: trace.place) else { return [] }
      return (0..<shape[axis]).map {
        sliced($0..<($0 + 1), axis: axis).squeezed(axes: [axis])
      }
    }
  }

  /// The elements limited to `low...high`: `min(max(x, low), high)`.
  ///
  /// NaN propagates. Gradient: `dy` strictly between the limits, else 0.
  public func clipped(
    low: Double, high: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) { minimum(maximum(self, low), high) }
  }
}

/// Tensors of one type joined along a new axis: n of `[…]` → `[…, n, …]`.
///
/// A negative axis counts from the result's end. Gradient: each tensor gets its slice. Refused when
/// the list is empty or the types differ.
public func stack(
  _ tensors: [Tensor], axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  guard let first = tensors.first else {
    return concatenate([], axis: axis, file: file, line: line)
  }
  return composite(first, file, line) {
    let target = axis < 0 ? axis + first.rank + 1 : axis
    return concatenate(tensors.map { $0.expandedDims(at: axis) }, axis: target)
  }
}

/// Linear interpolation, `a + t · (b − a)`, with NumPy broadcasting.
///
/// Gradient: to `a` `(1 − t) · dy`, to `b` `t · dy`, to `t` `(b − a) · dy`.
public func interpolate(
  _ a: Tensor, _ b: Tensor, _ t: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(a, file, line) { a + t * (b - a) }
}

/// Linear interpolation by a constant, `a + t · (b − a)`, with NumPy broadcasting.
///
/// Gradient: to `a` `(1 − t) · dy`, to `b` `t · dy`.
public func interpolate(
  _ a: Tensor, _ b: Tensor, _ t: Double, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(a, file, line) { a + t * (b - a) }
}
