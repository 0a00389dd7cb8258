// Sequences and optionals: their structure is known when a model is compiled, only the tensors in them
// are computed. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let sequenceOperators: [OperatorEntry] = [
  OperatorEntry(SplitToSequence.self), OperatorEntry(SequenceMap.self),
  OperatorEntry("SequenceConstruct", since: 11, folds: false) { node in
    [.sequence(try node.inputs.indices.map { try node.value($0) })]
  },
  OperatorEntry("SequenceEmpty", since: 11, folds: false) { _ in [.sequence([])] },
  OperatorEntry("SequenceInsert", since: 11, folds: false) { node in
    var values = try node.sequence(0)
    let place = node.has(2) ? try node.integer(2) : values.count
    let index = place < 0 ? place &+ values.count : place
    guard (0...values.count).contains(index) else {
      throw node.invalid("position \(place) of \(values.count)")
    }
    values.insert(try node.value(1), at: index)
    return [.sequence(values)]
  },
  OperatorEntry("SequenceErase", since: 11, folds: false) { node in
    var values = try node.sequence(0)
    values.remove(at: try node.position(1, of: values.count))
    return [.sequence(values)]
  },
  OperatorEntry("SequenceAt", since: 11, folds: false) { node in
    let values = try node.sequence(0)
    return [values[try node.position(1, of: values.count)]]
  },
  OperatorEntry("SequenceLength", since: 11, folds: false) { node in
    let count = Int64(try node.sequence(0).count)
    return [.constant(HostTensor(HostArray(TensorType(.int64, []), [count])))]
  },
  OperatorEntry("ConcatFromSequence", since: 11) { node in
    let values = try node.sequence(0)
    guard let first = values.first else { throw node.invalid("the sequence is empty") }
    let tensors = try values.map { try node.tensor($0, "an element") }
    let isNew = try node.bool("new_axis")
    guard let axis = try node.int("axis") else { throw node.invalid("the axis is missing") }
    let counted = try node.axis(axis, rank: tensors[0].rank + (isNew ? 1 : 0))
    return [
      .like(
        first.elementType,
        isNew ? stack(tensors, axis: counted) : concatenate(tensors, axis: counted))
    ]
  },
  OperatorEntry("Optional", since: 15, folds: false) { node in
    [.optional(node.has(0) ? try node.value(0) : nil)]
  },
  OperatorEntry("OptionalHasElement", since: 15, folds: false) { node in
    var isThere = node.has(0)
    if isThere, case .optional(let x) = try node.value(0) { isThere = x != nil }
    return [
      .constant(HostTensor(HostArray(TensorType(.bool, []), [Int64(isThere ? 1 : 0)])))
    ]
  },
  OperatorEntry("OptionalGetElement", since: 15, folds: false) { node in
    guard case .optional(let x) = try node.value(0) else { return [try node.value(0)] }
    guard let x else { throw node.invalid("the optional is empty") }
    return [x]
  },
]

extension NodeContext {
  /// An input's elements, if it is a sequence, or an optional one.
  func sequence(_ index: Int) throws -> [ONNXValue] {
    switch try value(index) {
    case .sequence(let x): return x
    case .optional(.sequence(let x)?): return x
    case let other: throw invalid("input \(index) is a \(other.description), not a sequence")
    }
  }

  /// The place that an input names in a list.
  func position(_ index: Int, of count: Int) throws -> Int {
    let place = try integer(index)
    let counted = place < 0 ? place &+ count : place
    guard (0..<count).contains(counted) else { throw invalid("position \(place) of \(count)") }
    return counted
  }
}

/// The parts of a tensor along an axis. https://onnx.ai/onnx/operators/onnx__SplitToSequence.html
struct SplitToSequence: Operator {
  static let name = "SplitToSequence"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let axis = try node.axis(node.int("axis", default: 0), rank: x.rank)
    let extent = x.shape[axis]
    var sizes = [Int](repeating: 1, count: extent)
    var keeps = true
    if node.has(1) {
      sizes = try node.integers(1)
      if try node.rank(1) == 0 {
        guard let size = sizes.first, size > 0 else { throw node.invalid("parts of no size") }
        sizes = stride(from: 0, to: extent, by: size).map { min(size, extent - $0) }
      }
    } else {
      keeps = try node.bool("keepdims", default: true)
    }
    guard sizes.allSatisfy({ $0 >= 0 }), sizes.reduce(0, &+) == extent else {
      throw node.invalid("parts \(sizes) of extent \(extent)")
    }
    let type = try node.elementType(0)
    var rest = x.shape.dimensions
    rest.remove(at: axis)
    return [
      .sequence(
        x.split(sizes: sizes, axis: axis).map {
          .like(type, keeps ? $0 : $0.reshaped(Shape(rest)))
        })
    ]
  }
}

/// A body for each element of a sequence. https://onnx.ai/onnx/operators/onnx__SequenceMap.html
struct SequenceMap: Operator {
  static let name = "SequenceMap"
  static let since = 17
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let body = try node.graph("body")
    let count = try node.sequence(0).count
    var results = [[ONNXValue]](repeating: [], count: body.output.count)
    for index in 0..<count {
      let inputs = try node.inputs.indices.map { input -> ONNXValue in
        guard case .sequence(let values) = try node.value(input) else {
          return try node.value(input)
        }
        guard values.count == count else { throw node.invalid("the sequences differ in length") }
        return values[index]
      }
      let outputs = try node.importer.outputs(
        of: body, inputs, in: node.scope, node: node.label)
      for (output, value) in outputs.enumerated() { results[output].append(value) }
    }
    return results.map { .sequence($0) }
  }
}
