// Storage dtypes: arithmetic on them is done in a wider dtype.
//
//     %2: bf16[8] = add %0, %1      →      %2: f32[8] = convert{dtype=f32} %0
//                                          %3: f32[8] = convert{dtype=f32} %1
//                                          %4: f32[8] = add %2, %3
//                                          %5: bf16[8] = convert{dtype=bf16} %4
//
// Kept: types of parameters, outputs and body parameters; each operation still rounds (or wraps) once
// to its own dtype, so that fused and unfused programs have the same bits. What only moves elements
// stays in the storage dtype. Runs first, so that all other passes see plain arithmetic; graphs
// without storage dtypes are not touched. Fusion puts the conversions into the kernels around them.

import MartletIR
import MartletLoops
import MartletOps

package enum Widening {
  /// Throws what the type rules say of a graph that holds no such operation.
  package static func run(on graph: inout Graph) throws(CompileError) {
    guard isNeeded(graph) else { return }
    let trace = Trace(name: graph.name, isTraining: true)
    var map = [Tensor?](repeating: nil, count: graph.values.count)
    for parameter in graph.parameters {
      let type = graph.type(parameter.value)
      let value = trace.graph.addParameter(type, name: parameter.name, role: parameter.role)
      map[parameter.value.id] = Tensor(trace: trace, value: value, type: type)
    }
    for node in graph.nodes {
      guard let op = node.op as? any Op else { continue }
      let operands = node.operands.compactMap { map[$0.id] }
      var regions = node.regions
      for index in regions.indices { try run(on: &regions[index]) }
      trace.scopes = node.location.scope.isEmpty ? [] : [node.location.scope]
      let results = trace.calling(from: node.location) {
        record(
          op, operands, node.results.map { graph.type($0) }, regions, in: trace, node.location)
      }
      for (old, new) in zip(node.results, results) { map[old.id] = new }
    }
    for output in graph.outputs {
      if let value = map[output.value.id]?.value {
        trace.graph.addOutput(value, name: output.name, role: output.role)
      }
    }
    trace.scopes = []
    try trace.finish()
    graph = trace.graph
  }

  private static func isNeeded(_ graph: Graph) -> Bool {
    graph.values.contains { $0.type.dtype.isStorage }
      || graph.nodes.contains { $0.regions.contains(where: isNeeded) }
  }

  /// The results of one operation, of the types given.
  private static func record(
    _ op: any Op, _ operands: [Tensor], _ types: [TensorType], _ regions: [Graph],
    in trace: Trace, _ location: SourceLocation
  ) -> [Tensor] {
    let dtypes = Set(operands.map(\.dtype) + types.map(\.dtype))
    guard dtypes.contains(where: \.isStorage), regions.isEmpty, !movesElements(op) else {
      return trace.record(op, operands, regions: regions, at: location)
    }
    if let convert = op as? Convert { return [converted(operands[0], to: convert.dtype)] }
    if let iota = op as? Iota {
      let wide = TensorType(iota.dtype.arithmetic, Shape(iota.shape))
      return [narrowed(trace.iota(wide, axis: iota.axis), to: iota.dtype)]
    }
    let wide = operands.map(widened)
    let isUnsigned = operands.contains { $0.dtype == .uint64 }
    let results =
      isUnsigned ? unsigned(op, wide, location) : trace.record(op, wide, at: location)
    return zip(results, types).map { narrowed($0, to: $1.dtype) }
  }

  /// Whether an operation reads no element's value, so that any dtype is as good as another; or has
  /// kernels for the storage dtype itself.
  private static func movesElements(_ op: any Op) -> Bool {
    switch op.lowering {
    case .view, .identity, .constant: true
    default:
      op is Concatenate || op is Gather || op is TakeAlong || op is PackFilter
        || op is IntegerDot || op is IntegerConv2D
    }
  }

  private static func widened(_ x: Tensor) -> Tensor {
    x.dtype.isStorage ? recorded(x, x.dtype.arithmetic) : x
  }

  /// A result of wide arithmetic as its own dtype: floats round, integers wrap.
  private static func narrowed(_ x: Tensor, to dtype: DType) -> Tensor {
    x.dtype == dtype ? x : recorded(x, dtype)
  }

  /// A conversion that the runtime has.
  private static func recorded(_ x: Tensor, _ dtype: DType) -> Tensor {
    MartletOps.record(Convert(to: dtype), x)
  }

  // MARK: - Conversions

  private static func converted(_ x: Tensor, to dtype: DType) -> Tensor {
    if x.dtype == .uint64, dtype.isFloatingPoint { return unsignedToFloat(x, dtype) }
    let source = widened(x)
    switch dtype {
    case .float16, .bfloat16:
      // Only floats have the last step, which rounds once: integers go by way of double.
      let float = source.dtype.isFloatingPoint ? source : source.converted(to: .float64)
      return recorded(float, dtype)
    case _ where !dtype.isStorage: return source.converted(to: dtype)
    case .uint64 where source.dtype.isFloatingPoint:
      return recorded(floatToUnsigned(source.converted(to: .float64)), dtype)
    default:
      let wide = source.converted(to: dtype.arithmetic)
      guard source.dtype.isFloatingPoint else { return recorded(wide, dtype) }
      // The wide conversion saturates at the wide limits; then at the narrow ones.
      let bits = Double(8 * dtype.byteCount)
      let span = LibM.exp2(dtype.isUnsigned ? bits : bits - 1)
      let low = dtype.isUnsigned ? 0 : -span
      return recorded(minimum(maximum(wide, low), span - 1), dtype)
    }
  }

  // MARK: - Unsigned integers of 64 bits, by the signed ones

  /// The order of unsigned numbers is that of signed ones with the top bit flipped.
  private static func flipped(_ x: Tensor) -> Tensor { x + x.filled(-0x1p63) }

  /// Half of an unsigned number, rounded down.
  private static func halved(_ x: Tensor) -> Tensor {
    let isLarge = x .< 0
    let rest = select(isLarge, flipped(x), x) / 2
    return select(isLarge, rest + rest.filled(0x1p62), rest)
  }

  private static func quotient(_ a: Tensor, _ b: Tensor) -> Tensor {
    // From half of a, which is no negative number, and one correction; a large divisor fits at most
    // once.
    let rough = halved(a) / b
    let q = rough + rough
    let isBelow = flipped(a - q * b) .< flipped(b)
    let small = select(isBelow, q, q + 1)
    let large = select(flipped(a) .< flipped(b), zerosLike(a), onesLike(a))
    return select(b .== 0, b.filled(-1), select(b .< 0, large, small))
  }

  private static func unsigned(
    _ op: any Op, _ x: [Tensor], _ location: SourceLocation
  ) -> [Tensor] {
    func plain(_ operands: [Tensor]) -> [Tensor] {
      operands[0].trace.record(op, operands, at: location)
    }
    switch op {
    case is Compare, is ArgMax, is ArgMin, is ArgSort, is ArgTop, is CumulativeExtreme:
      return plain(x.map(flipped))
    case is Maximum, is Minimum, is ReduceMax, is ReduceMin:
      return plain(x.map(flipped)).map(flipped)
    case is Divide: return [quotient(x[0], x[1])]
    case is Remainder:
      return [select(x[1] .== 0, x[0], x[0] - quotient(x[0], x[1]) * x[1])]
    case is Abs: return x
    case is Sign: return [(x[0] .!= 0).converted(to: .int64)]
    case is Power:
      let isLarge = x[1] .< 0
      let power = pow(x[0], select(isLarge, flipped(x[1]), x[1]))
      let rest = pow(pow(x[0], 0x1p62), 2)
      return [select(isLarge, power * rest, power)]
    default: return plain(x)
    }
  }

  /// Rounds once: a large number is halved first, its last bit standing for what is cut.
  private static func unsignedToFloat(_ x: Tensor, _ dtype: DType) -> Tensor {
    let bits = widened(x)
    let half = halved(bits)
    let cut = bits - half * 2
    let sticky = select(half % 2 .== 0, half + cut, half)
    let isLarge = bits .< 0
    let target: DType = dtype == .float32 ? .float32 : .float64
    let float = select(isLarge, sticky, bits).converted(to: target)
    return converted(select(isLarge, float + float, float), to: dtype)
  }

  private static func floatToUnsigned(_ x: Tensor) -> Tensor {
    let isLarge = x .>= 0x1p63
    let rest = select(isLarge, x - 0x1p63, maximum(x, 0)).converted(to: .int64)
    // What is left of too large a number has saturated at 2⁶³ − 1: all bits set.
    return select(isLarge, flipped(rest), rest)
  }
}
