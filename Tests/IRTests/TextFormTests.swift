import MartletIR
import Testing

/// Parses `text` and expects it to print as `canonical`, or as it stands.
private func expectPrints(
  _ text: String, as canonical: String? = nil, _ options: PrintOptions = PrintOptions(),
  sourceLocation: Testing.SourceLocation = #_sourceLocation
) throws {
  let graph = try parse(text)
  try verify(graph)
  let printed = graph.printed(options)
  #expect(printed == (canonical ?? text), sourceLocation: sourceLocation)
  let again = try parse(printed)
  #expect(again.printed(options) == printed, sourceLocation: sourceLocation)
  #expect(isStructurallyEqual(graph, again), sourceLocation: sourceLocation)
}

@Suite struct TextFormTests {
  @Test func everyFeatureRoundTrips() throws {
    try expectPrints(
      """
      graph g(%0: f32[2,3] "x", %1: state f32[2,3] "weights", %2: i32[]) {
        %3: f32[2,3] = tanh %0
        %4: f32[2,3], %5: i32[2,3] = maxWindow %3
        %6: f16[2,3] = everything {axes=[0,-1], count=3, scale=0x1.8p-3, flag=true, mode="same", dtype=f16} %4
        %7: f32[2] = constant {value=f32[2](0x1p+0, nan)}
        %8: f32[2,3] = call %4, %1 {
          (%0: f32[2,3] "carry", %1: f32[2,3])
          %2: f32[2,3] = add %0, %1
          return %2
        }
        return %8 "y", %5, %1 <- %8 "updated"
      }

      """.replacing(" {\n    (", with: " { ("))
  }

  @Test func oneLineFormAndSparseLabels() throws {
    try expectPrints(
      "graph g(%7: f32[4]) { %9: f32[4] = tanh %7;  %2: f32[4] = add %9, %7; return %2 }",
      as: """
        graph g(%0: f32[4]) {
          %1: f32[4] = tanh %0
          %2: f32[4] = add %1, %0
          return %2
        }

        """)
  }

  @Test func blanksNewLinesAndCommentsGoWhereTheyMay() throws {
    try expectPrints(
      """
      // A comment before the graph
      graph "a name" (
        %0 : f32[4, 2] "x" ,   // and behind a parameter
        %1: state f32[4,2]
      )
      {

        ; ;
        %2: f32[4,2] = everything {
          axes=[ ], count = 1, scale=0.5,
          flag=false, mode="", dtype=f32
        } %0  // an ordinary comment says nothing
        return %2,
          %1<-%2
      }
      // the end
      """,
      as: """
        graph "a name"(%0: f32[4,2] "x", %1: state f32[4,2]) {
          %2: f32[4,2] = everything {axes=[], count=1, scale=0x1p-1, flag=false, mode="", dtype=f32} %0
          return %2, %1 <- %2
        }

        """)
  }

