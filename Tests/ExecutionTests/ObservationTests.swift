// What a session tells of its steps: times, and with checks the first thing that went wrong.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import Synchronization
import Testing

private func checked(
  _ backend: CompileOptions.Backend = .tcc, threads: Int = 1
) throws -> CompileOptions {
  var options = try testOptions(backend, threads: threads)
  options.checks = true
  return options
}

/// Lines of a log hook.
private final class Lines: Sendable {
  private let store = Mutex<[String]>([])
  var all: [String] { store.withLock { $0 } }
  func add(_ line: String) { store.withLock { $0.append(line) } }
}

private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}

@Test(arguments: [1, 3]) func profilesTimeEveryKernel(_ threads: Int) throws {
  var options = try testOptions(threads: threads)
  options.profiles = true
  var graph = Graph(name: "two")
  let x = graph.addParameter(TensorType(.float32, [512, 256]), name: "x")
  let y = graph.addParameter(TensorType(.float32, [256, 64]), name: "y")
  let dot = try graph.append(Dot(DotAxes(leftContract: [1], rightContract: [0])), [x, y])[0]
  graph.addOutput(try graph.append(ReduceSum(axes: [0]), [dot])[0])
  let program = try Compiler.compile(graph, state: [], written: [], options: options)
  let session = try Session(program)
  let inputs = [try NDArray(zeros: [512, 256]), try NDArray(zeros: [256, 64])]
  for _ in 0..<3 { _ = try session.run(inputs) }
  let profile = try #require(session.profile)
  #expect(profile.runs == 3)
  #expect(profile.kernels.count == program.report.kernels)
  #expect(profile.kernels.allSatisfy { $0.seconds > 0 })
  #expect(profile.kernels[0].flops == 2 * 512 * 256 * 64)
  #expect(profile.kernels[0].bytes == 4 * (512 * 256 + 256 * 64 + 512 * 64))
  // Each kernel once on the caller; the product on the other threads, too.
  #expect(
    profile.intervals.filter { $0.thread == 0 }.map(\.kernel) == Array(profile.kernels.indices))
  #expect(Set(profile.intervals.map(\.thread)).count == threads)
  #expect(profile.intervals.allSatisfy { $0.begin <= $0.end })
  #expect(profile.description.contains("dot"))
}

@Test func ordinaryProgramsAreNotObserved() throws {
  let program = try compile(TensorSpec([4]), options: try testOptions()) { tanh($0) }.program
  #expect(!program.source.contains("mt_observe") && !program.source.contains("mt_check_range"))
  #expect(try Session(program).profile == nil)
}

@Test(arguments: [CompileOptions.Backend.tcc, .interpreter])
func checksNameTheFirstValueThatIsNotFinite(_ backend: CompileOptions.Backend) throws {
  let function = try compile(TensorSpec([8]), options: try checked(backend)) { x in
    let bad = log(x)
    return (bad.reshaped([2, 4]).sum(axes: [0]) + 1).sum()
  }
  #expect(try function(NDArray([Float](repeating: 1, count: 8))).item() == 4)
  var values = [Float](repeating: 1, count: 8)
  values[5] = -1
  let text = message { _ = try function(try NDArray(values)) }
  #expect(text.contains("output") && text.contains("nan") && text.contains("first in"), "\(text)")
  #expect(text.contains("log"), "\(text)")
}

@Test func valuesThatAreMaskedMayBeInfinite() throws {
  let function = try compile(TensorSpec([4]), options: try checked()) { x in
    select(x .> 0, log(x), x)
  }
  #expect(try function(NDArray([0, 1, -1, 2] as [Float])).floats.allSatisfy(\.isFinite))
}

