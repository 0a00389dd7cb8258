// Gradients against central differences, along random directions, to the second order.

import MartletIR
import MartletOps
import MartletPasses

/// A scalar function of f64 (and integer) arrays, traced once.
package struct TracedFunction {
  package let graph: Graph
  package let inputs: [TensorType]

  /// Traces `body` over arguments of these types; throws the trace's first diagnostic.
  package init(_ inputs: [TensorType], _ body: ([Tensor]) -> [Tensor]) throws {
    let trace = Trace(name: "f", isTraining: true)
    let arguments = inputs.enumerated().map { trace.argument($0.element, name: "x\($0.offset)") }
    let results = Trace.$current.withValue(trace) { body(arguments) }
    try trace.finish()
    var graph = trace.graph
    for result in results {
      if let value = result.value { graph.addOutput(value) }
    }
    self.graph = graph
    self.inputs = inputs
  }

  package func callAsFunction(_ values: [HostArray]) throws -> [HostArray] {
    try Interpreter().run(graph, values)
  }
}

/// What a gradient check found: derivatives along a direction, by the rules and by differences.
package struct DirectionalDerivatives: Sendable {
  package var byRule: [Double]
  package var byDifference: [Double]

  /// The first order whose two values differ too much, in words.
  package func mismatch(_ tolerance: Double) -> String? {
    for (order, pair) in zip(byRule, byDifference).enumerated() {
      let scale = max(1, abs(pair.0), abs(pair.1))
      if !(abs(pair.0 - pair.1) <= tolerance * scale) {
        return "order \(order + 1): \(pair.0) by the rule, \(pair.1) by differences"
      }
    }
    return nil
  }
}

/// Checks `∇f·v` and then `∇(∇f·v)·u` against central differences; f is the inner product of the
/// floating-point results with random weights. Directions are random; integers stay fixed.
package func checkGradient(
  _ types: [TensorType], at point: [HostArray], _ generator: inout SplitMix64,
  _ body: @escaping ([Tensor]) -> [Tensor]
) throws -> DirectionalDerivatives {
  let free = types.indices.filter { types[$0].dtype == .float64 }
  func direction() -> [HostArray] {
    free.map { HostArray.random(types[$0], in: -1...1, &generator) }
  }
  let (v, u) = (direction(), direction())
  var weights: [Int: HostArray] = [:]
  var draw = generator

  func loss(_ x: [Tensor]) -> Tensor {
    var sum = x[0].trace.constant(0, .float64)
    for (index, y) in body(x).enumerated() where y.dtype == .float64 {
      let w = weights[index] ?? HostArray.random(y.type, in: -1...1, &draw)
      weights[index] = w
      sum = sum + (y * x[0].trace.constant(w)).sum()
    }
    return sum
  }
  func slope(_ x: [Tensor]) -> Tensor {
    let rule = gradients(of: loss(x), wrt: free.map { x[$0] })
    return zip(rule, v).map { ($0 * x[0].trace.constant($1)).sum() }.reduce(
      x[0].trace.constant(0, .float64), +)
  }
  func curvature(_ x: [Tensor]) -> Tensor {
    let rule = gradients(of: slope(x), wrt: free.map { x[$0] })
    return zip(rule, u).map { ($0 * x[0].trace.constant($1)).sum() }.reduce(
      x[0].trace.constant(0, .float64), +)
  }

  let value = try TracedFunction(types) { [loss($0)] }
  let first = try TracedFunction(types) { [slope($0)] }
  let second = try TracedFunction(types) { [curvature($0)] }

  func moved(_ step: Double, _ direction: [HostArray]) -> [HostArray] {
    var result = point
    for (index, d) in zip(free, direction) {
      result[index] = HostArray(
        types[index], zip(point[index].doubles, d.doubles).map { $0 + step * $1 })
    }
    return result
  }
  // Fourth order in h, so that h may be large enough to keep rounding small.
  func central(_ f: TracedFunction, _ direction: [HostArray]) throws -> Double {
    let h = 1e-3
    func at(_ step: Double) throws -> Double { try f(moved(step, direction))[0].double(at: 0) }
    return try (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
  }
  return DirectionalDerivatives(
    byRule: [try first(point)[0].double(at: 0), try second(point)[0].double(at: 0)],
    byDifference: [try central(value, v), try central(first, u)])
}
