// The strict JSON parser and writer.

import MartletExecution
import Testing

@Suite struct JSONTests {
  func parse(_ text: String, depth: Int = 32, values: Int = 1000) throws -> JSONValue {
    try JSONValue(parsing: Array(text.utf8), file: "test", depthLimit: depth, valueLimit: values)
  }

  @Test func parsesEveryKind() throws {
    let value = try parse(
      #" {"a":[1,-2,3.5e2,0,true,false,null], "b\n":"x\u00e9\ud83d\udc26\/", "":{} } "#)
    #expect(
      value
        == .object([
          .init(
            "a",
            .array([
              .integer(1), .integer(-2), .number(350), .integer(0), .bool(true),
              .bool(false), .null,
            ])),
          .init("b\n", .string("xé🐦/")),
          .init("", .object([])),
        ]))
    #expect(value["a"]?.array?.count == 7)
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
  }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "01", "-", "1.", ".5", "1e", "+1",
    "nul", "truth", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",
    "\"\\ud800\\u0041\"", "\"\n\"", "[1] 2", "1 1", "[1 2]", "1e999", "NaN", "'a'", "[,]",
    "{\"a\":1,\"a\":2}", "\"\\u+123\"", "//", "\u{feff}1",
  ])
  func refuses(_ text: String) {
    _ = dataError(.wrongFormat) { _ = try parse(text) }
  }

  @Test func refusesBadUTF8() {
    for bytes: [UInt8] in [
      [0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80],
    ] {
      _ = dataError(.wrongFormat) {
        _ = try JSONValue(parsing: [0x22] + bytes + [0x22], file: "test")
      }
    }
  }

  @Test func boundsDepthAndSize() throws {
    let deep = String(repeating: "[", count: 100_000)
    _ = dataError(.wrongFormat) { _ = try parse(deep) }
    #expect(try parse("[[[]]]", depth: 3) == .array([.array([.array([])])]))
    _ = dataError(.wrongFormat) { _ = try parse("[[[]]]", depth: 2) }
    _ = dataError(.wrongFormat) { _ = try parse("[1,2,3]", values: 3) }
  }

  @Test func namesThatOnlySwiftTakesForEqualStayApart() throws {
    let value = try parse("{\"\u{e9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{e9}"] == .integer(1))
    #expect(value["e\u{301}"] == .integer(2))
  }

  @Test func writesWhatItReads() throws {
    let text = #"{"a":[1,-2,3.5,1e-05],"q\"\\\n\u0001":"é🐦","o":{"x":null},"e":[]}"#
    let value = try parse(text)
    #expect(String(decoding: try value.encoded(file: "test"), as: UTF8.self) == text)
    let pretty = try value.encoded(indent: 2, file: "test")
    #expect(try JSONValue(parsing: pretty, file: "test") == value)
    _ = dataError(.unsupported) { _ = try JSONValue.number(.nan).encoded(file: "test") }
  }
}
