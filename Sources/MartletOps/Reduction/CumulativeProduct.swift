import MartletIR
import MartletLoops

/// The product of the elements up to each one, along an axis. Integers wrap.
///
/// Gradient: `dx[k] = (Π_{j<k} x[j]) · s[k]` with `s[k] = dy[k] + x[k+1] · s[k+1]`: a product and a linear
/// recurrence, without a division, so that zeros do no harm.
package struct CumulativeProduct: Cumulative {
  package var axis: Int
  package var exclusive: Bool
  package var reverse: Bool
  package init(axis: Int, exclusive: Bool, reverse: Bool) {
    self.axis = axis
    self.exclusive = exclusive
    self.reverse = reverse
  }
  package static let name = "cumulativeProduct"
  package static let symbol = "mt_cumulative_product"
  package static let neutral = 1.0
  package static let samples = CumulativeProduct.lineSamples(-1.2...1.2)
  package func combine(_ x: Double, _ y: Double) -> Double { x * y }
  package func combine(_ x: Int64, _ y: Int64) -> Int64 { x &* y }
  package var gradient: Gradient {
    .rule { v in
      // An exclusive product is the inclusive one, one place later.
      let dy = exclusive ? v.dy.shifted(axis, forwards: reverse) : v.dy
      let before = record(CumulativeProduct(axis: axis, exclusive: true, reverse: reverse), v.x)
      let rest = record(
        LinearRecurrence(axis: axis, reverse: !reverse), v.x.shifted(axis, forwards: reverse), dy)
      return [before * rest]
    }
  }
}

extension Tensor {
  /// Products along an axis up to each element: `y[k] = Π_{j ≤ k} x[j]`.
  ///
  /// `exclusive` leaves out the element itself; `reverse` multiplies from the axis' end. Numbers; the
  /// type stays; integers wrap; floats are carried in double precision. A negative axis counts from
  /// the end. Gradient: exact with zeros among the elements.
  public func cumulativeProduct(
    axis: Int, exclusive: Bool = false, reverse: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let place = here(self, file, line)
    guard let axis = checkedAxis(axis, op: CumulativeProduct.name, at: place) else {
      return poisoned
    }
    return record(
      CumulativeProduct(axis: axis, exclusive: exclusive, reverse: reverse), self, at: place)
  }
}
