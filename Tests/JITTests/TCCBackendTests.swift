// libtcc in memory: results, errors, pages, memory, threads.

import MartletJIT
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct TCCBackendTests {
  @Test(arguments: InstructionSet.allCases.filter(\.isSupported))
  func runsCompiledText(isa: InstructionSet) throws {
    let code = try freshJIT(isa: isa).compile(addition(times: 2))
    #expect(try runAddition(code) == [22, 44, 66, 88])
    #expect(code.byteCount > 0)
  }

  /// What libtcc calls by itself has no library to come from.
  @Test func findsItsOwnHelpers() throws {
    let code = try freshJIT().compile(
      EmittedSource(
        """
        struct pair { long a[9]; };
        double helpers(float x, double y) {
          struct pair zero = {0}, copy;
          copy = zero;
          unsigned long u = (unsigned long)x, v = (unsigned long)y;
          return (double)u + (double)(float)v + copy.a[8];
        }
        """, symbols: []))
    typealias Function = @convention(c) (Float, Double) -> Double
    let function = unsafeBitCast(try code.function(named: "helpers"), to: Function.self)
    #expect(function(9_223_372_036_854_775_808, 4096) == 9_223_372_036_854_779_904)
    withExtendedLifetime(code) {}
  }

  @Test func quotesTheLineThatIsWrong() throws {
    let text = """
      void k00_good(void) {
      }
      void k01_bad(float *y) {
        y[0] = undeclared_name;
      }
      """
    let error = try #require(throws: JITError.self) {
      try freshJIT().compile(EmittedSource(text, symbols: ["mt_add_f32"]))
    }
    #expect(error.code == .compileFailed)
    #expect(error.lines.map(\.number) == [4])
    #expect(error.lines.map(\.text) == ["  y[0] = undeclared_name;"])
    #expect(error.lines.map(\.function) == ["k01_bad"])
    #expect(
      error.description == """
        error: libtcc: martlet.c:4: error: 'undeclared_name' undeclared
          4 in k01_bad: y[0] = undeclared_name;
          hint: the emitted C is wrong: please report it with the text of MARTLET_DUMP=dir
        """)
  }

  /// libtcc's warnings arrive where its errors do.
  @Test func acceptsWarnings() throws {
    let code = try freshJIT().compile(
      EmittedSource("int f(float *y) {\n  int x = y;\n  return 1 + 0 * x;\n}", symbols: []))
    _ = try code.function(named: "f")
  }

  @Test func namesMissingSymbols() throws {
    let unlisted = try #require(throws: JITError.self) {
      try freshJIT().compile(
        EmittedSource("void g(void);\nvoid f(void) {\n  g();\n}", symbols: []))
    }
    #expect(unlisted.code == .symbolMissing)
    #expect(unlisted.message.contains("'g'"))

    let unknown = try #require(throws: JITError.self) {
      try freshJIT().compile(EmittedSource("", symbols: ["mt_no_such_thing"]))
    }
    #expect(unknown.code == .symbolMissing)
    #expect(unknown.message.contains("mt_no_such_thing"))

    let code = try freshJIT().compile(addition(times: 1))
    let absent = try #require(throws: JITError.self) { try code.function(named: "k99") }
    #expect(absent.code == .symbolMissing)
    // What the text calls is not what it defines.
    #expect(throws: JITError.self) { try code.function(named: "mt_add_f32") }
  }

  @Test func compilesFromSeveralThreads() async throws {
    let results = try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<4 {
        group.addTask {
          let jit = freshJIT()
          for i in 0..<100 {
            let factor = task * 1000 + i
            let y = try runAddition(try jit.compile(addition(times: factor)))
            if y != [11, 22, 33, 44].map({ $0 * Float(factor) }) { return false }
            if i % 10 == 0,
              (try? jit.compile(EmittedSource("nonsense \(factor)", symbols: []))) != nil
            {
              return false
            }
          }
          return true
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results == [true, true, true, true])
  }

  #if os(Linux)
    @Test func pagesAreNeverWritableAndExecutable() throws {
      let code = try freshJIT().compile(addition(times: 3))
      let address = UInt(bitPattern: try code.function(named: "k00_add"))
      var own: String?
      for line in readLines("/proc/self/maps") {
        let fields = line.split(separator: " ")
        let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        #expect(!(fields[1].contains("w") && fields[1].contains("x")), "\(line)")
        if bounds.count == 2, bounds[0] <= address, address < bounds[1] { own = String(fields[1]) }
      }
      #expect(own == "r-xp")
      withExtendedLifetime(code) {}
    }

    /// In a process of its own: nothing else allocates there.
    @Test func freesWhatItCompiles() async {
      await #expect(processExitsWith: .success) {
        func compile(_ range: Range<Int>) throws {
          let jit = JIT(isa: .best, cache: CodeCache(capacity: 0, textCapacity: 0))
          for i in range {
            _ = try jit.compile(addition(times: i))
            _ = try? jit.compile(EmittedSource("nonsense \(i)", symbols: []))
          }
        }
        try compile(0..<200)
        let before = residentBytes()
        let mappings = readLines("/proc/self/maps").count
        try compile(200..<1200)
        let growth = residentBytes() - before
        guard growth < 512 << 10 else { throw TestFailure("grew by \(growth) bytes") }
        let more = readLines("/proc/self/maps").count - mappings
        guard more < 10 else { throw TestFailure("\(more) more mappings") }
      }
    }

    /// PR_SET_MDWE: the kernel refuses to make pages executable, as hardened systems do.
    @Test func refusedExecutableMemoryIsATypedError() async {
      await #expect(processExitsWith: .success) {
        typealias Prctl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        guard let symbol = dlsym(nil, "prctl") else { return }
        // Kernels before 6.3 do not have it.
        guard unsafeBitCast(symbol, to: Prctl.self)(65, 1, 0, 0, 0) == 0 else { return }
        do throws(JITError) {
          _ = try freshJIT().compile(addition(times: 1))
          throw JITError(.compileFailed, "expected a refusal")
        } catch {
          guard error.code == .executableMemoryRefused,
            error.hint?.contains("MARTLET_BACKEND=interpreter") == true
          else { throw error }
        }
      }
    }
  #endif
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func readLines(_ path: String) -> [String] {
  guard let stream = fopen(path, "r") else { return [] }
  defer { fclose(stream) }
  var bytes: [UInt8] = []
  while true {
    let byte = fgetc(stream)
    if byte < 0 { break }
    bytes.append(UInt8(truncatingIfNeeded: byte))
  }
  return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}

func residentBytes() -> Int {
  let pages = readLines("/proc/self/statm").first?.split(separator: " ").dropFirst().first
  return (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
