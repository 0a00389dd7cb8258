// Derivative graphs as text: the chain rule on graphs with sharing.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// The derivative graph of a scalar function of f64 scalars, after the passes.
private func derivative(
  of count: Int, wrt: Int, _ body: ([Tensor]) -> Tensor
) throws -> Graph {
  let trace = Trace(name: "d", isTraining: true)
  let inputs = (0..<count).map {
    trace.argument(TensorType(.float64, []), name: "abc".map(String.init)[$0])
  }
  let result = Trace.$current.withValue(trace) {
    gradients(of: body(inputs), wrt: [inputs[wrt]])[0]
  }
  try trace.finish()
  var graph = trace.graph
  graph.addOutput(try #require(result.value))
  try PassManager(Pipeline.optimization).run(on: &graph, PassContext())
  return graph
}

@Suite struct DerivativeTests {
  /// e = (a + b)(b + 1):  ∂e/∂b = 1·(b + 1) + 1·(a + b)
  @Test func sumOverBothPaths() throws {
    let graph = try derivative(of: 2, wrt: 1) { ($0[0] + $0[1]) * ($0[1] + 1) }
    let expected = try parsed(
      """
      graph d(%0: f64[] "a", %1: f64[] "b") {
        %2: f64[] = add %0, %1
        %3: f64[] = constant {value=f64[](1)}
        %4: f64[] = add %1, %3
        %5: f64[] = add %2, %4
        return %5 }
      """)
    #expect(isStructurallyEqual(graph, expected), "got \(graph)")
  }

  /// y = x·exp(x²):  dy/dx = exp(x²) + 2x²·exp(x²)
  @Test func productOfAnExponential() throws {
    let graph = try derivative(of: 1, wrt: 0) { $0[0] * exp($0[0] * $0[0]) }
    let expected = try parsed(
      """
      graph d(%0: f64[] "a") {
        %1: f64[] = multiply %0, %0
        %2: f64[] = exp %1
        %3: f64[] = multiply %0, %2
        %4: f64[] = multiply %3, %0
        %5: f64[] = add %2, %4
        %6: f64[] = add %5, %4
        return %6 }
      """)
    #expect(isStructurallyEqual(graph, expected), "got \(graph)")
    // And the number: e^{x²} + 2x²e^{x²} at 0.7.
    let x = 0.7
    let y = try Interpreter().run(graph, [HostArray(TensorType(.float64, []), [x])])[0].doubles[0]
    let exact = LibM.exp(x * x) * (1 + 2 * x * x)
    #expect(abs(y - exact) < 1e-14)
  }
}
