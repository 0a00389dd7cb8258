#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import MartletIR
import Testing

/// The message for a text that must not parse, or what it parsed to.
private func failure(_ text: String, _ limits: ParserLimits = ParserLimits()) -> String {
  do throws(ParseError) {
    return try Graph(parsing: text, ops: testOps, limits: limits).printed()
  } catch {
    return error.description
  }
}

@Suite struct ParserErrorTests {
  /// The message for a line inside a graph of one parameter.
  private func lineFailure(_ line: String) -> String {
    failure("graph g(%0: f32[4]) {\n\(line)\nreturn %0 }")
  }

  @Test func messagesOfLines() {
    let cases = [
      ("%1: f32[4] = tnh %0", "2:14: unknown operation 'tnh'"),
      ("%1: f32[4] = tanh %5", "2:19: %5 is not defined before this line"),
      ("%1: f32[4] = tanh %1", "2:19: %1 is not defined before this line"),
      ("%0: f32[4] = tanh %0", "2:1: %0 is defined twice"),
      ("%1: f32[5] = tanh %0", "2:1: %1 is declared f32[5], but tanh gives f32[4]"),
      ("%1: f32[4], %2: f32[4] = tanh %0", "2:1: tanh gives 1 result, not 2"),
      ("%1: f32[4] = maxWindow %0", "2:1: maxWindow gives 2 results, not 1"),
      ("%1: f32[4] = tanh %0, %0", "2:14: tanh: needs 1 operands, got 2"),
      ("%1: f32[4] = tanh {rate=2} %0", "2:14: tanh: no attribute named 'rate'"),
      ("%1: f32[4] = call %0", "2:14: call: needs one body"),
      ("%1: f33[4] = tanh %0", "2:5: expected a type such as f32[64,10], not \"f33\""),
      ("%1: f32[-4] = tanh %0", "2:9: expected an extent, not \"-\""),
      ("%1: f32 = tanh %0", "2:8: expected '[', not \" \""),
      ("%1 = tanh %0", "2:4: expected ':', not \"=\""),
      ("%1: f32[4] = tanh %0 %0", "2:22: expected ';' or a new line, not \"%\""),
      ("%1: f32[4] = tanh %0 return %0", "2:22: expected ';' or a new line, not \"return\""),
      ("%1: f32[4] = ", "2:14: expected an operation, not the end of the line"),
      ("%1: f32[4] = tanh é", "2:19: expected ';' or a new line, not \"é\""),
      ("%x: f32[4] = tanh %0", "2:2: expected a value's number, not \"x\""),
      ("tanh %0", "2:1: expected a line or 'return', not \"tanh\""),
      ("%1: f32[4] = tanh %0 {", "3:8: %0 is not defined before this line"),
    ]
    for (line, message) in cases { #expect(lineFailure(line) == message) }
  }

  @Test func messagesOfAttributesAndLiterals() {
    let cases = [
      ("{value=1}", "2:14: constant: attribute 'value' must be a literal array"),
      ("{value=f32[4](=1), value=f32[4](=1)}", "2:42: attribute 'value' is given twice"),
      ("{value=f32[4](1, 2)}", "2:36: f32[4] has 4 elements, not 2"),
      ("{value=f32[1](1, 2)}", "2:40: f32[1] has 1 element, not more"),
      ("{value=f32[2](1, x)}", "2:40: expected a number, not \"x\""),
      ("{value=i32[1](1.5)}", "2:37: not a number of dtype i32"),
      ("{value=u8[1](256)}", "2:36: not a number of dtype u8"),
      ("{value=u64[1](-1)}", "2:37: not a number of dtype u64"),
      ("{value=f64[1](1e999)}", "2:37: the number is out of range"),
      ("{value=f64[1](1.2.3)}", "2:37: this is no number"),
      ("{value=f64[1](12ab)}", "2:39: expected a digit, not \"ab\""),
      ("{value=f64[1](nan(0x0))}", "2:40: these are not the bits of a NaN"),
      ("{value=f64[1](nan(7))}", "2:40: expected the bits of a NaN, as in nan(0x7ff8000000000001)"),
      ("{value=\"open}", "2:30: this string does not end on its line"),
      ("{value=\"\\q\"}", "2:31: unknown escape in a string"),
      ("{value=\"\\u{d800}\"}", "2:31: not a Unicode scalar"),
      ("{value=[1, 1.5]}", "2:34: expected an integer of 64 bits"),
      ("{value=9223372036854775808}", "2:30: the integer does not fit in 64 bits"),
      ("{value=99999999999999999999}", "2:30: the integer does not fit in 64 bits"),
      ("{value=, 1}", "2:30: expected a number, not \",\""),
      ("{value=f32[4](=1)", "2:41: expected '}', not \"%\""),
    ]
    for (attributes, message) in cases {
      #expect(lineFailure("%1: f32[4] = constant \(attributes) %0") == message)
    }
  }

  @Test func messagesOfGraphs() {
    let cases = [
      ("", "1:1: expected 'graph', not the end of the text"),
      ("// nothing", "1:11: expected 'graph', not the end of the text"),
      ("graph () {}", "1:7: expected the graph's name, not \"(\""),
      ("graph g { return }", "1:9: expected '(', not \"{\""),
      ("graph g(%0: f32[]", "1:18: expected ')', not the end of the text"),
      ("graph g(%0: f32[], ) { return }", "1:20: expected '%', not \")\""),
      ("graph g(%0: f32[], %0: f32[]) { return }", "1:20: %0 is defined twice"),
      ("graph g() { }", "1:13: expected a line or 'return', not \"}\""),
      ("graph g() { return } x", "1:22: expected the end of the text, not \"x\""),
      ("graph g() { return %0 }", "1:20: %0 is not defined before this line"),
      ("graph g(%0: f32[]) { return %0 <- %0 }", "1:29: only a state parameter can be assigned"),
      ("graph g(%0: state f32[]) { return %0 <- %1 }", "1:41: %1 is not defined before this line"),
      ("graph g() { return %0, }", "1:20: %0 is not defined before this line"),
    ]
    for (text, message) in cases { #expect(failure(text) == message) }
  }

  // MARK: - Hostile texts

  private static let sample = """
    graph "g"(%0: f32[2] "x", %1: state f32[2] "w") {
      %2: f32[2] = constant {value=f32[2](0x1p+0, nan(0x7ff8000000000001))}
      %3: f32[2] = everything {axes=[0,1], count=-3, scale=1e-3, flag=true, mode="a\\u{e9}", dtype=f32} %2
      %4: f32[2] = call %0, %3 { (%0: f32[2], %1: f32[2])
        %2: f32[2], %3: i32[2] = maxWindow %0; return %2
      }  // a/b  c.swift:3
      %5: f32[2] = add %4, 1.5
      return %5 "é", %1 <- %4
    }
    """

  @Test func everyTruncationIsAnError() throws {
    _ = try parse(Self.sample)
    for length in 0..<Self.sample.unicodeScalars.count {
      let text = String(String.UnicodeScalarView(Self.sample.unicodeScalars.prefix(length)))
      #expect(throws: ParseError.self) { try parse(text) }
    }
  }

  @Test func noMutationTraps() throws {
    var random = SplitMix(state: 5)
    let spare = Array(" \n;{}()[]%\"=,:<-/\\0919.exp_naif32state".utf8)
    var parsed = 0
    // A hundred times as many in `make slow`.
    let isSlow = getenv("MARTLET_SLOW") != nil
    let rounds = isSlow ? 2_000_000 : 20_000
    for _ in 0..<rounds {
      var bytes = Array(Self.sample.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        let byte = spare.randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] = byte
        case 1: bytes.insert(byte, at: at)
        default: bytes.remove(at: at)
        }
      }
      guard let graph = try? parse(String(decoding: bytes, as: UTF8.self)) else { continue }
      parsed += 1
      let again = try parse(graph.printed())
      #expect(isStructurallyEqual(graph, again))
    }
    #expect(parsed > 1000, "mutations must reach past the parser's first checks")
  }

