import MartletIR
import MartletONNXFormat
import MartletOps

/// A body over and over, a number of times or as long as it says so.
/// https://onnx.ai/onnx/operators/onnx__Loop.html
///
/// A known number of iterations whose values keep their types becomes one `scan`; a condition that
/// depends on data, without stacked outputs, a `whileLoop`. Everything else is unrolled, with the
/// number of iterations and each condition known.
struct Loop: Operator {
  static let name = "Loop"
  static let folds = false
  /// Iterations up to which a loop is unrolled at once: what is known in each then folds.
  private static let smallest = 4

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let body = try node.graph("body")
    let carried = try (2..<max(2, node.inputs.count)).map { try node.value($0) }
    guard body.input.count == carried.count + 2, body.output.count > carried.count else {
      throw node.invalid(
        "the body takes \(body.input.count) inputs, the loop gives \(carried.count + 2)")
    }
    // What is known without any input's value decides on the form.
    let isEndless = !node.has(0)
    let knownCount = isEndless ? nil : node.knownConstant(0)?.integers.first
    let startsTrue = !node.has(1) || node.knownConstant(1)?.integers.first == 1
    let most = node.importer.limits.iterations
    if startsTrue, let count = knownCount, count > Int64(most),
      scanned(node, body, smallest, carried) != nil
    {
      throw ONNXError(
        .limit, "the loop runs \(count) times, more than \(most)", node: node.label)
    }
    if startsTrue, let count = knownCount, count > Int64(smallest), count <= Int64(most),
      let result = scanned(node, body, Int(count), carried)
    {
      return result
    }
    let scans = body.output.count - 1 - carried.count
    if scans == 0, let result = whiled(node, body, carried) { return result }
    return try unrolled(node, body, carried)
  }

  private static func boolean(_ x: Bool) -> ONNXValue {
    .constant(HostTensor(HostArray(TensorType(.bool, []), [Int64(x ? 1 : 0)])))
  }

  private static func number(_ x: Int) -> ONNXValue {
    .constant(HostTensor(HostArray(TensorType(.int64, []), [Int64(x)])))
  }

  // MARK: One loop at run time

  private static func scanned(
    _ node: NodeContext, _ body: OnnxGraphProto, _ count: Int, _ carried: [ONNXValue]
  ) -> [ONNXValue]? {
    guard var initial = node.tensors(carried) else { return nil }
    // Behind the carried values: whether a loop inside was cut off.
    let watch = OverrunWatch(node, body)
    initial += watch.initial
    var types: [ElementType?] = []
    let result = node.attempt { attempt in
      let step = attempt.closure { (carry: [Tensor], numbers: [Tensor]) -> [[Tensor]] in
        let inputs =
          [ONNXValue.tensor(numbers[0]), boolean(true)]
          + zip(carried, carry).map { ONNXValue.like($0.elementType, $1) }
        let (outputs, overrun) = try watch.run(inputs)
        // The condition may end the loop: then it is none of a known length.
        guard case .constant(let goesOn) = outputs[0], goesOn.integers.first == 1 else {
          throw node.unsupported("a condition")
        }
        types = outputs.dropFirst().map(\.elementType)
        let values = try outputs.dropFirst().map { try node.tensor($0, "an output of the body") }
        return [
          Array(values[..<carried.count]) + watch.next(carry.last, overrun),
          Array(values[carried.count...]),
        ]
      }
      let numbers = node.trace.iota(TensorType(.int64, [count]), axis: 0)
      return scan(over: [numbers], carrying: initial) { carry, x in
        let made = step((carry, x))
        return (made?[0] ?? [], made?[1] ?? [])
      }
    }
    guard let result, types.count == carried.count + result.outputs.count,
      result.carry.count == initial.count
    else { return nil }
    watch.finish(result.carry.last)
    return zip(types, result.carry.prefix(carried.count) + result.outputs).map { .like($0, $1) }
  }

  private static func whiled(
    _ node: NodeContext, _ body: OnnxGraphProto, _ carried: [ONNXValue]
  ) -> [ONNXValue]? {
    // Where all is known the iterations fold.
    guard !carried.allSatisfy(\.isConstant), var initial = node.tensors(carried) else { return nil }
    let watch = OverrunWatch(node, body)
    initial += watch.initial
    let limit: Tensor?
    var maximum = node.importer.limits.iterations
    if node.has(0) {
      guard let count = try? node.tensor(0), count.count == 1 else { return nil }
      limit = count.reshaped([]).converted(to: .int64)
      if let known = node.knownConstant(0)?.integers.first {
        maximum = max(0, min(maximum, Int(known)))
      }
    } else {
      limit = nil
    }
    guard let start = node.has(1) ? try? node.tensor(1).reshaped([]) : node.scalar(1, .bool) else {
      return nil
    }
    var types: [ElementType?] = []
    let result = node.attempt { attempt in
      let step = attempt.closure { (carry: [Tensor]) -> [Tensor] in
        let others = zip(carried, Array(carry[2...])).map {
          ONNXValue.like($0.elementType, $1)
        }
        let inputs = [ONNXValue.tensor(carry[0]), ONNXValue.tensor(carry[1])] + others
        let (outputs, overrun) = try watch.run(inputs)
        types = outputs.dropFirst().map(\.elementType)
        let values = try outputs.map { try node.tensor($0, "an output of the body") }
        return [carry[0] + 1, values[0].reshaped([])] + values.dropFirst()
          + watch.next(carry.last, overrun)
      }
      return whileLoop(
        carrying: [node.scalar(0, .int64), start] + initial, atMost: maximum,
        while: { carry in
          guard let limit else { return carry[1] }
          return carry[1] .& (carry[0] .< limit)
        }, { carry in step(carry) ?? [] })
    }
    guard let result, types.count == carried.count, result.count == initial.count + 2 else {
      return nil
    }
    let goesOn = limit.map { result[1] .& (result[0] .< $0) } ?? result[1]
    node.importer.overruns.append((goesOn, node.label))
    watch.finish(result.last)
    return zip(types, result.dropFirst(2)).map { .like($0, $1) }
  }

  // MARK: Unrolled

  private static func unrolled(
    _ node: NodeContext, _ body: OnnxGraphProto, _ carried: [ONNXValue]
  ) throws -> [ONNXValue] {
    let count = node.has(0) ? try node.integer(0) : Int.max
    var goesOn = node.has(1) ? try node.integer(1) != 0 : true
    var values = carried
    var stacked = [[ONNXValue]](repeating: [], count: body.output.count - 1 - carried.count)
    var iteration = 0
    while iteration < count, goesOn {
      guard iteration < node.importer.limits.nodes else {
        throw ONNXError(
          .limit, "the loop has more than \(iteration) iterations to unroll", node: node.label)
      }
      let outputs = try node.importer.outputs(
        of: body, [number(iteration), boolean(true)] + values, in: node.scope, node: node.label)
      goesOn = try node.constant(outputs[0], "the loop's condition").integers.first != 0
      values = Array(outputs[1...carried.count])
      for (index, value) in outputs[(carried.count + 1)...].enumerated() {
        stacked[index].append(value)
      }
      iteration += 1
    }
    let scans = try stacked.enumerated().map { index, parts in
      try node.stacked(parts, axis: 0, empty: body.output[1 + carried.count + index])
    }
    return values + scans
  }
}

