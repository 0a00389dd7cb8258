// Texts and calls that the tests of machine code share.

import MartletJIT

/// A kernel's ABI: buffers, first and last unit, scratch.
typealias Kernel =
  @convention(c) (UnsafePointer<UnsafeMutableRawPointer?>?, Int, Int, UnsafeMutableRawPointer?) ->
  Void

/// y = a + b through the runtime's primitive, with a factor that makes texts differ.
func addition(times factor: Int) -> EmittedSource {
  EmittedSource(
    """
    void k00_add(void *const *p, long begin, long end, void *scratch) {
      const float *a = p[0], *b = p[1];
      float *y = p[2];
      (void)scratch;
      mt_add_f32(y + begin, a + begin, b + begin, end - begin);
      for (long i = begin; i < end; ++i) y[i] *= \(factor);
    }
    """, symbols: ["mt_add_f32", "mt_add_f32"])
}

/// Runs `k00_add` on [1, 2, 3, 4] and [10, 20, 30, 40].
func runAddition(_ code: MachineCode) throws -> [Float] {
  let kernel = unsafeBitCast(try code.function(named: "k00_add"), to: Kernel.self)
  var a: [Float] = [1, 2, 3, 4]
  var b: [Float] = [10, 20, 30, 40]
  var y = [Float](repeating: 0, count: 4)
  a.withUnsafeMutableBytes { a in
    b.withUnsafeMutableBytes { b in
      y.withUnsafeMutableBytes { y in
        let p = [a.baseAddress, b.baseAddress, y.baseAddress]
        kernel(p, 0, 4, nil)
      }
    }
  }
  withExtendedLifetime(code) {}
  return y
}

/// A JIT whose cache no other test sees.
func freshJIT(_ backend: Backend = .tcc, isa: InstructionSet = .best) -> JIT {
  JIT(backend: backend, isa: isa, cache: CodeCache(capacity: 8, textCapacity: 1 << 20))
}
