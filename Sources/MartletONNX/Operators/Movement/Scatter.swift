// Scattering: elements or slices put, added, multiplied or compared in at places. What the places are
// decides how: known ones become a choice of what each element reads, others are added at run time.

import MartletIR
import MartletOps

/// Slices put at index tuples. https://onnx.ai/onnx/operators/onnx__ScatterND.html
struct ScatterND: Operator {
  static let name = "ScatterND"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.shape(0).dimensions
    let index = try node.shape(1).dimensions
    guard let width = index.last, width <= x.count else {
      throw node.invalid("indices \(Shape(index)) for \(Shape(x))")
    }
    let extents = Array(x[..<width])
    let rest = Array(x[width...])
    let tuples = index.dropLast().reduce(1, *)
    guard try node.shape(2).dimensions == Array(index.dropLast()) + rest else {
      throw node.invalid("updates \(try node.shape(2)) for indices \(Shape(index))")
    }
    let rows = extents.reduce(1, *)
    let inner = rest.reduce(1, *)
    let base = try node.tensor(0).reshaped([rows, inner])
    let updates = try node.tensor(2).reshaped([tuples, inner])
    let combine = try ScatterCombination(node)
    let known = try node.scatterIndices(combine)
    let y =
      if let known {
        node.scattered(base, updates, try node.flatPlaces(known, extents: extents), combine)
      } else {
        node.scattered(
          base, updates, try node.flatPlaces(1, extents: extents), isSum: combine == .add)
      }
    return [.like(try node.elementType(0), y.reshaped(Shape(x)))]
  }
}

/// Elements put at indices along an axis. https://onnx.ai/onnx/operators/onnx__ScatterElements.html
struct ScatterElements: Operator {
  static let name = "ScatterElements"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let index = try node.shape(1)
    let axis = try node.axis(node.int("axis", default: 0), rank: shape.rank)
    guard index.rank == shape.rank, try node.shape(2) == index,
      (0..<shape.rank).allSatisfy({ $0 == axis || index[$0] <= shape[$0] })
    else { throw node.invalid("indices \(index) for \(shape)") }
    let base = try node.tensor(0).reshaped([shape.count, 1])
    let updates = try node.tensor(2).reshaped([index.count, 1])
    // Where each index stands, but for the axis that it names.
    let strides = shape.strides
    let own = index.strides
    let places = (0..<index.count).map { flat -> Int in
      (0..<shape.rank).reduce(0) { sum, other in
        other == axis ? sum : sum + flat / own[other] % max(1, index[other]) * strides[other]
      }
    }
    let combine = try ScatterCombination(node)
    let y: Tensor
    if let known = try node.scatterIndices(combine) {
      let extent = Int64(shape[axis])
      let targets = try zip(known.integers, places).map { value, place -> Int in
        let at = value < 0 ? value &+ extent : value
        guard at >= 0, at < extent else {
          throw node.invalid("index \(value) is out of range for the extent \(extent)")
        }
        return place + Int(at) * strides[axis]
      }
      y = node.scattered(base, updates, targets, combine)
    } else {
      let at = try node.places(1, extent: shape[axis]).converted(to: .int64)
        .reshaped([index.count])
      y = node.scattered(
        base, updates, at * Double(strides[axis]) + node.literal(places), isSum: combine == .add)
    }
    return [.like(try node.elementType(0), y.reshaped(shape))]
  }
}

/// How an update meets what is there.
enum ScatterCombination: String {
  case none, add, mul, max, min

  init(_ node: NodeContext) throws {
    let text = try node.string("reduction", default: "none")
    guard let found = ScatterCombination(rawValue: text) else {
      throw node.invalid("reduction '\(printable(text))'")
    }
    self = found
  }

  func callAsFunction(_ x: Tensor, _ y: Tensor) -> Tensor {
    switch self {
    case .none: y
    case .add: x + y
    case .mul: x * y
    case .max: maximum(x, y)
    case .min: minimum(x, y)
    }
  }
}

