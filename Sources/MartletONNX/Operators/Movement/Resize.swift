import MartletIR
import MartletOps

/// Axes at another resolution: nearest, linear or cubic.
/// https://onnx.ai/onnx/operators/onnx__Resize.html
struct Resize: Operator {
  static let name = "Resize"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    guard node.version >= 11 else { return try upsample(node) }
    let axes =
      try node.ints("axes").map { try node.axes($0, rank: shape.rank) }
      ?? Array(0..<shape.rank)
    let roi = node.has(1) ? try node.constant(1).doubles : []
    var sampling = try Sampling(node)
    let given = node.has(2) ? try node.constant(2).doubles : []
    var scales: [Double] = []
    var sizes: [Int] = []
    if node.has(3), given.isEmpty, let said = try node.optionalIntegers(3), !said.isEmpty {
      guard said.count == axes.count, said.allSatisfy({ $0 > 0 && $0 < 1 << 40 }) else {
        throw node.invalid("sizes \(printable(said.description)) for \(axes.count) axes")
      }
      scales = zip(said, axes).map { Double($0) / Double(max(1, shape[$1])) }
      sizes = said
      switch try node.string("keep_aspect_ratio_policy", default: "stretch") {
      case "stretch": break
      case let policy:
        let scale = (policy == "not_larger" ? scales.min() : scales.max()) ?? 1
        scales = scales.map { _ in scale }
        sizes = axes.map { Int((scale * Double(shape[$0]) + 0.5).rounded(.down)) }
      }
    } else {
      guard given.count == axes.count, given.allSatisfy({ $0 > 0 && $0 < 0x1p40 }) else {
        throw node.invalid("\(given.count) scales for \(axes.count) axes")
      }
      scales = given
      sizes = zip(axes, scales).map { Int((Double(shape[$0]) * $1).rounded(.down)) }
    }
    if sampling.crops {
      guard roi.count == 2 * axes.count else { throw node.invalid("the region is missing") }
    }
    sampling.antialiases = try node.bool("antialias")
    return [try resized(node, axes, scales, sizes, roi, sampling)]
  }

  /// Upsample, and Resize before version 11: from the corner on, rounding down.
  static func upsample(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let scales = try node.version >= 9 ? node.constant(1).doubles : node.floats("scales") ?? []
    guard scales.count == shape.rank, scales.allSatisfy({ $0 > 0 && $0 < 0x1p40 }) else {
      throw node.invalid("\(scales.count) scales for \(shape)")
    }
    var sampling = Sampling()
    sampling.mode = try node.string("mode", default: "nearest")
    sampling.coordinates = "asymmetric"
    sampling.nearest = "floor"
    let sizes = zip(shape.dimensions, scales).map { Int((Double($0) * $1).rounded(.down)) }
    return [try resized(node, Array(0..<shape.rank), scales, sizes, [], sampling)]
  }

  private static func resized(
    _ node: NodeContext, _ axes: [Int], _ scales: [Double], _ sizes: [Int], _ roi: [Double],
    _ sampling: Sampling
  ) throws -> ONNXValue {
    var x = try node.tensor(0)
    let type = try node.elementType(0)
    let original = x.dtype
    var target = x.shape.dimensions
    for (axis, size) in zip(axes, sizes) { target[axis] = size }
    try node.checkSize(TensorType(.float32, node.checked(target)))
    let isNearest = sampling.mode == "nearest"
    if !isNearest, !original.isFloatingPoint { x = x.converted(to: .float32) }
    var outside: Tensor?
    // Between convolutions images are channels-last.
    let isImage =
      x.rank == 4 && !sampling.crops
      && zip(axes, sizes).allSatisfy { $0 > 1 || x.shape[$0] == $1 }
    if isImage { x = x.channelsLast }
    for (index, named) in axes.enumerated() {
      let axis = isImage ? [0, 3, 1, 2][named] : named
      let extent = x.shape[axis]
      let region = sampling.crops ? (roi[index], roi[index + axes.count]) : (0, 1)
      if extent == sizes[index], scales[index] == 1, !sampling.crops { continue }
      guard extent > 0 else { throw node.invalid("axis \(axis) of \(x.type) is empty") }
      let places = (0..<sizes[index]).map {
        sampling.place($0, extent: extent, size: sizes[index], scale: scales[index], region)
      }
      if sampling.crops {
        // Beyond the region's image stands one value.
        let isOut = places.map { Int64($0 < 0 || $0 > Double(extent - 1) ? 1 : 0) }
        if isOut.contains(1) {
          var column = [Int](repeating: 1, count: x.rank)
          column[axis] = sizes[index]
          let mask = node.literal(HostArray(TensorType(.bool, Shape(column)), isOut))
            .broadcasted(to: Shape(target))
          outside = outside.map { $0 .| mask } ?? mask
        }
      }
      x = sampled(node, x, axis, places, scales[index], sampling)
    }
    if let outside { x = select(outside, x.filled(sampling.extrapolation), x) }
    if isImage { x = x.channelsFirst }
    if x.dtype != original { x = round(x).converted(to: original) }
    return .like(type, x)
  }

  private static func sampled(
    _ node: NodeContext, _ x: Tensor, _ axis: Int, _ places: [Double], _ scale: Double,
    _ sampling: Sampling
  ) -> Tensor {
    let extent = x.shape[axis]
    // A scale may leave nothing of an axis.
    if places.isEmpty { return x.sliced(0..<0, axis: axis) }
    if sampling.mode == "nearest" {
      let indices = places.map { sampling.nearestIndex($0, extent: extent) }
      // A whole factor repeats each element.
      let factor = indices.count / extent
      if factor > 1, indices == (0..<(extent * factor)).map({ $0 / factor }) {
        let head = Array(x.shape.dimensions[..<axis])
        let tail = Array(x.shape.dimensions[(axis + 1)...])
        return x.reshaped(Shape(head + [extent, 1] + tail))
          .broadcasted(to: Shape(head + [extent, factor] + tail))
          .reshaped(Shape(head + [extent * factor] + tail))
      }
      return gather(x, node.literal(indices), axis: axis)
    }
    // Some elements, each with a weight.
    let taps = places.map { sampling.taps($0, extent: extent, scale: scale) }
    let count = taps.map(\.count).max() ?? 0
    if count > 4 {
      var weights = [Double](repeating: 0, count: taps.count * extent)
      for (row, list) in taps.enumerated() {
        for tap in list { weights[row * extent + tap.index] += tap.weight }
      }
      let matrix = node.literal(
        HostArray(
          TensorType(x.dtype, [extent, taps.count]),
          (0..<extent).flatMap { i in taps.indices.map { weights[$0 * extent + i] } }))
      let last = (0..<x.rank).filter { $0 != axis } + [axis]
      let y = matmul(x.transposed(last), matrix)
      var back = Array(0..<(x.rank - 1))
      back.insert(x.rank - 1, at: axis)
      return y.transposed(back)
    }
    var column = [Int](repeating: 1, count: x.rank)
    column[axis] = taps.count
    var sum: Tensor?
    for tap in 0..<count {
      let part = gather(x, node.literal(taps.map { $0[tap].index }), axis: axis)
      let weight = node.literal(
        HostArray(TensorType(x.dtype, Shape(column)), taps.map { $0[tap].weight }))
      sum = sum.map { $0 + part * weight } ?? part * weight
    }
    return sum ?? x
  }
}

