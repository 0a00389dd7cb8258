// martlet doctor: what Martlet finds on this machine, and whether it works.

import ArgumentParser
import Martlet
import MartletData
import MartletJIT
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check this machine: instruction set, threads, libtcc, data sets.")

  func run() throws {
    var isHealthy = true
    func say(_ topic: String, _ text: String) { Output.line(topic.padded(14) + text) }
    let options = try CompileOptions()
    say("martlet", toolVersion)
    say("processor", DoctorCommand.processor)
    say(
      "instructions",
      "\(options.isa.rawValue) in use; this CPU has "
        + InstructionSet.allCases.filter(\.isSupported).map(\.rawValue).joined(separator: ", "))
    say("threads", "\(options.threads)")
    if let caches = DoctorCommand.caches { say("caches", caches) }

    for backend in CompileOptions.Backend.allCases {
      let name =
        switch backend {
        case .tcc: "libtcc"
        case .cc: "system cc"
        case .interpreter: "interpreter"
        }
      if backend == .cc, SystemCompiler.find() == nil {
        say(name, "none found; only MARTLET_BACKEND=cc needs one")
        continue
      }
      do {
        say(name, try DoctorCommand.check(backend))
      } catch {
        // A missing system compiler costs nothing but the comparison with it.
        if backend != .cc { isHealthy = false }
        say(name, "does not work: \(error)")
      }
    }
    do {
      let digits = try Dataset.mnist5k()
      say("mnist5k", "embedded, \(digits.train.count) + \(digits.test.count) images")
    } catch {
      isHealthy = false
      say("mnist5k", "damaged: \(error)")
    }
    let fashion = "/usr/share/datasets/fashion-mnist"
    say(
      "fashion-mnist",
      FileSystem.isDirectory(fashion)
        ? fashion : "not installed (apt-get install dataset-fashion-mnist)")
    for name in Environment.names {
      if let value = CompileOptions.environment(name) { say(name, value) }
    }
    if !isHealthy { throw ExitCode(1) }
  }

  /// Compiles a small kernel and compares its result with arithmetic done here.
  private static func check(_ backend: CompileOptions.Backend) throws -> String {
    var options = try CompileOptions()
    options.backend = backend
    options.threads = 1
    options.disabledPasses = []
    let values: [Float] = (0..<37).map { Float($0) / 4 - 4 }
    let start = nowMilliseconds()
    let function = try compile(TensorSpec([37]), options: options) { relu($0 * 2 + 1) }
    let result = try function(NDArray(values)).floats
    let took = nowMilliseconds() - start
    for (x, y) in zip(values, result) where y != max(0, x * 2 + 1) {
      throw ToolError("relu(2 · \(x) + 1) gave \(y)")
    }
    return "works: a kernel compiled, ran and was right, \(fixed(took, 1)) ms"
  }

  private static var processor: String {
    #if os(Linux)
      guard let file = fopen("/proc/cpuinfo", "r") else { return "unknown" }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 512)
      while fgets(&line, 512, file) != nil {
        let text = String(
          decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") else { continue }
        return String(text[text.index(after: colon)...].filter { $0 != "\n" }.drop { $0 == " " })
      }
    #endif
    return "unknown"
  }

  private static var caches: String? {
    #if canImport(Glibc)
      let sizes = [
        ("L1", _SC_LEVEL1_DCACHE_SIZE), ("L2", _SC_LEVEL2_CACHE_SIZE),
        ("L3", _SC_LEVEL3_CACHE_SIZE),
      ].map { ($0.0, sysconf(Int32($0.1))) }.filter { $0.1 > 0 }
      guard !sizes.isEmpty else { return nil }
      return sizes.map { "\($0.0) \($0.1 / 1024) KiB" }.joined(separator: ", ")
    #else
      return nil
    #endif
  }
}