/// Carries out of a body whether a loop inside of it was cut off: one more carried bool, where the
/// body may hold such a loop.
final class OverrunWatch {
  private let node: NodeContext
  private let body: OnnxGraphProto
  private let isNeeded: Bool
  private var label: String?

  init(_ node: NodeContext, _ body: OnnxGraphProto) {
    (self.node, self.body) = (node, body)
    isNeeded = node.importer.mayOverrun(body)
  }

  /// What is carried into the first step.
  var initial: [Tensor] { isNeeded ? [node.scalar(0, .bool)] : [] }

  /// The body's outputs, and whether a loop in this step was cut off.
  func run(_ inputs: [ONNXValue]) throws -> (outputs: [ONNXValue], overrun: Tensor?) {
    let (outputs, overrun) = try node.importer.collectingOverruns {
      try node.importer.outputs(of: body, inputs, in: node.scope, node: node.label)
    }
    label = overrun?.node
    return (outputs, overrun?.condition)
  }

  /// What is carried into the next step.
  func next(_ carried: Tensor?, _ overrun: Tensor?) -> [Tensor] {
    guard isNeeded, let carried else { return [] }
    return [overrun.map { carried .| $0 } ?? carried]
  }

  /// Notes the last carried value for whoever is around.
  func finish(_ carried: Tensor?) {
    guard isNeeded, let carried, let label else { return }
    node.importer.overruns.append((carried, label))
  }
}

extension NodeContext {
  /// Values of iterations along a new axis. Without any the shape is what the body's output says.
  func stacked(
    _ parts: [ONNXValue], axis: Int, empty info: OnnxValueInfoProto
  ) throws -> ONNXValue {
    guard let first = parts.first else {
      guard case .tensor(let element, let dimensions) = ONNXPort.Kind(info.type),
        let dtype = element.carrier
      else { throw unsupported("a loop without iterations whose output has no type") }
      let extents = (dimensions ?? []).map { dimension -> Int in
        if case .fixed(let n) = dimension { return n }
        return 0
      }
      let type = TensorType(dtype, try checked([0] + extents))
      return .constant(HostTensor(HostArray(type, [Double]()), as: element))
    }
    let tensors = try parts.map { try tensor($0, "an output of the body") }
    let joined = stack(tensors, axis: axis)
    guard parts.allSatisfy(\.isConstant), joined.value != nil else {
      return .like(first.elementType, joined)
    }
    let array = try importer.interpreted(joined, node: label)
    return .constant(HostTensor(array, as: first.elementType))
  }
}
