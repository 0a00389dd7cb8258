// Forward mode: every operation's tangents against central differences, against reverse mode, and
// against the transposed gradient rule; Hessian-vector products against differences of gradients.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// The smooth samples over f64, one of a label.
private func smoothSamples(_ type: any Op.Type) throws -> [OpSample] {
  var seen = Set<String>()
  return try type.samples.compactMap { sample in
    guard sample.isSmooth, let wide = sample.over(.float64),
      wide.operands.contains(where: { $0.dtype == .float64 }),
      try wide.op.infer(wide.operands, wide.regions).contains(where: { $0.dtype == .float64 }),
      seen.insert(wide.label).inserted
    else { return nil }
    return wide
  }
}

private func inner(_ a: [HostArray], _ b: [HostArray]) -> Double {
  zip(a, b).reduce(0) { sum, pair in
    sum + zip(pair.0.doubles, pair.1.doubles).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

@Suite struct ForwardTests {
  @Test(arguments: OpCase.all) func tangentsMatchDifferencesAndReverseMode(_ op: OpCase) throws {
    var generator = SplitMix64("forward " + op.type.name)
    for sample in try smoothSamples(op.type) {
      let free = sample.operands.indices.filter { sample.operands[$0].dtype == .float64 }
      let types = free.map { sample.operands[$0] }
      let point = sample.drawSeparated(&generator)
      let u = types.map { HostArray.random($0, in: -1...1, &generator) }
      func floats(_ x: [Tensor]) -> [Tensor] {
        recordAll(sample.op, x, regions: sample.regions).filter { $0.dtype == .float64 }
      }
      let value = try TracedFunction(sample.operands) { floats($0) }
      let v = try value(point).map { HostArray.random($0.type, in: -1...1, &generator) }
      func tangents(_ transposing: Bool) throws -> [HostArray] {
        let f = try TracedFunction(sample.operands) { x in
          jacobianVectorProduct(
            floats(x), wrt: free.map { x[$0] }, tangents: u.map { x[0].trace.constant($0) },
            transposing: transposing)
        }
        return try f(point)
      }
      let forward = try tangents(false)
      let reverse = try TracedFunction(sample.operands) { x in
        vjp(
          of: floats(x), wrt: free.map { x[$0] }, cotangents: v.map { x[0].trace.constant($0) })
      }(point)
      // ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩
      let (left, right) = (inner(v, forward), inner(reverse, u))
      #expect(
        abs(left - right) <= 1e-11 * max(1, abs(left)), "\(sample.label): \(left), \(right)")
      for (a, b) in zip(forward, try tangents(true)) {
        let found = difference(a, b, ulp: 64, scaled: true, absolute: 1e-13)
        #expect(found == nil, "\(sample.label) transposed: \(found ?? "")")
      }
      // Central differences of the fourth order, element by element.
      let h = 1e-3
      func at(_ step: Double) throws -> [HostArray] {
        var moved = point
        for (index, direction) in zip(free, u) {
          moved[index] = HostArray(
            sample.operands[index],
            zip(point[index].doubles, direction.doubles).map { $0 + step * $1 })
        }
        return try value(moved)
      }
      let (a, b, c, d) = (try at(h), try at(-h), try at(2 * h), try at(-2 * h))
      for (index, tangent) in forward.enumerated() {
        for (element, exact) in tangent.doubles.enumerated() {
          func x(_ arrays: [HostArray]) -> Double { arrays[index].double(at: element) }
          let slope = (8 * (x(a) - x(b)) - (x(c) - x(d))) / (12 * h)
          #expect(
            abs(slope - exact) <= 1e-6 * max(1, abs(slope)),
            "\(sample.label) element \(element): \(exact), by differences \(slope)")
        }
      }
    }
  }

  /// H·u by forward over reverse, against reverse over reverse, which other tests hold against
  /// differences; for f = ½ Σ y², so that cotangents move too.
  @Test(arguments: OpCase.all) func forwardOverReverseIsReverseOverReverse(_ op: OpCase) throws {
    var generator = SplitMix64("curvature " + op.type.name)
    for sample in try smoothSamples(op.type) {
      let free = sample.operands.indices.filter { sample.operands[$0].dtype == .float64 }
      let point = sample.drawSeparated(&generator)
      let u = free.map { HostArray.random(sample.operands[$0], in: -1...1, &generator) }
      let f = try TracedFunction(sample.operands) { x in
        let trace = x[0].trace
        let wrt = free.map { x[$0] }
        let vectors = u.map { trace.constant($0) }
        let loss = recordAll(sample.op, x, regions: sample.regions)
          .filter { $0.dtype == .float64 }.map { ($0 * $0).sum() * 0.5 }
          .reduce(trace.constant(0, .float64), +)
        let slope = zip(gradients(of: loss, wrt: wrt), vectors).map { ($0 * $1).sum() }
          .reduce(trace.constant(0, .float64), +)
        return hessianVectorProduct(of: loss, wrt: wrt, vectors) + gradients(of: slope, wrt: wrt)
      }
      let results = try f(point)
      for (a, b) in zip(results.prefix(free.count), results.suffix(free.count)) {
        let found = difference(a, b, ulp: 4096, scaled: true, absolute: 1e-11)
        #expect(found == nil, "\(sample.label): \(found ?? "")")
      }
    }
  }

  /// After the passes, no rule costs more nodes than the transposed gradient, and none keeps the
  /// cotangent that stands in it.
  @Test(arguments: OpCase.all) func rulesCostNoMoreThanTransposition(_ op: OpCase) throws {
    for sample in try smoothSamples(op.type) where sample.operands.allSatisfy({ $0.count > 1 }) {
      let free = sample.operands.indices.filter { sample.operands[$0].dtype == .float64 }
      let directions = free.map { sample.operands[$0] }
      func count(_ transposing: Bool) throws -> Int {
        var graph = try TracedFunction(sample.operands + directions) { x in
          let operands = Array(x.prefix(sample.operands.count))
          return jacobianVectorProduct(
            recordAll(sample.op, operands, regions: sample.regions)
              .filter { $0.dtype == .float64 },
            wrt: free.map { operands[$0] }, tangents: Array(x.suffix(directions.count)),
            transposing: transposing)
        }.graph
        try PassManager(Pipeline.optimization).run(on: &graph, PassContext())
        return graph.nodes.count
      }
      let (rule, transposed) = (try count(false), try count(true))
      // Of one operand a concatenation is itself; only IR text says such a thing.
      if sample.op is Concatenate, sample.operands.count == 1 { continue }
      #expect(rule <= transposed, "\(sample.label): \(rule) nodes, transposed \(transposed)")
    }
  }

  // MARK: Graphs

  @Test func sharedUsesAndIntermediateValues() throws {
    // y = x·exp(x²), dy = (e^{x²} + 2x²e^{x²})·dx; a tangent of h = x² adds exp'(h)·x.
    let type = TensorType(.float64, [])
    let f = try TracedFunction([type]) { x in
      let h = x[0] * x[0]
      let y = x[0] * exp(h)
      let one = onesLike(y)
      return [
        jvp(of: [y], wrt: [x[0]], tangents: [one])[0],
        jvp(of: [y], wrt: [x[0], h], tangents: [one, one])[0],
        jvp(of: [x[0] + 1], wrt: [h], tangents: [one])[0],
      ]
    }
    let x = 0.7
    let found = try f([HostArray(type, [x])]).map { $0.doubles[0] }
    let e = LibM.exp(x * x)
    #expect(abs(found[0] - e * (1 + 2 * x * x)) < 1e-14)
    #expect(abs(found[1] - (e * (1 + 2 * x * x) + x * e)) < 1e-14)
    #expect(found[2] == 0)
  }

  @Test func jacobiansByRowsAndByColumns() throws {
    // y = A·x ⊙ x:  J = diag(x)·A + diag(A·x)
    let (a, x) = (TensorType(.float64, [3, 3]), TensorType(.float64, [3]))
    let values: [Double] = [1, 2, -1, 0, 3, 1, 4, -2, 0.5]
    let point = [HostArray(a, values), HostArray(x, [2.0, -1, 3])]
    let f = try TracedFunction([a, x]) { t in
      let y = matmul(t[0], t[1]) * t[1]
      return [
        jacobian(of: y, wrt: t[1]), jacobian(of: y.reshaped([1, 3])[0..<1, 0..<2], wrt: t[1]),
        jacobian(of: concatenate([y, y]), wrt: t[1]), hessian(of: (y * t[1]).sum(), wrt: t[1]),
      ]
    }
    let found = try f(point)
    let (p, rows) = (point[1].doubles, 0..<3)
    let ax = rows.map { i in rows.reduce(0) { $0 + values[3 * i + $1] * p[$1] } }
    let expected = rows.flatMap { i in
      rows.map { j in p[i] * values[3 * i + j] + (i == j ? ax[i] : 0) }
    }
    #expect(found[0].doubles == expected && found[0].shape == [3, 3])
    #expect(found[1].doubles == Array(expected.prefix(6)) && found[1].shape == [1, 2, 3])
    #expect(found[2].doubles == expected + expected && found[2].shape == [6, 3])
    // f = Σ x_i² (A·x)_i: ∂²f/∂x_j∂x_k by hand.
    var second = [Double](repeating: 0, count: 9)
    for j in rows {
      for k in rows {
        let mixed: Double = p[j] * values[3 * j + k] + p[k] * values[3 * k + j]
        second[3 * j + k] = 2 * mixed + (j == k ? 2 * ax[j] : 0)
      }
    }
    #expect(zip(found[3].doubles, second).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test func wrongTangentsAreDiagnostics() throws {
    func message(_ body: @escaping ([Tensor]) -> [Tensor]) -> String {
      do {
        _ = try TracedFunction([TensorType(.float32, [2]), TensorType(.int32, [])], body)
        return "no error"
      } catch { return "\(error)" }
    }
    let tooFew = message { jvp(of: [$0[0]], wrt: [$0[0]], tangents: []) }
    #expect(tooFew.contains("takes 1 tangents, one for each of the inputs, got 0"), "\(tooFew)")
    let other = message { jvp(of: [$0[0]], wrt: [$0[0]], tangents: [$0[1]]) }
    #expect(other.contains("got i32[] for f32[2]"), "\(other)")
    let cotangent = message { vjp(of: [$0[0].sum()], wrt: [$0[0]], cotangents: [$0[0]]) }
    #expect(cotangent.contains("got f32[2] for f32[]"), "\(cotangent)")
    let vector = message { hessianVectorProduct(of: $0[0].sum(), wrt: [$0[0]], []) }
    #expect(vector.contains("takes 1 tangents"), "\(vector)")
    let wide = message { x in
      let y = x[0].broadcasted(to: [300, 2])
      return [jacobian(of: y, wrt: y)]
    }
    #expect(wide.contains("600 by 600 elements are too many"), "\(wide)")
    let mixed = message { [jacobian(of: $0[0], wrt: $0[1])] }
    #expect(mixed.contains("needs one floating-point dtype"), "\(mixed)")
  }
}
