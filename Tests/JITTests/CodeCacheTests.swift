// Equal text is compiled once, and choices from the environment are checked.

import MartletJIT
import Testing

@Suite struct CodeCacheTests {
  @Test func equalTextIsCompiledOnce() throws {
    let jit = freshJIT()
    let first = try jit.compileReportingReuse(addition(times: 1))
    let second = try jit.compileReportingReuse(addition(times: 1))
    let other = try jit.compileReportingReuse(addition(times: 2))
    #expect(!first.reused && second.reused && !other.reused)
    #expect(first.code === second.code)
    #expect(first.code !== other.code)
  }

  @Test func instructionSetsAreApart() throws {
    let cache = CodeCache(capacity: 8, textCapacity: 1 << 20)
    let sets = InstructionSet.allCases.filter(\.isSupported)
    for isa in sets { _ = try JIT(isa: isa, cache: cache).compile(addition(times: 1)) }
    #expect(cache.count == sets.count)
  }

  @Test func theOldestFallsOutAndLivesOn() throws {
    let cache = CodeCache(capacity: 2, textCapacity: 1 << 20)
    let jit = JIT(isa: .best, cache: cache)
    let first = try jit.compile(addition(times: 1))
    _ = try jit.compile(addition(times: 2))
    _ = try jit.compile(addition(times: 1))
    _ = try jit.compile(addition(times: 3))
    #expect(cache.count == 2)
    #expect(try jit.compile(addition(times: 1)) === first)
    #expect(try jit.compileReportingReuse(addition(times: 2)).reused == false)
    _ = try jit.compile(addition(times: 3))
    _ = try jit.compile(addition(times: 4))
    #expect(try jit.compile(addition(times: 1)) !== first)
    #expect(try runAddition(first) == [11, 22, 33, 44])
  }

  @Test func textBytesAreBounded() throws {
    let bytes = addition(times: 1).text.utf8.count
    let cache = CodeCache(capacity: 100, textCapacity: 2 * bytes)
    let jit = JIT(isa: .best, cache: cache)
    for factor in 1...9 { _ = try jit.compile(addition(times: factor)) }
    #expect(cache.count == 2)
    _ = try jit.compile(EmittedSource(String(repeating: "\n", count: 3 * bytes), symbols: []))
    #expect(cache.count == 2)
  }
}

@Suite struct ChoiceTests {
  @Test func instructionSetsByName() throws {
    #expect(try InstructionSet.named(nil) == .best)
    #expect(try InstructionSet.named("baseline") == .baseline)
    let unknown = try #require(throws: JITError.self) { try InstructionSet.named("sse9") }
    #expect(unknown.code == .unknownInstructionSet)
    #expect(unknown.description.contains("baseline, avx2, avx512, neon"))
    for isa in InstructionSet.allCases where !isa.isSupported {
      let error = try #require(throws: JITError.self) { try InstructionSet.named(isa.rawValue) }
      #expect(error.code == .unsupportedInstructionSet)
    }
    #expect(InstructionSet.allCases.contains { !$0.isSupported })
  }
}
