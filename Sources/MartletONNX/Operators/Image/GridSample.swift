import MartletIR
import MartletOps

/// Images at places between their elements, `[N, C, D₁…], [N, E₁…, d] → [N, C, E₁…]`.
/// https://onnx.ai/onnx/operators/onnx__GridSample.html
struct GridSample: Operator {
  static let name = "GridSample"
  static let since = 16

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, grid) = (try node.tensor(0), try node.tensor(1))
    let axes = x.rank - 2
    guard (1...3).contains(axes), grid.rank == x.rank, grid.shape[0] == x.shape[0],
      grid.shape[grid.rank - 1] == axes, x.count > 0
    else { throw node.invalid("cannot sample \(x.type) at \(grid.type)") }
    let mode = try node.string("mode", default: node.version < 20 ? "bilinear" : "linear")
    let sampler = Sampler(
      node: node, extents: Array(x.shape.dimensions[2...]),
      padding: try node.string("padding_mode", default: "zeros"),
      alignsCorners: try node.bool("align_corners"))
    guard ["zeros", "border", "reflection"].contains(sampler.padding) else {
      throw node.invalid("padding_mode '\(printable(sampler.padding))'")
    }
    let outputs = Array(grid.shape.dimensions[1..<(grid.rank - 1)])
    let count = outputs.reduce(1, *)
    // Places for each axis, [N, count]; the grid names the last axis first.
    let flat = grid.converted(to: .float32).reshaped([x.shape[0], count, axes])
    let places = (0..<axes).map { axis in
      sampler.place(
        flat.sliced((axes - 1 - axis)..<(axes - axis), axis: 2)
          .reshaped([x.shape[0], count]), axis, rounds: mode == "nearest")
    }
    // Rows of channels: [N · D₁ ⋯, C].
    let rows = x.reshaped([x.shape[0], x.shape[1], -1]).transposed([0, 2, 1])
      .reshaped([-1, x.shape[1]])
    let y: Tensor
    switch mode {
    case "nearest": y = sampler.element(rows, places)
    case "linear", "bilinear": y = sampler.sum(rows, places, offsets: 0...1) { linear($0, $1) }
    case "cubic", "bicubic": y = sampler.sum(rows, places, offsets: -1...2) { cubic($0, $1) }
    default: throw node.invalid("mode '\(printable(mode))'")
    }
    let result = y.reshaped([x.shape[0], count, x.shape[1]]).transposed([0, 2, 1])
      .reshaped(Shape([x.shape[0], x.shape[1]] + outputs))
    return [.tensor(result.converted(to: x.dtype))]
  }

  private static func linear(_ t: Tensor, _ offset: Int) -> Tensor { offset == 0 ? 1 - t : t }

  /// Keys' kernel with a = −0.75.
  private static func cubic(_ t: Tensor, _ offset: Int) -> Tensor {
    let a = -0.75
    let distance = abs(t - Double(offset))
    switch offset {
    case 0, 1: return ((a + 2) * distance - (a + 3)) * distance * distance + 1
    default: return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    }
  }
}

/// Elements of images at computed places.
private struct Sampler {
  let node: NodeContext
  let extents: [Int]
  let padding: String
  let alignsCorners: Bool

  /// −1…1 as a place on an axis, moved inside where the padding says so.
  func place(_ n: Tensor, _ axis: Int, rounds: Bool) -> Tensor {
    let extent = Double(extents[axis])
    var x = alignsCorners ? (n + 1) / 2 * (extent - 1) : ((n + 1) * extent - 1) / 2
    if rounds { x = round(x) }
    let (low, high) = border(axis)
    switch padding {
    case "border":
      return select((x .< low) .| (x .> high), x.clipped(low: 0, high: extent - 1), x)
    case "reflection": return reflected(x, axis)
    default: return x
    }
  }

  private func border(_ axis: Int) -> (Double, Double) {
    alignsCorners ? (0, Double(extents[axis] - 1)) : (-0.5, Double(extents[axis]) - 0.5)
  }

  private func reflected(_ x: Tensor, _ axis: Int) -> Tensor {
    let (low, high) = border(axis)
    let range = high - low
    if range <= 0 { return x.filled(low) }
    let distance = abs(x - low)
    let turns = floor(distance / (2 * range))
    let rest = distance - turns * (2 * range)
    let inside = low + select(rest .> range, 2 * range - rest, rest)
    return select((x .< low) .| (x .> high), inside, x)
  }

  /// Elements at whole places, [N, count, C]; zero outside where the padding is zeros.
  func element(_ rows: Tensor, _ places: [Tensor]) -> Tensor {
    let (batch, count) = (places[0].shape[0], places[0].shape[1])
    let size = extents.reduce(1, *)
    var index = node.literal(
      HostArray(
        TensorType(.int32, [batch, 1]), (0..<batch).map { Int64($0 * size) })
    ).broadcasted(to: [batch, count])
    var isInside: Tensor?
    for (axis, place) in places.enumerated() {
      let last = Double(extents[axis] - 1)
      let stride = extents[(axis + 1)...].reduce(1, *)
      var at = place
      if padding == "reflection" { at = trunc(reflected(place, axis)) }
      if padding == "zeros" {
        let own = (place .>= 0) .& (place .<= last)
        isInside = isInside.map { $0 .& own } ?? own
      }
      let bounded = at.clipped(low: 0, high: last).converted(to: .int32)
      index = index + bounded * Double(stride)
    }
    let found = gather(rows, index.reshaped([batch * count]), axis: 0)
    guard let isInside else { return found }
    return select(
      isInside.reshaped([batch * count, 1]).broadcasted(to: found.shape), found, 0)
  }

  /// A sum over neighbours on all axes, with a weight for each offset.
  func sum(
    _ rows: Tensor, _ places: [Tensor], offsets: ClosedRange<Int>,
    weight: (Tensor, Int) -> Tensor
  ) -> Tensor {
    let floors = places.map { floor($0) }
    let fractions = zip(places, floors).map { $0 - $1 }
    var result: Tensor?
    func add(_ axis: Int, _ at: [Tensor], _ product: Tensor?) {
      guard axis < places.count else {
        let found = element(rows, at)
        guard let product else { return }
        let part =
          found
          * product.reshaped([found.shape[0], 1]).converted(to: found.dtype)
          .broadcasted(to: found.shape)
        result = result.map { $0 + part } ?? part
        return
      }
      for offset in offsets {
        let own = weight(fractions[axis], offset)
        add(axis + 1, at + [floors[axis] + Double(offset)], product.map { $0 * own } ?? own)
      }
    }
    add(0, [], nil)
    return result ?? rows
  }
}