@Test func checksReportComputedIndicesOutside() throws {
  func gathering(_ options: CompileOptions) throws -> Function {
    try compile(TensorSpec([5, 2]), TensorSpec([3], .int32), options: options) { x, i in
      gather(x, i + i)
    }
  }
  let x = try NDArray((0..<10).map(Float.init)).reshaped([5, 2])
  let inside = try NDArray([0, 1, 2] as [Int32])
  let outside = try NDArray([0, 1, 4] as [Int32])
  #expect(try gathering(try testOptions())(x, outside).floats == [0, 1, 4, 5, 8, 9])
  #expect(try gathering(try checked())(x, inside).floats == [0, 1, 4, 5, 8, 9])
  let text = message { _ = try gathering(try checked())(x, outside) }
  #expect(text.contains("index 8 at position 2") && text.contains("0 ..< 5"), "\(text)")
}

@Test(arguments: [CompileOptions.Backend.tcc, .cc])
func kernelsAssertTheirRanges(_ backend: CompileOptions.Backend) throws {
  let program = try compile(TensorSpec([7, 3]), options: try checked(backend, threads: 2)) {
    softmax($0)
  }.program
  #expect(program.source.contains("mt_check_range(\"k00"))
}

@Test func logsRulesThatFired() throws {
  let lines = Lines()
  var options = try testOptions()
  options.logLevel = 3
  options.log = { lines.add($0) }
  _ = try compile(TensorSpec([4]), options: options) { x in (x * 1) + (-(-x)) }
  #expect(lines.all.contains("    times-one: multiply"), "\(lines.all)")
  #expect(lines.all.contains("    double-negation: negate"), "\(lines.all)")
}

@Test func logsKernelsWhenTheSessionEnds() throws {
  let lines = Lines()
  var options = try testOptions()
  options.logLevel = 4
  options.log = { lines.add($0) }
  do {
    let session = try Session(try compile(TensorSpec([4]), options: options) { tanh($0) }.program)
    _ = try session.run([try NDArray(zeros: [4])])
  }
  #expect(lines.all.contains { $0.contains("ms/run") && $0.contains("tanh") }, "\(lines.all)")
}

/// What a compilation makes is gone when its user lets go of it.
@Test func nothingKeepsATraceOrAProgram() throws {
  final class Weak {
    weak var trace: Trace?
    weak var program: Program?
  }
  let weak = Weak()
  do {
    let model = Small()
    let step = try compile(
      training: model, with: SGD(learningRate: 0.1), TensorSpec([4, 3]), TensorSpec([4], .int32),
      options: try testOptions()
    ) { x, y in
      weak.trace = Trace.current
      return softmaxCrossEntropy(logits: model(x), labels: y)
    }
    weak.program = step.program
    _ = try step(try smallInput(4), try smallLabels(4))
    #expect(weak.program != nil)
  }
  #expect(weak.trace == nil)
  #expect(weak.program == nil)
}

/// Bytes of this process in memory; 0 where the system does not say.
private func residentBytes() -> Int {
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var pages: (Int, Int) = (0, 0)
  let read = withUnsafeMutablePointer(to: &pages.0) { first in
    withUnsafeMutablePointer(to: &pages.1) { second in
      withVaList([first, second]) { vfscanf(file, "%ld %ld", $0) }
    }
  }
  return read == 2 ? pages.1 * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}

@Suite(.serialized, .enabled(if: isSlowRun)) struct SlowMemoryTests {
  /// Each compilation differs, so that none comes from the cache.
  @Test func thousandsOfCompilationsKeepNothing() throws {
    func round(_ number: Int) throws {
      let model = Small()
      let step = try compile(
        training: model, with: Adam(learningRate: 0.1), TensorSpec([4, 3]), TensorSpec([4], .int32),
        options: try testOptions()
      ) { x, y in softmaxCrossEntropy(logits: model(x) * Double(number), labels: y) }
      _ = try step(try smallInput(4), try smallLabels(4))
    }
    for number in 0..<500 { try round(number) }
    let before = residentBytes()
    for number in 500..<3_500 { try round(number) }
    let grown = residentBytes() - before
    #expect(grown < 8 << 20, "\(grown) bytes after 3,000 compilations")
  }
}
