// Libraries to compare with: opened at run time where the system has them, never linked.

import Martlet
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A shared library of the system.
private struct SystemLibrary {
  let handle: UnsafeMutableRawPointer

  init?(_ names: [String]) {
    for name in names {
      if let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) {
        self.handle = handle
        return
      }
    }
    return nil
  }

  func function<T>(_ name: String, as type: T.Type) -> T? {
    dlsym(handle, name).map { unsafeBitCast($0, to: type) }
  }
}

/// OpenBLAS' matrix product.
struct OpenBLAS {
  private typealias SGEMM =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32,
      UnsafePointer<Float>, Int32, Float, UnsafeMutablePointer<Float>, Int32
    ) -> Void
  private typealias SetThreads = @convention(c) (Int32) -> Void
  private typealias CoreName = @convention(c) () -> UnsafePointer<CChar>?

  private let sgemm: SGEMM
  /// The kernels that it uses.
  let core: String

  /// Nil where it is not installed.
  init?(threads: Int, isa: String) {
    // Its choice for some processors leaves AVX-512 out, which would be an easy opponent; and what an
    // environment says was meant for other programs.
    unsetenv("OPENBLAS_L2_SIZE")
    unsetenv("OPENBLAS_CORETYPE")
    if isa == "avx512" { setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) }
    guard
      let library = SystemLibrary(["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"]),
      let sgemm = library.function("cblas_sgemm", as: SGEMM.self)
    else { return nil }
    self.sgemm = sgemm
    library.function("openblas_set_num_threads", as: SetThreads.self)?(Int32(threads))
    let name = library.function("openblas_get_corename", as: CoreName.self)?()
    core = name.map { String(cString: $0) } ?? "unknown kernels"
  }

  /// `c = op(a) · op(b)`, row-major; `a` is [m, k], or [k, m] if transposed.
  func multiply(
    _ a: NDArray, transposed ta: Bool, _ b: NDArray, transposed tb: Bool, into c: inout NDArray,
    _ m: Int, _ n: Int, _ k: Int
  ) throws {
    let (rowMajor, plain, transpose) = (Int32(101), Int32(111), Int32(112))
    try c.withUnsafeMutableBytes { result in
      a.withUnsafeBytes { left in
        b.withUnsafeBytes { right in
          guard let y = result.bindMemory(to: Float.self).baseAddress,
            let p = left.bindMemory(to: Float.self).baseAddress,
            let q = right.bindMemory(to: Float.self).baseAddress
          else { return }
          sgemm(
            rowMajor, ta ? transpose : plain, tb ? transpose : plain, Int32(m), Int32(n), Int32(k),
            1, p, Int32(ta ? m : k), q, Int32(tb ? k : n), 0, y, Int32(n))
        }
      }
    }
  }
}

/// oneDNN's convolution, forward, in the layouts that it likes best: reordering is not counted.
///
/// Versions 2 and 3, whose descriptors are structures and handles; both are passed as pointers here.
final class OneDNN {
  private typealias Handle = UnsafeMutableRawPointer
  private typealias Dims = UnsafePointer<Int64>
  private typealias EngineCreate =
    @convention(c) (UnsafeMutablePointer<Handle?>, Int32, Int) -> Int32
  private typealias StreamCreate =
    @convention(c) (UnsafeMutablePointer<Handle?>, Handle, Int32) -> Int32
  private typealias DescInit = @convention(c) (Handle, Int32, Dims, Int32, Int32) -> Int32
  private typealias DescCreate =
    @convention(c) (
      UnsafeMutablePointer<Handle?>, Int32, Dims, Int32, Int32
    ) -> Int32
  private typealias ConvInit2 =
    @convention(c) (
      Handle, Int32, Int32, Handle, Handle, Handle?, Handle, Dims, Dims, Dims
    ) -> Int32
  private typealias ConvDesc2 =
    @convention(c) (
      UnsafeMutablePointer<Handle?>, Handle, Handle?, Handle, Handle?
    ) -> Int32
  private typealias ConvDesc3 =
    @convention(c) (
      UnsafeMutablePointer<Handle?>, Handle, Int32, Int32, Handle, Handle, Handle?, Handle, Dims,
      Dims,
      Dims, Dims, Handle?
    ) -> Int32
  private typealias QueryDesc = @convention(c) (Handle, Int32, Int32) -> Handle?
  private typealias DescSize = @convention(c) (Handle) -> Int
  private typealias MemoryCreate =
    @convention(c) (
      UnsafeMutablePointer<Handle?>, Handle, Handle, Handle
    ) -> Int32
  private typealias PrimitiveCreate =
    @convention(c) (UnsafeMutablePointer<Handle?>, Handle) -> Int32
  private typealias Execute = @convention(c) (Handle, Handle, Int32, UnsafeRawPointer) -> Int32
  private typealias Wait = @convention(c) (Handle) -> Int32

  private struct Argument {
    var number: Int32
    var memory: Handle
  }

  private let library: SystemLibrary
  private let engine: Handle
  private let stream: Handle

