// Parts of images under boxes, which are known when a program is made.

import MartletIR
import MartletOps

extension NodeContext {
  /// Boxes `[R, columns]`, checked.
  fileprivate func boxes(_ index: Int, columns: Int) throws -> [[Double]] {
    let x = try constant(index)
    guard x.shape.rank == 2, x.shape[1] == columns else {
      throw invalid("boxes are [R, \(columns)], got \(x.shape)")
    }
    let values = x.doubles
    guard values.allSatisfy({ Swift.abs($0) < 0x1p30 }) else { throw invalid("a box is too large") }
    return (0..<x.shape[0]).map { Array(values[($0 * columns)..<(($0 + 1) * columns)]) }
  }

  /// `[N, C, H, W]` as rows of channels.
  fileprivate func channelRows(_ x: Tensor) -> Tensor {
    x.transposed([0, 2, 3, 1]).reshaped([-1, x.shape[1]])
  }
}

/// Means or maxima of interpolated samples in the cells of boxes.
/// https://onnx.ai/onnx/operators/onnx__RoiAlign.html
struct RoiAlign: Operator {
  static let name = "RoiAlign"
  static let since = 10

  private struct Sample {
    var places = [0, 0, 0, 0]
    var weights = [0.0, 0, 0, 0]
  }

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let boxes = try node.boxes(1, columns: 4)
    let batch = try node.integers(2)
    let (rows, columns) = (
      try node.int("output_height", default: 1), try node.int("output_width", default: 1)
    )
    let ratio = try node.int("sampling_ratio", default: 0)
    guard x.rank == 4, x.count > 0, batch.count == boxes.count,
      batch.allSatisfy({ (0..<x.shape[0]).contains($0) }), (1...4096).contains(rows),
      (1...4096).contains(columns), (0...4096).contains(ratio)
    else { throw node.invalid("cannot pool \(x.type) in \(boxes.count) boxes") }
    let scale = try node.float("spatial_scale", default: 1)
    let isHalf =
      try node.string(
        "coordinate_transformation_mode",
        default: node.version < 16 ? "output_half_pixel" : "half_pixel") == "half_pixel"
    let isMaximum = try node.string("mode", default: "avg") == "max"
    let (height, width) = (x.shape[2], x.shape[3])
    var cells: [[Sample]] = []
    var total = 0.0
    for (box, image) in zip(boxes, batch) {
      let corner = box.map { $0 * scale - (isHalf ? 0.5 : 0) }
      guard corner.allSatisfy({ Swift.abs($0) < 0x1p30 }) else {
        throw node.invalid("a box is too large")
      }
      var extent = (corner[2] - corner[0], corner[3] - corner[1])
      if !isHalf { extent = (max(extent.0, 1), max(extent.1, 1)) }
      let cell = (extent.0 / Double(columns), extent.1 / Double(rows))
      let counts = (
        ratio > 0 ? ratio : max(0, Int(cell.0.rounded(.up))),
        ratio > 0 ? ratio : max(0, Int(cell.1.rounded(.up)))
      )
      // At most 2³¹ · 2³¹ samples in a box, at most 2²⁴ boxes' cells.
      let own = Double(counts.0) * Double(counts.1) * Double(rows * columns)
      total += own
      guard total <= importerLimit(node) else {
        throw ONNXError(.limit, "too many samples in the boxes", node: node.label)
      }
      for row in 0..<rows {
        for column in 0..<columns {
          var samples: [Sample] = []
          for i in 0..<counts.1 {
            let y = corner[1] + (Double(row) + (Double(i) + 0.5) / Double(counts.1)) * cell.1
            for j in 0..<counts.0 {
              let x = corner[0] + (Double(column) + (Double(j) + 0.5) / Double(counts.0)) * cell.0
              samples.append(sample(x, y, width, height, image * height * width))
            }
          }
          cells.append(samples)
        }
      }
    }
    let depth = max(1, cells.map(\.count).max() ?? 1)
    try node.checkSize(
      TensorType(.float32, node.checked([max(1, cells.count), depth, 4, x.shape[1]])))
    let channels = x.shape[1]
    let result = Shape([boxes.count, rows, columns, channels])
    guard !cells.isEmpty else {
      return [
        .tensor(node.scalar(0, x.dtype).broadcasted(to: Shape([0, channels, rows, columns])))
      ]
    }
    var places: [Int64] = []
    var weights: [Double] = []
    for samples in cells {
      for index in 0..<depth {
        // A maximum takes its first sample again, a mean nothing.
        let isOwn = index < samples.count
        let sample = isOwn ? samples[index] : isMaximum ? samples.first ?? Sample() : Sample()
        places += sample.places.map { Int64($0) }
        let share = isMaximum ? 1 : 1 / Double(max(1, samples.count))
        weights += sample.weights.map { $0 * share }
      }
    }
    let index = node.literal(HostArray(TensorType(.int64, [places.count]), places))
    let weight = node.literal(
      HostArray(TensorType(x.dtype, [cells.count, depth * 4, 1]), weights))
    let found = gather(node.channelRows(x), index, axis: 0)
      .reshaped([cells.count, depth * 4, channels])
    let weighted = found * weight.broadcasted(to: found.shape)
    let pooled = isMaximum ? weighted.max(axes: [1]) : weighted.sum(axes: [1])
    return [.tensor(pooled.reshaped(result).transposed([0, 3, 1, 2]))]
  }

  private static func importerLimit(_ node: NodeContext) -> Double {
    Double(node.importer.limits.bytes) / 256
  }

  private static func sample(
    _ x: Double, _ y: Double, _ width: Int, _ height: Int, _ base: Int
  ) -> Sample {
    if y < -1 || y > Double(height) || x < -1 || x > Double(width) { return Sample() }
    func split(_ value: Double, _ extent: Int) -> (Int, Int, Double) {
      let v = max(value, 0)
      let low = Int(v)
      if low >= extent - 1 { return (extent - 1, extent - 1, 0) }
      return (low, low + 1, v - Double(low))
    }
    let (top, bottom, v) = split(y, height)
    let (left, right, u) = split(x, width)
    return Sample(
      places: [
        base + top * width + left, base + top * width + right, base + bottom * width + left,
        base + bottom * width + right,
      ],
      weights: [(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])
  }
}

