// Operators that put elements elsewhere, by rule or by index. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let movementOperators: [OperatorEntry] = [
  OperatorEntry(Pad.self), OperatorEntry(Resize.self),
  OperatorEntry("Upsample") { try Resize.upsample($0) },
  OperatorEntry(GatherND.self), OperatorEntry(ScatterND.self), OperatorEntry(ScatterElements.self),
  OperatorEntry("Scatter", since: 9) { try ScatterElements.build($0) },
  OperatorEntry(TensorScatter.self), OperatorEntry(Unique.self), OperatorEntry(NonZero.self),
  OperatorEntry(OneHot.self), OperatorEntry(CenterCropPad.self),
  OperatorEntry("GatherElements", since: 11) { node in
    let shape = try node.shape(0)
    let axis = try node.axis(node.int("axis", default: 0), rank: shape.rank)
    let places = try node.places(1, extent: shape[axis])
    return [try node.moved(0) { takeAlongAxis($0, places, axis: axis) }]
  },
  OperatorEntry("Compress", since: 9) { node in
    let chosen = try node.constant(1).integers.enumerated().filter { $1 != 0 }.map(\.offset)
    let shape = try node.shape(0)
    let axis = try node.int("axis").map { try node.axis($0, rank: shape.rank) }
    let extent = axis.map { shape[$0] } ?? shape.count
    guard chosen.allSatisfy({ $0 < extent }) else {
      throw node.invalid("the condition is longer than the extent \(extent)")
    }
    let places = node.literal(chosen)
    return [
      try node.moved(0) { x in
        gather(axis == nil ? x.reshaped([x.count]) : x, places, axis: axis ?? 0)
      }
    ]
  },
  OperatorEntry("Trilu", since: 14) { node in
    let k = node.has(1) ? try node.integer(1) : 0
    let isUpper = try node.bool("upper", default: true)
    let x = try node.tensor(0)
    guard x.rank > 1 else { throw node.invalid("needs matrices, got \(x.type)") }
    let (rows, columns) = (x.shape[x.rank - 2], x.shape[x.rank - 1])
    let distance = max(-rows, min(columns, k))
    let kept = (0..<rows).flatMap { i in
      (0..<columns).map { j in Int64((isUpper ? j - i >= distance : j - i <= distance) ? 1 : 0) }
    }
    let mask = node.literal(HostArray(TensorType(.bool, [rows, columns]), kept))
    return [.like(try node.elementType(0), select(mask.broadcasted(to: x.shape), x, zerosLike(x)))]
  },
  OperatorEntry("EyeLike", since: 9) { node in
    let shape = try node.shape(0)
    let type = try node.elementType(attribute: "dtype") ?? node.elementType(0)
    guard shape.rank == 2, let dtype = type.carrier else { throw node.invalid("needs a matrix") }
    let k = try node.int("k", default: 0)
    try node.checkSize(TensorType(dtype, shape))
    let values = (0..<shape[0]).flatMap { i in
      (0..<shape[1]).map { j in Int64(i.addingReportingOverflow(k) == (j, false) ? 1 : 0) }
    }
    return [.constant(HostTensor(HostArray(TensorType(dtype, shape), values), as: type))]
  },
  OperatorEntry("DepthToSpace") { node in
    let (n, c, h, w) = try node.image(0)
    let block = try node.int("blocksize", default: 1)
    guard block > 0, block <= c, c % (block * block) == 0 else {
      throw node.invalid("blocks of \(block) of \(c) channels")
    }
    let rest = c / (block * block)
    let isCRD = try node.string("mode") == "CRD"
    return [
      try node.moved(0) {
        $0.reshaped(isCRD ? [n, rest, block, block, h, w] : [n, block, block, rest, h, w])
          .transposed(isCRD ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2])
          .reshaped([n, rest, h * block, w * block])
      }
    ]
  },
  OperatorEntry("SpaceToDepth") { node in
    let (n, c, h, w) = try node.image(0)
    let block = try node.int("blocksize", default: 1)
    guard block > 0, h % block == 0, w % block == 0 else {
      throw node.invalid("blocks of \(block) of \(h) × \(w)")
    }
    let isCRD = try node.string("mode") == "CRD"
    return [
      try node.moved(0) {
        $0.reshaped([n, c, h / block, block, w / block, block])
          .transposed(isCRD ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4])
          .reshaped([n, c * block * block, h / block, w / block])
      }
    ]
  },
  OperatorEntry("ReverseSequence", since: 10) { node in
    let x = try node.tensor(0)
    let time = try node.axis(node.int("time_axis", default: 0), rank: x.rank)
    let batch = try node.axis(node.int("batch_axis", default: 1), rank: x.rank)
    let lengths = try node.tensor(1).converted(to: .int64)
    guard time != batch, lengths.shape == [x.shape[batch]] else {
      throw node.invalid("axes \(time) and \(batch), lengths \(lengths.type)")
    }
    var column = [Int](repeating: 1, count: x.rank)
    column[batch] = x.shape[batch]
    let ends = lengths.reshaped(Shape(column)).broadcasted(to: x.shape)
    let t = node.trace.record(Iota(TensorType(.int64, x.shape), axis: time), [])[0]
    let places = select(t .< ends, ends - t - 1, t)
    return [.like(try node.elementType(0), takeAlongAxis(x, places, axis: time))]
  },
]

extension NodeContext {
  /// The extents of `[N, C, H, W]`.
  func image(_ index: Int) throws -> (n: Int, c: Int, h: Int, w: Int) {
    let shape = try shape(index)
    guard shape.rank == 4 else { throw invalid("needs [N, C, H, W], got \(shape)") }
    return (shape[0], shape[1], shape[2], shape[3])
  }
}