  @Test func deepNestingIsAnError() {
    func nested(_ depth: Int) -> String {
      "graph g() { "
        + String(repeating: "%0: f32[] = call {", count: depth)
        + "%0: f32[] = constant {value=f32[](1)}; return %0"
        + String(repeating: "}; return %0", count: depth) + "}"
    }
    #expect(throws: Never.self) {
      let graph = try parse(nested(maximumRegionDepth))
      try verify(graph)
      #expect(isStructurallyEqual(graph, try parse(graph.printed())))
    }
    #expect(failure(nested(maximumRegionDepth + 1)).hasSuffix("nest deeper than 64"))
    #expect(failure(nested(100_000)).hasSuffix("nest deeper than 64"))
    let attributes = "graph g() { %0: f32[] = constant " + String(repeating: "{", count: 1 << 20)
    #expect(throws: ParseError.self) { try parse(attributes) }
    #expect(throws: ParseError.self) { try parse(String(repeating: "[", count: 1 << 20)) }
  }

  @Test func hugeNumbersAreErrors() {
    let cases = [
      ("%99999999999999999999: f32[] = tanh %0", "2:2: a value's number is too large"),
      ("%1: f32[99999999999999999999] = tanh %0", "2:9: an extent is too large"),
      (
        "%1: f32[4294967296,4294967296] = tanh %0",
        "2:5: the shape [4294967296,4294967296] has a negative extent or too many elements"
      ),
      (
        "%1: f32[1000000000] = constant {value=f32[1000000000](=0)}",
        "2:54: literals have more than 16777216 elements"
      ),
      ("%1: f32[1000000000] = add 1.0, 1.0", "2:27: literals have more than 16777216 elements"),
    ]
    for (line, message) in cases { #expect(lineFailure(line) == message) }
    let rank = "%1: f32[" + [String](repeating: "1", count: 99).joined(separator: ",") + "]"
    #expect(lineFailure(rank).hasSuffix("a shape has at most 32 axes"))
    // The bound holds for all literals together.
    let many = String(
      repeating: "%1: f32[] = constant {value=f32[5000000](=0)};", count: 4)
    #expect(throws: ParseError.self) { try parse("graph g() { \(many) return }") }
  }

  @Test func longTextIsAnError() {
    var limits = ParserLimits()
    limits.bytes = 10
    #expect(failure("graph g() { return }", limits) == "1:1: the text is longer than 10 bytes")
  }
}