/// Maxima in the cells of boxes. https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html
struct MaxRoiPool: Operator {
  static let name = "MaxRoiPool"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let boxes = try node.boxes(1, columns: 5)
    guard let shape = try node.ints("pooled_shape"), shape.count == 2, x.rank == 4, x.count > 0,
      shape.allSatisfy({ (1...4096).contains($0) }),
      boxes.allSatisfy({ $0[0] >= 0 && $0[0] < Double(x.shape[0]) })
    else { throw node.invalid("cannot pool \(x.type)") }
    let scale = try node.float("spatial_scale", default: 1)
    guard scale.isFinite, boxes.allSatisfy({ $0.allSatisfy { Swift.abs($0 * scale) < 0x1p30 } }),
      Double(boxes.count) * Double(shape[0] * shape[1]) < 100_000
    else { throw node.invalid("too many cells, or boxes that are too large") }
    let (height, width) = (x.shape[2], x.shape[3])
    let rows = node.channelRows(x)
    var pooled: [Tensor] = []
    for box in boxes {
      let corner = box[1...].map { Int(($0 * scale).rounded()) }
      let extents = (max(corner[3] - corner[1] + 1, 1), max(corner[2] - corner[0] + 1, 1))
      for row in 0..<shape[0] {
        for column in 0..<shape[1] {
          func cell(_ start: Int, _ extent: Int, _ at: Int, _ count: Int, _ limit: Int) -> Range<
            Int
          > {
            let size = Double(extent) / Double(count)
            let low = start + Int((Double(at) * size).rounded(.down))
            let high = start + Int((Double(at + 1) * size).rounded(.up))
            let first = min(max(low, 0), limit)
            return first..<max(first, min(max(high, 0), limit))
          }
          let ys = cell(corner[1], extents.0, row, shape[0], height)
          let xs = cell(corner[0], extents.1, column, shape[1], width)
          let base = Int(box[0]) * height * width
          let places = ys.flatMap { y in xs.map { Int64(base + y * width + $0) } }
          guard !places.isEmpty else {
            pooled.append(node.scalar(0, x.dtype).broadcasted(to: [x.shape[1]]))
            continue
          }
          let index = node.literal(HostArray(TensorType(.int64, [places.count]), places))
          pooled.append(gather(rows, index, axis: 0).max(axes: [0]))
        }
      }
    }
    guard !pooled.isEmpty else {
      return [.tensor(node.scalar(0, x.dtype).broadcasted(to: Shape([0, x.shape[1]] + shape)))]
    }
    return [
      .tensor(
        stack(pooled).reshaped(Shape([boxes.count] + shape + [x.shape[1]])).transposed([0, 3, 1, 2])
      )
    ]
  }
}
