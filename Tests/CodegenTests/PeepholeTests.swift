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

  @Test func anInnerValueWithAnotherUseStays() {
    #expect(fused({ p, v, s in
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
