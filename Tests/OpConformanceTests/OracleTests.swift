// The oracles against NumPy, element by element, with NaN, infinities, −0 and the integers' edges.

import MartletIR
import MartletOps
import MartletTestSupport
import Testing

@Suite struct OracleTests {
  /// `call` has no counterpart in NumPy; the gradient and interpreter tests cover it.
  static let cases = OpCase.all.filter {
    ![Call.name, Scan.name, While.name, Conditional.name].contains($0.type.name)
  }

  @Test(arguments: cases) func evaluatesAsNumPy(_ op: OpCase) throws {
    let fixtures = try Fixture.load(op.type.name)
    #expect(!fixtures.isEmpty)
    for (number, fixture) in fixtures.enumerated() {
      let types = try fixture.op.infer(fixture.inputs.map(\.type), [])
      #expect(types == fixture.outputs.map(\.type), "case \(number)")
      let results = try fixture.op.evaluate(fixture.inputs, [])
      for (result, expected) in zip(results, fixture.outputs) {
        if let found = difference(
          result, expected, ulp: fixture.ulp, scaled: fixture.isScaled, absolute: 1e-300)
        {
          Issue.record("case \(number), \(fixture.op.attributes): \(found)")
        }
      }
    }
  }

  /// Zeros keep their sign where IEEE 754 says so; comparisons above take −0 and +0 as equal.
  @Test func zerosKeepTheirSign() throws {
    func signs(_ op: any Op, _ x: [Double], _ y: [Double]? = nil) throws -> [Bool] {
      let type = TensorType(.float32, [x.count])
      let operands = [HostArray(type, x)] + (y.map { [HostArray(type, $0)] } ?? [])
      return try op.evaluate(operands, [])[0].doubles.map { $0.sign == .minus }
    }
    #expect(try signs(Negate(), [0, -0.0]) == [true, false])
    #expect(try signs(Abs(), [-0.0]) == [false])
    for op in [Floor(), Ceil(), Round(), Sqrt(), Sign(), Tanh(), Erf(), Expm1(), Log1p(), Sin()]
      as [any Op]
    {
      #expect(try signs(op, [0, -0.0]) == [false, true], "\(op.name)")
    }
    #expect(try signs(Ceil(), [-0.5]) == [true])
    #expect(try signs(Round(), [-0.5]) == [true])
    #expect(try signs(Remainder(), [-4], [2]) == [true])
    #expect(try signs(Multiply(), [-0.0], [3]) == [true])
    #expect(try signs(Add(), [-0.0], [0]) == [false])
  }
}