extension NodeContext {
  /// The indices where they are known, or have to be: only sums and plain writes go without.
  func scatterIndices(_ combine: ScatterCombination) throws -> HostTensor? {
    switch combine {
    case .none, .add: knownConstant(1)
    case .mul, .max, .min: try constant(1)
    }
  }

  /// Rows of updates at known rows of a base. The updates of one row apply in order: in rounds, each
  /// of which has one update of a row at most.
  func scattered(
    _ base: Tensor, _ updates: Tensor, _ targets: [Int], _ combine: ScatterCombination
  ) -> Tensor {
    let rows = base.shape[0]
    guard !targets.isEmpty, base.count > 0 else { return base }
    var seen = [Int](repeating: 0, count: rows)
    var rounds: [[(target: Int, update: Int)]] = []
    for (update, target) in targets.enumerated() {
      let round = combine == .none ? 0 : seen[target]
      seen[target] += 1
      if rounds.count <= round { rounds.append([]) }
      rounds[round].append((target, update))
    }
    var y = base
    for round in rounds {
      var source = [Int](repeating: 0, count: rows)
      var isHit = [Int64](repeating: 0, count: rows)
      // Of plain writes to one row the last stays.
      for (target, update) in round {
        source[target] = update
        isHit[target] = 1
      }
      let mask = literal(HostArray(TensorType(.bool, [rows, 1]), isHit)).broadcasted(to: y.shape)
      y = select(mask, combine(y, gather(updates, literal(source), axis: 0)), y)
    }
    return y
  }

  /// The same at rows that are computed: sums, or writes of which no two meet.
  func scattered(_ base: Tensor, _ updates: Tensor, _ targets: Tensor, isSum: Bool) -> Tensor {
    guard targets.count > 0, base.count > 0 else { return base }
    // Arithmetic of narrow types is done in their wider one.
    let dtype = base.dtype == .bool ? DType.int32 : base.dtype.arithmetic
    let wide = updates.converted(to: dtype)
    if isSum {
      return scatterAdd(base.converted(to: dtype), targets, wide, axis: 0)
        .converted(to: base.dtype)
    }
    let written = scatterAdd(zerosLike(base.converted(to: dtype)), targets, wide, axis: 0)
    let ones = scalar(1, .int32).broadcasted(to: [targets.count, 1])
    let hits = scatterAdd(
      scalar(0, .int32).broadcasted(to: [base.shape[0], 1]), targets, ones, axis: 0)
    return select(
      (hits .> 0).broadcasted(to: base.shape), written.converted(to: base.dtype), base)
  }
}

/// New rows of a cache, from an index for each of the batch on.
/// https://onnx.ai/onnx/operators/onnx__TensorScatter.html
struct TensorScatter: Operator {
  static let name = "TensorScatter"
  static let since = 24

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (cache, update) = (try node.tensor(0), try node.tensor(1))
    let axis = try node.axis(node.int("axis", default: -2), rank: cache.rank)
    guard axis > 0, update.rank == cache.rank, update.shape[axis] > 0,
      (0..<cache.rank).allSatisfy({ $0 == axis || update.shape[$0] == cache.shape[$0] })
    else { throw node.invalid("an update \(update.type) of \(cache.type)") }
    let extent = cache.shape[axis]
    let isCircular = try node.string("mode", default: "linear") == "circular"
    var distance = node.trace.record(Iota(TensorType(.int64, cache.shape), axis: axis), [])[0]
    if let first = try node.optionalTensor(2) {
      var column = [Int](repeating: 1, count: cache.rank)
      column[0] = cache.shape[0]
      distance =
        distance
        - first.converted(to: .int64).reshaped(Shape(column)).broadcasted(to: cache.shape)
    }
    if isCircular { distance = select(distance .< 0, distance + Double(extent), distance) }
    let isNew = (distance .>= 0) .& (distance .< Double(update.shape[axis]))
    let place = distance.clipped(low: 0, high: Double(update.shape[axis] - 1))
    return [
      .like(
        try node.elementType(0),
        select(isNew, takeAlongAxis(update, place, axis: axis), cache))
    ]
  }
}
