// The back end `cc`; skipped on machines without a compiler.

import MartletJIT
import Testing

@Suite(.enabled(if: SystemCompiler.find() != nil, "no system compiler"))
struct SystemCompilerTests {
  /// Tile text, and through pointers: the library cannot link to this executable.
  @Test func runsTileText() throws {
    let code = try freshJIT(.cc).compile(addition(times: 2))
    #expect(code.backend == .cc)
    #expect(try runAddition(code) == [22, 44, 66, 88])
  }

  @Test(.enabled(if: EmbeddedHeaders.count > 0, "built without #embed"))
  func runsScalarText() throws {
    let source = EmittedSource(
      """
      void k00_add(void *const *p, long begin, long end, void *scratch) {
        const float *a = p[0], *b = p[1];
        float *y = p[2];
        (void)scratch;
        for (long i = begin; i < end; ++i) y[i] = mtm_add_f32(a[i], b[i]);
      }
      """, form: .scalar, symbols: [])
    #expect(try runAddition(try freshJIT(.cc).compile(source)) == [11, 22, 33, 44])
  }

  /// The instruction set's options must give polynomials the bits that the primitives have.
  @Test(
    .enabled(if: EmbeddedHeaders.count > 0, "built without #embed"),
    arguments: InstructionSet.allCases.filter(\.isSupported))
  func scalarAndTileTextAgreeBitForBit(isa: InstructionSet) throws {
    let functions = [
      "exp", "log", "log1p", "expm1", "tanh", "logistic", "erf", "sqrt", "rsqrt", "sin", "cos",
      "exp2", "reciprocal", "round",
    ]
    var tile = "", scalar = ""
    for name in functions {
      let head = "void k_\(name)(const float *x, float *y, long n) {\n"
      tile += head + "  mt_\(name)_f32(y, x, n);\n}\n"
      scalar += head + "  for (long i = 0; i < n; ++i) y[i] = mtm_\(name)_f32(x[i]);\n}\n"
    }
    let tiles = try freshJIT(isa: isa).compile(
      EmittedSource(tile, symbols: functions.map { "mt_\($0)_f32" }))
    let loops = try freshJIT(.cc, isa: isa).compile(
      EmittedSource(scalar, form: .scalar, symbols: []))
    // Every 2^20th float32 of all magnitudes and signs, and the neighbourhood of one.
    var inputs = (0..<4096).map { Float(bitPattern: UInt32($0) << 20) }
    inputs += (0..<4099).map { 0.5 + Float($0) / 2048 }
    for name in functions {
      let expected = try apply("k_" + name, of: tiles, to: inputs)
      let got = try apply("k_" + name, of: loops, to: inputs)
      let different = inputs.indices.first { expected[$0].bitPattern != got[$0].bitPattern }
      #expect(different == nil, "\(name)(\(different.map { inputs[$0] } ?? 0))")
    }
  }

  private func apply(_ name: String, of code: MachineCode, to x: [Float]) throws -> [Float] {
    typealias Function =
      @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void
    let function = unsafeBitCast(try code.function(named: name), to: Function.self)
    var y = [Float](repeating: 0, count: x.count)
    function(x, &y, x.count)
    withExtendedLifetime(code) {}
    return y
  }

  @Test func quotesTheLineThatIsWrong() throws {
    let text = "void k00(float *y) {\n  y[0] = undeclared_name;\n}"
    let error = try #require(throws: JITError.self) {
      try freshJIT(.cc).compile(EmittedSource(text, symbols: ["mt_add_f32"]))
    }
    #expect(error.code == .compileFailed)
    #expect(error.lines.map(\.number) == [2])
    #expect(error.lines.map(\.function) == ["k00"])
    #expect(error.description.split(separator: "\n").count <= 6)
  }
}

@Suite struct RuntimeSymbolTests {
  @Test func printsBothDeclarations() throws {
    let symbols = try RuntimeSymbols(["mt_add_f32", "mt_add_f32"], for: .baseline)
    #expect(symbols.count == 1)
    #expect(
      symbols.prototypes
        == "void mt_add_f32(float *y, const float *a, const float *b, long n);\n")
    #expect(
      symbols.pointers == """
        static void (*mt_add_f32)(float *y, const float *a, const float *b, long n);
        void martlet_bind(void **addresses) {
          (void)addresses;
          *(void **)&mt_add_f32 = addresses[0];
        }

        """)
  }

  /// Every prototype of the table must be C without a header, in both declarations.
  @Test func everyRuntimeFunctionBinds() throws {
    let names = RuntimeSymbols.allNames
    #expect(!names.isEmpty)
    let code = try freshJIT().compile(EmittedSource("void f(void) {}\n", symbols: names))
    _ = try code.function(named: "f")
    let symbols = try RuntimeSymbols(names, for: .best)
    _ = try freshJIT().compile(EmittedSource(symbols.pointers, symbols: []))
  }
}
