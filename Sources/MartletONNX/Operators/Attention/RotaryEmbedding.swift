import MartletIR
import MartletOps

/// Pairs of elements turned by angles of their position.
/// https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
struct RotaryEmbedding: Operator {
  static let name = "RotaryEmbedding"
  static let since = 23

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let input = try node.tensor(0)
    // [B, L, H, D]
    let x: Tensor
    if input.rank == 4 {
      x = input.transposed([0, 2, 1, 3])
    } else {
      x = try node.splitHeads(input, node.int("num_heads", default: 0)).transposed([0, 2, 1, 3])
    }
    let (batch, length, heads, extent) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    var turned = try node.int("rotary_embedding_dim", default: 0)
    if turned == 0 { turned = extent }
    guard (2...max(2, extent)).contains(turned), turned % 2 == 0, turned <= extent else {
      throw node.invalid("\(turned) of \(extent) elements to turn")
    }
    func angles(_ index: Int) throws -> Tensor {
      var cache = try node.tensor(index)
      if let places = try node.optionalTensor(3) { cache = gather(cache, places) }
      guard let count = cache.checkedAs([batch, length, turned / 2]) else {
        throw node.invalid("input \(index) is \(cache.type) for \(turned) elements of \(x.type)")
      }
      return count.reshaped([batch, length, 1, turned / 2])
    }
    let (cosine, sine) = (try angles(1), try angles(2))
    let head = x.sliced(0..<turned, axis: 3)
    let isInterleaved = try node.bool("interleaved")
    let full = [batch, length, heads]
    let (first, second): (Tensor, Tensor)
    if isInterleaved {
      let pairs = head.reshaped(Shape(full + [turned / 2, 2]))
      first = pairs.sliced(0..<1, axis: 4).reshaped(Shape(full + [turned / 2]))
      second = pairs.sliced(1..<2, axis: 4).reshaped(Shape(full + [turned / 2]))
    } else {
      first = head.sliced(0..<(turned / 2), axis: 3)
      second = head.sliced((turned / 2)..<turned, axis: 3)
    }
    let real = cosine * first - sine * second
    let imaginary = sine * first + cosine * second
    var y: Tensor
    if isInterleaved {
      let pair = Shape(full + [turned / 2, 1])
      y = concatenate([real.reshaped(pair), imaginary.reshaped(pair)], axis: 4)
        .reshaped(Shape(full + [turned]))
    } else {
      y = concatenate([real, imaginary], axis: 3)
    }
    if turned < extent { y = concatenate([y, x.sliced(turned..<extent, axis: 3)], axis: 3) }
    return [.tensor(input.rank == 4 ? y.transposed([0, 2, 1, 3]) : y.reshaped(input.shape))]
  }
}

extension Tensor {
  /// The tensor where it has a shape; nil otherwise.
  fileprivate func checkedAs(_ wanted: Shape) -> Tensor? { shape == wanted ? self : nil }
}