  @Test func literals() throws {
    let cases = [
      ("f32[2,2](0x1p+0, nan, -inf, 0)", "f32[2,2](0x1p+0, nan, -inf, 0x0p+0)"),
      ("f64[3](0.1, -0, 1e-320)", "f64[3](0x1.999999999999ap-4, -0x0p+0, 0x1.fap-1064)"),
      ("f32[64](=0x1p-1)", "f32[64](=0x1p-1)"),
      ("f32[3](2, 2, 2)", "f32[3](=0x1p+1)"),
      ("f32[](0.1)", "f32[](0x1.99999ap-4)"),
      ("f32[0]()", "f32[0]()"),
      ("f32[0](=1)", "f32[0]()"),
      ("f64[1](nan(0xfff8000000000000))", "f64[1](nan(0xfff8000000000000))"),
      ("bool[3](true, false, 1)", "bool[3](true, false, true)"),
      ("u8[2](0, 255)", "u8[2](0, 255)"),
      ("i64[1](-9223372036854775808)", "i64[1](-9223372036854775808)"),
      ("u64[2](18446744073709551615, 1)", "u64[2](18446744073709551615, 1)"),
    ]
    for (written, printed) in cases {
      let type = written.prefix { $0 != "(" }
      let graph = try parse("graph g() { %0: \(type) = constant {value=\(written)}; return %0 }")
      #expect(
        graph.printed()
          == "graph g() {\n  %0: \(type) = constant {value=\(printed)}\n  return %0\n}\n")
    }
  }

  @Test func numbersAsOperandsAreConstantsOfTheResultType() throws {
    try expectPrints(
      "graph g(%0: f32[4]) { %1: f32[4] = add %0, 1.0; %2: f32[4] = add -2, %1; return %2 }",
      as: """
        graph g(%0: f32[4]) {
          %1: f32[4] = constant {value=f32[4](=0x1p+0)}
          %2: f32[4] = add %0, %1
          %3: f32[4] = constant {value=f32[4](=-0x1p+1)}
          %4: f32[4] = add %3, %2
          return %4
        }

        """)
  }

  @Test func locationsPrintOnRequestAndParseBack() throws {
    let text = """
      graph g(%0: f32[4]) {
        %1: f32[4] = tanh %0  // hidden/relu  Demo/main.swift:5
        %2: f32[4] = tanh %1  // main.swift:6
        %3: f32[4] = tanh %2  // "a b"  "my file.swift":-7
        %4: f32[4] = tanh %3  // scope  :0
        %5: f32[4] = tanh %4
        %6: f32[4] = call %5 { (%0: f32[4])
          %1: f32[4] = tanh %0  // body  b.swift:1
          return %1
        }  // outside  c:d.swift:2
        return %6
      }

      """
    try expectPrints(text, PrintOptions(locations: true))
    let graph = try parse(text)
    #expect(
      graph.nodes.map(\.location) == [
        SourceLocation(scope: "hidden/relu", file: "Demo/main.swift", line: 5),
        SourceLocation(file: "main.swift", line: 6),
        SourceLocation(scope: "a b", file: "my file.swift", line: -7),
        SourceLocation(scope: "scope"),
        .unknown,
        SourceLocation(scope: "outside", file: "c:d.swift", line: 2),
      ])
    #expect(!graph.printed().contains("//"))
  }

  @Test(arguments: [
    "merges these two", "see main.swift:5", "see  main.swift", "a  b  c:3", "\"open  b:3", "",
    "a  \"b\"x:3", ":", "x:99999999999999999999",
  ])
  func otherCommentsAreNoLocations(_ comment: String) throws {
    let graph = try parse(
      "graph g(%0: f32[]) { %1: f32[] = tanh %0 // \(comment)\n return %1 }")
    #expect(graph.nodes[0].location == .unknown)
  }

  @Test func longListsBreak() throws {
    var graph = Graph(name: "g")
    for index in 0..<8 { graph.addParameter(TensorType(.float32, [64, 784]), name: "p\(index)") }
    graph.addOutput(Value(0))
    #expect(
      graph.printed().hasPrefix("graph g(\n  %0: f32[64,784] \"p0\",\n  %1: f32[64,784] \"p1\",\n"))
    #expect(isStructurallyEqual(graph, try parse(graph.printed())))
  }

  @Test func elidedArraysAreForPeopleOnly() throws {
    let graph = try parse(
      "graph g() { %0: i32[3] = constant {value=i32[3](1, 2, 3)}; return %0 }")
    let text = graph.printed(PrintOptions(maximumElements: 2))
    #expect(text.contains("value=i32[3](…)"))
    #expect(throws: ParseError.self) { try parse(text) }
  }

  @Test func printingABrokenGraphDoesNotTrap() {
    var graph = Graph(name: "broken")
    let x = graph.addParameter(TensorType(.float32, []), name: "x")
    graph.append(Tanh(), [Value(99)], types: [TensorType(.float32, [])])
    graph.addOutput(Value(-1), role: .assign(7))
    graph.parameters.append(graph.parameters[0])
    graph.parameters[1].value = Value(50)
    #expect(x.id == 0)
    #expect(graph.printed().contains("tanh %?"))
    #expect(graph.printed().contains("%? <- %?"))
    #expect(!dot(graph).isEmpty)
  }

  @Test(arguments: 0..<60) func randomGraphsRoundTrip(_ seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    let graph = try randomGraph(nodes: seed, &random)
    try verify(graph)
    let options = PrintOptions(locations: true)
    let text = graph.printed(options)
    let again = try parse(text)
    try verify(again)
    #expect(again.printed(options) == text, "seed \(seed)")
    #expect(isStructurallyEqual(graph, again), "seed \(seed)")
    #expect(graph.canonicalHash == again.canonicalHash, "seed \(seed)")
    #expect(again.nodes.map(\.location) == graph.nodes.map(\.location), "seed \(seed)")
    #expect(again.name == graph.name)
  }

  @Test func tenThousandNodesRoundTrip() throws {
    var random = SplitMix(state: 1)
    var graph = Graph(name: "large")
    graph.addParameter(TensorType(.float32, [64, 128]), name: "x")
    for index in 0..<10_000 {
      let x = Value(.random(in: 0..<graph.values.count, using: &random))
      let location = SourceLocation(scope: "layer/\(index)", file: "main.swift", line: index)
      if index % 2 == 0 {
        try graph.append(Tanh(), [x], location: location)
      } else {
        try graph.append(Add(), [x, Value(graph.values.count - 1)], location: location)
      }
    }
    graph.addOutput(Value(graph.values.count - 1))
    let clock = ContinuousClock()
    var text = ""
    var again = Graph(name: "")
    let printing = clock.measure { text = graph.printed(PrintOptions(locations: true)) }
    let parsing = try clock.measure { again = try parse(text) }
    let verifying = try clock.measure { try verify(again) }
    var hash: UInt64 = 0
    let hashing = clock.measure { hash = again.canonicalHash }
    print("10,000 nodes: print \(printing), parse \(parsing), verify \(verifying), hash \(hashing)")
    #expect(again.nodes.count == 10_000)
    #expect(text.utf8.count(where: { $0 == UInt8(ascii: "\n") }) == 10_003)
    #expect(isStructurallyEqual(graph, again))
    #expect(hash == graph.canonicalHash)
  }
}
