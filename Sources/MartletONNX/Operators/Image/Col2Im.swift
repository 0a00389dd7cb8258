import MartletIR
import MartletOps

/// Blocks added at their places in an image, `[N, C · block, L] → [N, C, image]`.
/// https://onnx.ai/onnx/operators/onnx__Col2Im.html
struct Col2Im: Operator {
  static let name = "Col2Im"
  static let since = 18

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let (image, block) = (try node.integers(1), try node.integers(2))
    let rank = image.count
    let strides = try node.ints("strides") ?? image.map { _ in 1 }
    let dilations = try node.ints("dilations") ?? image.map { _ in 1 }
    let pads = try node.ints("pads") ?? (image + image).map { _ in 0 }
    let limit = Int(Int32.max)
    guard x.rank == 3, rank > 0, block.count == rank, strides.count == rank,
      dilations.count == rank, pads.count == 2 * rank,
      (image + block + strides + dilations).allSatisfy({ (1...limit).contains($0) }),
      pads.allSatisfy({ (0...limit).contains($0) })
    else { throw node.invalid("cannot lay \(x.type) out as \(image) in blocks \(block)") }
    let (size, cells) = (try node.checked(image).count, try node.checked(block).count)
    let steps = (0..<rank).map { axis in
      let room =
        image[axis] + pads[axis] + pads[rank + axis] - dilations[axis] * (block[axis] - 1) - 1
      return room < 0 ? 0 : room / strides[axis] + 1
    }
    guard try node.checked(steps).count == x.shape[2], x.shape[1] % cells == 0 else {
      throw node.invalid("\(x.type) does not hold blocks \(block) at \(steps) places")
    }
    let (batch, channels) = (x.shape[0], x.shape[1] / cells)
    try node.checkSize(TensorType(.int64, node.checked([cells, x.shape[2]])))
    try node.checkSize(TensorType(x.dtype, node.checked([batch, channels, size])))
    // Where each element of each block lies; −1 in the padding.
    var places = [0]
    var isInside = [true]
    for axis in 0..<rank {
      var (next, inside): ([Int], [Bool]) = ([], [])
      // Order of the block's elements first, of its places second, is restored below.
      for (place, ok) in zip(places, isInside) {
        for element in 0..<block[axis] {
          for step in 0..<steps[axis] {
            let at = step * strides[axis] + element * dilations[axis] - pads[axis]
            next.append(place * image[axis] + min(max(at, 0), image[axis] - 1))
            inside.append(ok && (0..<image[axis]).contains(at))
          }
        }
      }
      (places, isInside) = (next, inside)
    }
    // Now [b₀, s₀, b₁, s₁, …]; the input is [b₀, b₁, …, s₀, s₁, …].
    let pairs = (0..<rank).flatMap { [block[$0], steps[$0]] }
    let order = (0..<rank).map { 2 * $0 } + (0..<rank).map { 2 * $0 + 1 }
    let strided = Shape(pairs).strides
    var offsets = [0]
    for axis in order {
      offsets = offsets.flatMap { base in (0..<pairs[axis]).map { base + $0 * strided[axis] } }
    }
    let kept = offsets.indices.filter { isInside[offsets[$0]] }
    let rows = x.reshaped([batch * channels, cells * x.shape[2]])
    let zeros = node.scalar(0, x.dtype).broadcasted(to: [batch * channels, size])
    guard !kept.isEmpty else { return [.tensor(zeros.reshaped(Shape([batch, channels] + image)))] }
    func literal(_ values: [Int]) -> Tensor { node.literal(values) }
    let found =
      kept.count == offsets.count ? rows : gather(rows, literal(kept), axis: 1)
    let sum = scatterAdd(zeros, literal(kept.map { places[offsets[$0]] }), found, axis: 1)
    return [.tensor(sum.reshaped(Shape([batch, channels] + image)))]
  }
}