/// How a resized axis reads the one before.
struct Sampling {
  var mode = "nearest"
  var coordinates = "half_pixel"
  var nearest = "round_prefer_floor"
  var cubic = -0.75
  var excludesOutside = false
  var extrapolation = 0.0
  var antialiases = false
  var crops: Bool { coordinates == "tf_crop_and_resize" }

  init() {}

  init(_ node: NodeContext) throws {
    mode = try node.string("mode", default: mode)
    coordinates = try node.string("coordinate_transformation_mode", default: coordinates)
    nearest = try node.string("nearest_mode", default: nearest)
    cubic = try node.float("cubic_coeff_a", default: cubic)
    excludesOutside = try node.bool("exclude_outside")
    extrapolation = try node.float("extrapolation_value", default: 0)
    guard ["nearest", "linear", "cubic"].contains(mode) else {
      throw node.invalid("mode '\(printable(mode))'")
    }
  }

  /// Where an element of the result lies in the operand.
  func place(
    _ index: Int, extent: Int, size: Int, scale: Double, _ region: (start: Double, end: Double)
  ) -> Double {
    let x = Double(index)
    let last = Double(extent - 1)
    switch coordinates {
    case "align_corners":
      // The specification divides by the length before it is rounded.
      let length = scale * Double(extent)
      return length > 1 ? x * last / (length - 1) : 0
    case "asymmetric": return x / scale
    case "pytorch_half_pixel": return size > 1 ? (x + 0.5) / scale - 0.5 : 0
    case "half_pixel_symmetric":
      let adjustment = Double(size) / (scale * Double(extent))
      return Double(extent) / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5
    case "tf_crop_and_resize":
      return size > 1
        ? region.start * last + x * (region.end - region.start) * last / Double(size - 1)
        : 0.5 * (region.start + region.end) * last
    default: return (x + 0.5) / scale - 0.5
    }
  }

  func nearestIndex(_ place: Double, extent: Int) -> Int {
    let rounded =
      switch nearest {
      case "floor": place.rounded(.down)
      case "ceil": place.rounded(.up)
      case "round_prefer_ceil": (place + 0.5).rounded(.down)
      default: (place - 0.5).rounded(.up)
      }
    return max(0, min(extent - 1, Int(max(-1, min(0x1p40, rounded)))))
  }

  /// The elements that a place reads, with weights; at the border the last one repeats.
  func taps(_ place: Double, extent: Int, scale: Double) -> [(index: Int, weight: Double)] {
    let base = place.rounded(.up) - 1
    let ratio = place - base
    let stretch = antialiases ? min(scale, 1) : 1
    let reach = mode == "linear" ? 1.0 : 2.0
    let start = Int((-reach / stretch).rounded(.down)) + 1
    let count = 2 - 2 * start
    var taps = (0..<count).map { step -> (index: Int, weight: Double) in
      let offset = Double(start + step)
      let distance = abs(offset - ratio) * stretch
      let weight = mode == "linear" ? max(0, 1 - distance) : cubicWeight(distance)
      return (Int(base) + start + step, weight)
    }
    if excludesOutside {
      for index in taps.indices where taps[index].index < 0 || taps[index].index >= extent {
        taps[index].weight = 0
      }
    }
    if excludesOutside || antialiases {
      let sum = taps.reduce(0) { $0 + $1.weight }
      if sum != 0 { for index in taps.indices { taps[index].weight /= sum } }
    }
    return taps.map { (max(0, min(extent - 1, $0.index)), $0.weight) }
  }

  private func cubicWeight(_ x: Double) -> Double {
    if x <= 1 { return ((cubic + 2) * x - (cubic + 3)) * x * x + 1 }
    if x < 2 { return cubic * ((x - 5) * x + 8) * x - 4 * cubic }
    return 0
  }
}
