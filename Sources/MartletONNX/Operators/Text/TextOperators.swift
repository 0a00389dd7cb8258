// Operators on strings, which are known when a program is made. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let textOperators: [OperatorEntry] = [
  OperatorEntry(StringSplit.self), OperatorEntry(StringNormalizer.self),
  OperatorEntry(RegexFullMatch.self), OperatorEntry(TfIdfVectorizer.self),
  OperatorEntry("StringConcat", since: 20) { node in
    let (shape, pairs) = try node.stringPairs()
    // A chain of these doubles a text with each.
    let size = pairs.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
    try node.checkSize(TensorType(.uint8, [size]))
    return [.constant(HostTensor(pairs.map { $0 + $1 }, shape))]
  },
  OperatorEntry("Equal") { node in
    guard try node.elementType(0) == .string else {
      return [.tensor(try node.tensor(0) .== (try node.tensor(1)))]
    }
    let (shape, pairs) = try node.stringPairs()
    let equal: [Int64] = pairs.map { $0 == $1 ? 1 : 0 }
    return [.constant(HostTensor(HostArray(TensorType(.bool, shape), equal)))]
  },
]

extension NodeContext {
  /// The strings of an input.
  func strings(_ index: Int) throws -> (values: [String], shape: Shape) {
    let x = try constant(index)
    guard let values = x.strings else {
      throw invalid("input \(index) is \(x.elementType.name), not STRING")
    }
    return (values, x.shape)
  }

  /// The strings of two inputs that broadcast, side by side.
  func stringPairs() throws -> (Shape, [(String, String)]) {
    let (a, b) = (try strings(0), try strings(1))
    guard let shape = broadcastShapes(a.shape, b.shape) else {
      throw invalid("\(a.shape) and \(b.shape) do not broadcast")
    }
    try checkSize(TensorType(.int64, shape))
    func offsets(_ from: Shape) -> [Int] {
      var strides = [Int](repeating: 0, count: shape.rank)
      let own = from.strides
      for axis in 0..<from.rank where from[axis] != 1 {
        strides[axis + shape.rank - from.rank] = own[axis]
      }
      var result = [0]
      for axis in 0..<shape.rank {
        result = result.flatMap { base in (0..<shape[axis]).map { base + $0 * strides[axis] } }
      }
      return result
    }
    let pairs = zip(offsets(a.shape), offsets(b.shape)).map { (a.values[$0], b.values[$1]) }
    return (shape, Array(pairs))
  }
}
