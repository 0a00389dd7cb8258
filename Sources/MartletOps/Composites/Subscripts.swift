// Subscripts: x[0..<3, .all, -1].

import MartletIR

/// What may stand for one axis between a tensor's brackets: an integer, a range of integers,
/// `.all`, `.newAxis`, `.ellipsis` or `.stride(from:to:by:)`.
public protocol TensorIndexable {
  /// The index that this stands for.
  var tensorIndex: TensorIndex { get }
}

/// One place between a tensor's brackets.
public struct TensorIndex: TensorIndexable, Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case at(Int)
    case slice(from: Int?, to: Int?, by: Int)
    case closed(from: Int, to: Int)
    case newAxis
    case ellipsis
  }
  package let kind: Kind
  package init(_ kind: Kind) { self.kind = kind }
  /// The index itself.
  public var tensorIndex: TensorIndex { self }
}

extension TensorIndexable where Self == TensorIndex {
  /// The whole axis.
  public static var all: TensorIndex { TensorIndex(.slice(from: nil, to: nil, by: 1)) }
  /// A new axis of extent 1 here.
  public static var newAxis: TensorIndex { TensorIndex(.newAxis) }
  /// As many whole axes as are left.
  public static var ellipsis: TensorIndex { TensorIndex(.ellipsis) }
  /// Every `step`-th index from `from` up to, not including, `to`; a negative step runs backwards.
  ///
  /// nil stands for the end of the axis where the walk begins, or ends.
  public static func stride(from: Int? = nil, to: Int? = nil, by step: Int) -> TensorIndex {
    TensorIndex(.slice(from: from, to: to, by: step))
  }
}

extension Int: TensorIndexable {
  /// One index of an axis, which the result lacks; negative: counted from the end.
  public var tensorIndex: TensorIndex { TensorIndex(.at(self)) }
}
extension Range: TensorIndexable where Bound == Int {
  /// The indices of an axis from the lower up to, not including, the upper bound.
  public var tensorIndex: TensorIndex {
    TensorIndex(.slice(from: lowerBound, to: upperBound, by: 1))
  }
}
extension ClosedRange: TensorIndexable where Bound == Int {
  /// The indices of an axis from the lower to the upper bound.
  public var tensorIndex: TensorIndex { TensorIndex(.closed(from: lowerBound, to: upperBound)) }
}
extension PartialRangeFrom: TensorIndexable where Bound == Int {
  /// The indices of an axis from the lower bound on.
  public var tensorIndex: TensorIndex { TensorIndex(.slice(from: lowerBound, to: nil, by: 1)) }
}
extension PartialRangeUpTo: TensorIndexable where Bound == Int {
  /// The indices of an axis up to, not including, the upper bound.
  public var tensorIndex: TensorIndex { TensorIndex(.slice(from: nil, to: upperBound, by: 1)) }
}
extension PartialRangeThrough: TensorIndexable where Bound == Int {
  /// The indices of an axis up to the upper bound.
  public var tensorIndex: TensorIndex { TensorIndex(.closed(from: 0, to: upperBound)) }
}

extension Tensor {
  /// Part of a tensor: `x[0..<3, .all, -1]`.
  ///
  /// Each index stands for one axis, in order: an integer takes one place and drops the axis, a
  /// range or `.stride(from:to:by:)` takes several, `.all` takes all, `.newAxis` adds an axis of
  /// extent 1, `.ellipsis` stands for as many `.all` as are left. Axes without an index stay whole.
  /// Negative numbers count from the end. Gradient: the cotangent in its place, zeros elsewhere.
  /// Refused when an index is out of range (nothing clamps).
  public subscript(
    _ indices: any TensorIndexable..., file file: StaticString = #fileID, line line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      do throws(TypeError) {
        let plan = try SubscriptPlan(shape, indices.map(\.tensorIndex.kind))
        var y = plan.reversed.isEmpty ? self : reversed(axes: plan.reversed)
        y = y.sliced(start: plan.start, limit: plan.limit, stride: plan.stride)
        return y.reshaped(Shape(plan.kept.map { $0.map { y.shape[$0] } ?? 1 }))
      } catch {
        return refuse("subscript", error.message, self, at: trace.place, hint: error.hint)
      }
    }
  }
}

/// Subscripts as a reversal, a slice and a reshape.
private struct SubscriptPlan {
  var start: [Int] = []
  var limit: [Int] = []
  var stride: [Int] = []
  /// Axes that run backwards; start and limit count after the reversal.
  var reversed: [Int] = []
  /// The result's axes: an axis of the slice, or nil for a new one.
  var kept: [Int?] = []

  init(_ shape: Shape, _ indices: [TensorIndex.Kind]) throws(TypeError) {
    let named = indices.count { $0 != .newAxis && $0 != .ellipsis }
    let ellipses = indices.count { $0 == .ellipsis }
    guard named <= shape.rank else {
      throw TypeError(op: "subscript", "\(named) indices for \(shape.rank) axes")
    }
    guard ellipses <= 1 else { throw TypeError(op: "subscript", "more than one .ellipsis") }
    let whole = TensorIndex.Kind.slice(from: nil, to: nil, by: 1)
    for kind in indices + (ellipses == 0 ? [.ellipsis] : []) {
      switch kind {
      case .newAxis: kept.append(nil)
      case .ellipsis:
        for _ in 0..<(shape.rank - named) { try take(whole, shape[start.count]) }
      default: try take(kind, shape[start.count])
      }
    }
  }

  private mutating func take(_ kind: TensorIndex.Kind, _ extent: Int) throws(TypeError) {
    let axis = start.count
    // Counts from the front. The far end of an axis is a valid bound, but no valid index.
    func bound(
      _ value: Int?, orElse fallback: Int, last: Int
    ) throws(TypeError) -> Int {
      guard let value else { return fallback }
      let counted = value < 0 ? value &+ extent : value
      guard counted >= 0, counted <= last else {
        throw TypeError(
          op: "subscript", "\(value) is out of range for axis \(axis) of extent \(extent)")
      }
      return counted
    }
    switch kind {
    case .at(let index):
      let counted = try bound(index, orElse: 0, last: extent - 1)
      append(counted, counted + 1, 1)
      return
    case .closed(let from, let to):
      append(
        try bound(from, orElse: 0, last: extent), try bound(to, orElse: 0, last: extent - 1) + 1, 1)
    case .slice(let from, let to, let step) where step > 0:
      append(
        try bound(from, orElse: 0, last: extent), try bound(to, orElse: extent, last: extent), step)
    case .slice(let from, let to, let step) where step < 0 && step > Int.min:
      // Index i is extent − 1 − i after the reversal.
      let first = try bound(from, orElse: extent - 1, last: extent - 1)
      let last = try bound(to, orElse: -1, last: extent - 1)
      reversed.append(axis)
      append(extent - 1 - first, extent - 1 - last, -step)
    default: throw TypeError(op: "subscript", "the step on axis \(axis) is 0 or out of range")
    }
    guard start[axis] <= limit[axis] else {
      throw TypeError(
        op: "subscript", "the range on axis \(axis) of extent \(extent) ends before it begins",
        hint: "-3... takes the last three")
    }
    kept.append(axis)
  }

  private mutating func append(_ from: Int, _ to: Int, _ by: Int) {
    start.append(from)
    limit.append(to)
    stride.append(by)
  }
}
