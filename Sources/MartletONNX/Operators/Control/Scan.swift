import MartletIR
import MartletONNXFormat
import MartletOps

/// A body over the slices of sequences. https://onnx.ai/onnx/operators/onnx__Scan.html
struct Scan: Operator {
  static let name = "Scan"
  static let since = 8
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let body = try node.graph("body")
    let scanned = try node.int("num_scan_inputs", default: 0)
    let first = node.version < 9 ? 1 : 0
    let states = node.inputs.count - first - scanned
    guard scanned > 0, states >= 0, body.output.count >= states,
      body.input.count == states + scanned
    else { throw node.invalid("\(scanned) scanned inputs of \(node.inputs.count)") }
    let outputs = body.output.count - states
    let values = try (first..<node.inputs.count).map { try node.value($0) }
    if node.version < 9 {
      guard !node.has(0) else { throw node.unsupported("lengths of sequences") }
      return try batched(node, body, values, states, outputs)
    }
    func list(_ name: String, _ count: Int) throws -> [Int] {
      let list = try node.ints(name) ?? [Int](repeating: 0, count: count)
      guard list.count == count else { throw node.invalid("\(name) needs \(count) numbers") }
      return list
    }
    return try scan(
      node, body, Array(values[..<states]), Array(values[states...]),
      Axes(
        inputs: list("scan_input_axes", scanned), outputs: list("scan_output_axes", outputs),
        backwards: list("scan_input_directions", scanned).map { $0 != 0 },
        prepends: list("scan_output_directions", outputs).map { $0 != 0 }))
  }

  private struct Axes {
    var inputs: [Int]
    var outputs: [Int]
    var backwards: [Bool]
    var prepends: [Bool]
  }

  /// Version 8: each element of the batch is a scan of its own.
  private static func batched(
    _ node: NodeContext, _ body: OnnxGraphProto, _ values: [ONNXValue], _ states: Int,
    _ outputs: Int
  ) throws -> [ONNXValue] {
    let scanned = values.count - states
    let backwards = try node.ints("directions") ?? [Int](repeating: 0, count: scanned)
    let tensors = try values.map { try node.tensor($0, "an input") }
    guard let batch = tensors.first?.shape.dimensions.first, backwards.count == scanned,
      tensors.allSatisfy({ $0.rank > 0 && $0.shape[0] == batch })
    else { throw node.invalid("the inputs have no common batch") }
    var results: [[ONNXValue]] = []
    for index in 0..<batch {
      let parts = zip(values, tensors).map { value, x in
        ONNXValue.like(
          value.elementType,
          x.sliced(index..<(index + 1), axis: 0)
            .reshaped(Shape(Array(x.shape.dimensions.dropFirst()))))
      }
      results.append(
        try scan(
          node, body, Array(parts[..<states]), Array(parts[states...]),
          Axes(
            inputs: [Int](repeating: 0, count: scanned),
            outputs: [Int](repeating: 0, count: outputs), backwards: backwards.map { $0 != 0 },
            prepends: [Bool](repeating: false, count: outputs))))
    }
    return try (0..<(states + outputs)).map { output in
      try node.stacked(results.map { $0[output] }, axis: 0, empty: body.output[output])
    }
  }

  private static func scan(
    _ node: NodeContext, _ body: OnnxGraphProto, _ states: [ONNXValue], _ scanned: [ONNXValue],
    _ axes: Axes
  ) throws -> [ONNXValue] {
    var sequences: [Tensor] = []
    for (index, value) in scanned.enumerated() {
      var x = try node.tensor(value, "a scanned input")
      let axis = try node.axis(axes.inputs[index], rank: x.rank)
      if axis > 0 {
        x = x.transposed([axis] + (0..<x.rank).filter { $0 != axis })
      }
      sequences.append(axes.backwards[index] ? x.reversed(axes: [0]) : x)
    }
    let length = sequences[0].shape[0]
    guard sequences.allSatisfy({ $0.shape[0] == length }) else {
      throw node.invalid("the scanned inputs differ in length")
    }
    let made =
      try loop(node, body, states, scanned, sequences)
      ?? unrolled(node, body, states, scanned, sequences, length)
    return try made.enumerated().map { index, value in
      guard index >= states.count else { return value }
      var y = try node.tensor(value, "an output")
      if axes.prepends[index - states.count] { y = y.reversed(axes: [0]) }
      let axis = try node.axis(axes.outputs[index - states.count], rank: y.rank)
      if axis > 0 {
        var order = Array(1..<y.rank)
        order.insert(0, at: axis)
        y = y.transposed(order)
      }
      return .like(value.elementType, y)
    }
  }

  private static func loop(
    _ node: NodeContext, _ body: OnnxGraphProto, _ states: [ONNXValue], _ scanned: [ONNXValue],
    _ sequences: [Tensor]
  ) -> [ONNXValue]? {
    guard var initial = node.tensors(states) else { return nil }
    let watch = OverrunWatch(node, body)
    initial += watch.initial
    var types: [ElementType?] = []
    let result = node.attempt { attempt in
      let step = attempt.closure { (carry: [Tensor], x: [Tensor]) -> [[Tensor]] in
        let inputs =
          zip(states, carry).map { ONNXValue.like($0.elementType, $1) }
          + zip(scanned, x).map { ONNXValue.like($0.elementType, $1) }
        let (outputs, overrun) = try watch.run(inputs)
        types = outputs.map(\.elementType)
        let values = try outputs.map { try node.tensor($0, "an output of the body") }
        return [
          Array(values[..<states.count]) + watch.next(carry.last, overrun),
          Array(values[states.count...]),
        ]
      }
      return MartletOps.scan(over: sequences, carrying: initial) { carry, x in
        let made = step((carry, x))
        return (made?[0] ?? [], made?[1] ?? [])
      }
    }
    guard let result, types.count == states.count + result.outputs.count,
      result.carry.count == initial.count
    else { return nil }
    watch.finish(result.carry.last)
    return zip(types, result.carry.prefix(states.count) + result.outputs).map { .like($0, $1) }
  }

  private static func unrolled(
    _ node: NodeContext, _ body: OnnxGraphProto, _ states: [ONNXValue], _ scanned: [ONNXValue],
    _ sequences: [Tensor], _ length: Int
  ) throws -> [ONNXValue] {
    var values = states
    var stacked = [[ONNXValue]](repeating: [], count: body.output.count - states.count)
    for step in 0..<length {
      let slices = zip(scanned, sequences).map { value, x in
        ONNXValue.like(
          value.elementType,
          x.sliced(step..<(step + 1), axis: 0)
            .reshaped(Shape(Array(x.shape.dimensions.dropFirst()))))
      }
      let outputs = try node.importer.outputs(
        of: body, values + slices, in: node.scope, node: node.label)
      values = Array(outputs[..<states.count])
      for (index, value) in outputs[states.count...].enumerated() { stacked[index].append(value) }
    }
    return values
      + (try stacked.enumerated().map { index, parts in
        try node.stacked(parts, axis: 0, empty: body.output[states.count + index])
      })
  }
}
