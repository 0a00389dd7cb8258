import MartletIR
import MartletOps

/// Groups of channels of each example by their own statistics.
/// https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
struct GroupNormalization: Operator {
  static let name = "GroupNormalization"
  static let since = 18

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let groups = try node.int("num_groups", default: 0)
    guard x.rank > 2, groups > 0, x.shape[1] % groups == 0 else {
      throw node.invalid("\(groups) groups of the channels of \(x.type)")
    }
    let wide = try node.statistics(of: x)
    let spatial = Array(x.shape.dimensions[2...])
    let split = x.converted(to: wide)
      .reshaped(Shape([x.shape[0], groups, x.shape[1] / groups] + spatial))
    let y = split.standardized(
      over: Array(2..<split.rank), epsilon: try node.float("epsilon", default: 1e-5)
    ).value.reshaped(x.shape)
    // Until version 21 a group has one scale, from then on each channel.
    func vector(_ index: Int) throws -> Tensor {
      var v = try node.tensor(index)
      if node.version < 21 {
        guard v.shape == [groups] else {
          throw node.invalid("input \(index) is \(v.type), not one element for each group")
        }
        v = v.reshaped([groups, 1]).broadcasted(to: [groups, x.shape[1] / groups])
      }
      guard v.count == x.shape[1] else {
        throw node.invalid("input \(index) is \(v.type) for \(x.shape[1]) channels")
      }
      return v.reshaped(Shape([x.shape[1]] + spatial.map { _ in 1 })).converted(to: wide)
    }
    return [.tensor((y * (try vector(1)) + (try vector(2))).converted(to: x.dtype))]
  }
}
