import MartletIR
import MartletLoops

/// What running sums and products share.
package protocol Cumulative: Op {
  var axis: Int { get }
  /// Whether an element's own value is left out of its result.
  var exclusive: Bool { get }
  /// Whether the walk begins at the axis' end.
  var reverse: Bool { get }
  init(axis: Int, exclusive: Bool, reverse: Bool)
  /// The runtime's function.
  static var symbol: String { get }
  static var neutral: Double { get }
  func combine(_ x: Double, _ y: Double) -> Double
  func combine(_ x: Int64, _ y: Int64) -> Int64
}

extension Cumulative {
  package var attributes: [Attribute] {
    [
      Attribute("axis", .integer(axis)), Attribute("exclusive", .bool(exclusive)),
      Attribute("reverse", .bool(reverse)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "exclusive", "reverse"])
    self.init(
      axis: try attributes.integer("axis"), exclusive: try attributes.bool("exclusive"),
      reverse: try attributes.bool("reverse"))
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectNumbers(operands, axis: axis)
    return operands
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    func walk<T>(_ x: [T], _ neutral: T, _ combine: (T, T) -> T) -> [T] {
      var y = x
      for line in AxisLines(inputs[0].shape, axis).offsets {
        var carried = neutral
        for place in reverse ? line.reversed() : line {
          let next = combine(carried, x[place])
          y[place] = exclusive ? carried : next
          carried = next
        }
      }
      return y
    }
    if x.dtype.isFloatingPoint {
      return [HostArray(x.type, walk(x.doubles, Self.neutral) { combine($0, $1) })]
    }
    return [HostArray(x.type, walk(x.integers, Int64(Self.neutral)) { combine($0, $1) })]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let table = AxisLines(operands[0].shape, axis).table(exclusive ? 1 : 0, reverse ? 1 : 0)
      return [
        RuntimeCall(
          "\(Self.symbol)_\(operands[0].dtype)", [.table(table), .operand(0), .result(0)])
      ]
    }
  }

  package static func lineSamples(_ range: ClosedRange<Double>) -> [OpSample] {
    ([.float32, .float64, .int32, .uint8] as [DType]).flatMap { dtype in
      OpSample.lines.enumerated().map { number, lines in
        OpSample(
          Self(axis: lines.axis, exclusive: number % 3 == 1, reverse: number % 2 == 1),
          [TensorType(dtype, lines.shape)], [range], ulp: 16)
      }
    }
  }
}

/// The sum of the elements up to each one, along an axis. Integers wrap.
///
/// Gradient: the cumulative sum of the cotangent from the other end. Elements are added one after
/// the other, floats in double precision, rounded when stored: the bits depend on the line alone.
package struct CumulativeSum: Cumulative {
  package var axis: Int
  package var exclusive: Bool
  package var reverse: Bool
  package init(axis: Int, exclusive: Bool, reverse: Bool) {
    self.axis = axis
    self.exclusive = exclusive
    self.reverse = reverse
  }
  package static let name = "cumulativeSum"
  package static let symbol = "mt_cumulative_sum"
  package static let neutral = 0.0
  package static let samples = CumulativeSum.lineSamples(-2...2)
  package func combine(_ x: Double, _ y: Double) -> Double { x + y }
  package func combine(_ x: Int64, _ y: Int64) -> Int64 { x &+ y }
  package var forward: ForwardRule { .linear(in: 0..<1) }
  package var gradient: Gradient {
    .rule { v in
      [record(CumulativeSum(axis: axis, exclusive: exclusive, reverse: !reverse), v.dy)]
    }
  }
}

extension Tensor {
  /// Sums along an axis up to each element: `y[k] = Σ_{j ≤ k} x[j]`.
  ///
  /// `exclusive` leaves out the element itself; `reverse` sums from the axis' end. Numbers; the type
  /// stays; integers wrap; floats are carried in double precision. A negative axis counts from the
  /// end. Gradient: the cumulative sum of `dy` from the other end.
  public func cumulativeSum(
    axis: Int, exclusive: Bool = false, reverse: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let place = here(self, file, line)
    guard let axis = checkedAxis(axis, op: CumulativeSum.name, at: place) else { return poisoned }
    return record(
      CumulativeSum(axis: axis, exclusive: exclusive, reverse: reverse), self, at: place)
  }

  /// The elements moved by one place along an axis, forwards or backwards; a zero comes in.
  package func shifted(_ axis: Int, forwards: Bool) -> Tensor {
    var low = [Int](repeating: 0, count: rank)
    if shape[axis] == 0 { return self }
    low[axis] = forwards ? 1 : -1
    return padded(low: low, high: low.map { -$0 })
  }
}
