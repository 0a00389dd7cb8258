import MartletCodegen
import MartletIR
import MartletLoops
import Testing

@Suite struct PeepholeTests {
  /// The superinstructions of a flat program over x, y, z and the scalars s, t.
  private func fused(
    _ build: (inout TileProgram, _ v: [Int], _ s: [Int]) -> Int, extraUse: Bool = false
  ) -> [String] {
    var p = TileProgram(rows: 0, cols: 1)
    let v = ["x", "y", "z"].map { label in
      let buffer = p.input(label)
      return p.load(buffer)
    }
    let s = ["s", "t"].map { label in
      let buffer = p.input(label)
      return p.append(.load(buffer: buffer, .scalar), .float32, .scalar)
    }
    let result = build(&p, v, s)
    let output = p.output("out")
    p.store(output, result)
    if extraUse {
      let second = p.output("inner")
      p.store(second, result - 1)
    }
    return fuseSuperinstructions(p.withCanonicalOperandOrder()).instructions.compactMap {
      if case .fused(let name, _) = $0.operation { name } else { nil }
    }
  }

  @Test func everyPatternFires() {
    #expect(fused { p, v, s in p.binary(.add, p.binary(.mul, v[0], v[1]), v[2]) } == ["mul_add"])
    #expect(fused { p, v, s in p.binary(.add, v[2], p.binary(.mul, v[0], v[1])) } == ["mul_add"])
    #expect(fused { p, v, s in p.binary(.add, p.binary(.mul, s[0], v[1]), v[2]) } == ["muls_add"])
    #expect(fused { p, v, s in p.binary(.sub, v[2], p.binary(.mul, v[0], s[0])) } == ["muls_add"])
    #expect(
      fused { p, v, s in
        let a = p.binary(.mul, v[0], s[0])
        let b = p.binary(.mul, v[1], s[1])
        return p.binary(.add, a, b)
      } == ["axpby"])
    #expect(
      fused { p, v, s in p.binary(.mul, p.binary(.max, v[0], s[0]), s[1]) } == ["maxs_muls"])
    #expect(fused { p, v, s in p.binary(.mul, p.binary(.mul, v[0], v[1]), v[2]) } == ["mul_mul"])
    #expect(
      fused { p, v, s in p.binary(.mul, v[1], p.unary(.logistic, v[0])) } == ["logistic_mul"])
    #expect(fused { p, v, s in p.unary(.exp, p.binary(.sub, v[0], s[0])) } == ["exp_subs"])
    #expect(fused { p, v, s in p.binary(.mul, p.binary(.sub, v[0], v[1]), v[2]) } == ["sub_mul"])
    #expect(
      fused { p, v, s in
        let c = p.append(.compare(.lt, s[0], v[0]), .bool, .full)
        return p.append(.select(c, v[1], s[1]), .float32, .full)
      } == ["gts_select"])
  }

  @Test func longPatternsFire() {
    #expect(
      fused { p, v, s in
        p.binary(.add, p.binary(.mul, p.binary(.max, v[0], s[0]), s[1]), v[1])
      } == ["maxs_muls_add"])
    #expect(
      fused { p, v, s in
        p.binary(.add, v[2], p.binary(.mul, v[1], p.binary(.max, v[0], s[0])))
      } == ["maxs_mul_add"])
    #expect(
      fused { p, v, s in
        let square = p.binary(.mul, v[1], v[1])
        return p.binary(.add, p.binary(.mul, v[0], s[0]), p.binary(.mul, square, s[1]))
      } == ["axpby_mul"])
    #expect(
      fused { p, v, s in p.binary(.mul, p.binary(.sub, v[0], s[0]), s[1]) } == ["subs_muls"])
    #expect(
      fused { p, v, s in
        let root = p.binary(.div, p.unary(.sqrt, v[2]), s[1])
        let step = p.binary(.div, p.binary(.mul, s[0], v[1]), p.binary(.add, root, p.literal(1e-8)))
        return p.binary(.sub, v[0], step)
      } == ["adam_step"])
    #expect(
      fused { p, v, s in
        let e = p.unary(.erf, p.binary(.mul, v[0], s[1]))
        return p.binary(.mul, p.binary(.mul, v[0], s[0]), p.binary(.add, p.literal(1), e))
      } == ["muls_erf_mul"])
    #expect(
      fused { p, v, s in
        let c = p.append(.compare(.lt, v[0], s[0]), .bool, .full)
        return p.append(.select(c, p.binary(.mul, v[1], s[1]), p.literal(0)), .float32, .full)
      } == ["lts_muls_select"])
  }

  @Test func rowPatternsFire() {
    let program = fuseSuperinstructions(Samples.layerNorm(cols: 16).withCanonicalOperandOrder())
    let names = program.instructions.compactMap {
      if case .fused(let name, _) = $0.operation { name } else { nil }
    }
    // The normalised value is needed for its product with dy too: no last step in one.
    #expect(names == ["row_differences", "mul_add"])
    var dot = TileProgram(rows: 0, cols: 16)
    let a = dot.input("a"), b = dot.input("b"), y = dot.output("y")
    let product = dot.binary(.mul, dot.load(a), dot.load(b))
    let sum = dot.append(.reduceRow(.sum, product), .float32, .row)
    _ = dot.append(.store(buffer: y, sum), .float32, .row)
    let fused = fuseSuperinstructions(dot)
    #expect(fused.instructions.contains { $0.operation == .fused("row_dot", [0, 1]) })
  }

  @Test func anInnerValueWithAnotherUseStays() {
    #expect(
      fused(
        { p, v, s in
          p.binary(.add, p.binary(.mul, v[0], v[1]), v[2])
        }, extraUse: true) == [])
    // x·y + x·y: the product would disappear from one place only.
    #expect(
      fused { p, v, s in
        let product = p.binary(.mul, v[0], v[1])
        return p.binary(.add, product, product)
      } == [])
  }

  @Test func whatIsNoPatternStays() {
    // A comparison the other way around, and with the scalar on the wrong side of the selection.
    #expect(
      fused { p, v, s in
        let c = p.append(.compare(.lt, v[0], s[0]), .bool, .full)
        return p.append(.select(c, v[1], s[1]), .float32, .full)
      } == [])
    #expect(
      fused { p, v, s in
        let c = p.append(.compare(.gt, v[0], s[0]), .bool, .full)
        return p.append(.select(c, s[1], v[1]), .float32, .full)
      } == [])
    #expect(fused { p, v, s in p.unary(.exp, p.binary(.sub, s[0], v[0])) } == [])
  }

  @Test func repeatsAreComputedOnce() {
    var p = TileProgram(rows: 0, cols: 1)
    let x = p.input("x"), y = p.output("y")
    let a = p.load(x), b = p.load(x)
    let e = p.unary(.exp, a), f = p.unary(.exp, b)
    p.store(y, p.binary(.mul, e, f))
    let expected: [TileProgram.Operation] = [
      .load(buffer: 0, .flat), .unary(.exp, 0), .binary(.mul, 1, 1), .store(buffer: 1, 2),
    ]
    #expect(p.withoutRepeats().instructions.map(\.operation) == expected)
  }
}