  /// Nil where it is not installed. It has as many threads as OpenMP gives it.
  init?(threads: Int) {
    setenv("OMP_NUM_THREADS", "\(threads)", 1)
    guard
      let library = SystemLibrary(["libdnnl.so.3", "libdnnl.so.2", "libdnnl.so", "libdnnl.dylib"]),
      let makeEngine = library.function("dnnl_engine_create", as: EngineCreate.self),
      let makeStream = library.function("dnnl_stream_create", as: StreamCreate.self)
    else { return nil }
    self.library = library
    var (engine, stream): (Handle?, Handle?) = (nil, nil)
    let (cpu, inOrder) = (Int32(1), Int32(1))
    guard makeEngine(&engine, cpu, 0) == 0, let engine, makeStream(&stream, engine, inOrder) == 0,
      let stream
    else { return nil }
    self.engine = engine
    self.stream = stream
  }

  /// A description of float32 extents in a layout of its own choice.
  private func description(_ extents: [Int]) -> Handle? {
    let (float32, any) = (Int32(3), Int32(1))
    let dims = extents.map(Int64.init) + [Int64](repeating: 0, count: 12 - extents.count)
    if let make = library.function("dnnl_memory_desc_create_with_tag", as: DescCreate.self) {
      var made: Handle?
      return make(&made, Int32(extents.count), dims, float32, any) == 0 ? made : nil
    }
    // 696 bytes in version 2.6. Never freed: a benchmark makes a dozen.
    let made = Handle.allocate(byteCount: 4096, alignment: 64)
    guard let make = library.function("dnnl_memory_desc_init_by_tag", as: DescInit.self),
      make(made, Int32(extents.count), dims, float32, any) == 0
    else { return nil }
    return made
  }

  private func primitiveDescription(
    _ src: Handle, _ weights: Handle, _ bias: Handle, _ dst: Handle, stride: Int, pad: Int
  ) -> Handle? {
    let (inference, automatic) = (Int32(96), Int32(3))
    let strides = [Int64](repeating: Int64(stride), count: 12)
    let zeros = [Int64](repeating: 0, count: 12)
    let pads = [Int64](repeating: Int64(pad), count: 12)
    var made: Handle?
    if let make = library.function(
      "dnnl_convolution_forward_primitive_desc_create", as: ConvDesc3.self)
    {
      let code = make(
        &made, engine, inference, automatic, src, weights, bias, dst, strides, zeros, pads, pads,
        nil)
      return code == 0 ? made : nil
    }
    // 5,976 bytes in version 2.6.
    let operation = Handle.allocate(byteCount: 32768, alignment: 64)
    defer { operation.deallocate() }
    guard
      let fill = library.function("dnnl_convolution_forward_desc_init", as: ConvInit2.self),
      let make = library.function("dnnl_primitive_desc_create", as: ConvDesc2.self),
      fill(
        operation, inference, automatic, src, weights, bias, dst, strides, pads, pads) == 0,
      make(&made, operation, nil, engine, nil) == 0
    else { return nil }
    return made
  }

  /// A convolution with bias, ready to run; nil where the library refuses.
  func convolution(
    batch: Int, size: Int, channels: Int, filters: Int, kernel: Int, stride: Int, pad: Int
  ) -> (() -> Void)? {
    let out = (size + 2 * pad - kernel) / stride + 1
    guard let src = description([batch, channels, size, size]),
      let weights = description([filters, channels, kernel, kernel]),
      let bias = description([filters]), let dst = description([batch, filters, out, out]),
      let chosen = primitiveDescription(src, weights, bias, dst, stride: stride, pad: pad),
      let query = library.function("dnnl_primitive_desc_query_md", as: QueryDesc.self),
      let sizeOf = library.function("dnnl_memory_desc_get_size", as: DescSize.self),
      let makeMemory = library.function("dnnl_memory_create", as: MemoryCreate.self),
      let makePrimitive = library.function("dnnl_primitive_create", as: PrimitiveCreate.self),
      let execute = library.function("dnnl_primitive_execute", as: Execute.self),
      let wait = library.function("dnnl_stream_wait", as: Wait.self)
    else { return nil }
    let (srcQuery, weightsQuery, dstQuery) = (Int32(129), Int32(131), Int32(133))
    var arguments: [Argument] = []
    for (number, what, index) in [
      (Int32(1), srcQuery, Int32(0)), (33, weightsQuery, 0), (41, weightsQuery, 1),
      (17, dstQuery, 0),
    ] {
      guard let layout = query(chosen, what, index) else { return nil }
      // Written, so that each page is a page of its own.
      let bytes = sizeOf(layout)
      let data = Handle.allocate(byteCount: max(64, bytes), alignment: 64)
      data.initializeMemory(as: Float.self, repeating: 0.01, count: bytes / 4)
      var memory: Handle?
      guard makeMemory(&memory, layout, engine, data) == 0, let memory else { return nil }
      arguments.append(Argument(number: number, memory: memory))
    }
    var primitive: Handle?
    guard makePrimitive(&primitive, chosen) == 0, let primitive else { return nil }
    let stream = stream
    return {
      arguments.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress { _ = execute(primitive, stream, 4, base) }
      }
      _ = wait(stream)
    }
  }
}
