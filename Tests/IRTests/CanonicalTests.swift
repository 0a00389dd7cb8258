import MartletIR
import Testing

@Suite struct CanonicalTests {
  private let text =
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2, %1 <- %2 }"

  @Test func numbersNamesAndLocationsDoNotCount() throws {
    let a = try parse(text)
    let b = try parse(
      """
      graph other(%5: f32[4] "x", %3: state f32[4]) {
        %9: f32[4] = add %5, %3  // scope  file:3
        return %9, %3 <- %9
      }
      """)
    #expect(isStructurallyEqual(a, b))
    #expect(a.canonicalHash == b.canonicalHash)
  }

  @Test(arguments: [
    "graph g(%0: f32[4] \"y\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2, %1 <- %2 }",
    "graph g(%0: f32[5] \"x\", %1: state f32[5]) { %2: f32[5] = add %0, %1; return %2, %1 <- %2 }",
    "graph g(%0: state f32[4] \"x\", %1: f32[4]) { %2: f32[4] = add %0, %1; return %2, %0 <- %2 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %1, %0; return %2, %1 <- %2 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = tanh %0; return %2, %1 <- %2 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2, %1 <- %0 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2, %2 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2 }",
    "graph g(%0: f32[4] \"x\", %1: state f32[4]) { %2: f32[4] = add %0, %1; return %2 \"y\", %1 <- %2 }",
  ])
  func everythingElseCounts(_ other: String) throws {
    let (a, b) = (try parse(text), try parse(other))
    #expect(!isStructurallyEqual(a, b))
    #expect(a.canonicalHash != b.canonicalHash)
  }

  @Test func attributesCompareByBits() throws {
    func graph(_ scale: String, _ mode: String = "same", axes: String = "[0]") throws -> Graph {
      try parse(
        """
        graph g(%0: f32[4]) {
          %1: f32[4] = everything {axes=\(axes), count=1, scale=\(scale), flag=true, mode="\(mode)", dtype=f32} %0
          return %1
        }
        """)
    }
    let one = try graph("1.0")
    #expect(isStructurallyEqual(try graph("nan"), try graph("nan")))
    #expect(!isStructurallyEqual(try graph("0.0"), try graph("-0.0")))
    for other in [try graph("2.0"), try graph("1.0", "full"), try graph("1.0", axes: "[1]")] {
      #expect(!isStructurallyEqual(one, other))
      #expect(one.canonicalHash != other.canonicalHash)
    }
  }

  @Test func bodyGraphsCount() throws {
    func graph(_ op: String) throws -> Graph {
      try parse(
        """
        graph g(%0: f32[]) {
          %1: f32[] = call %0 { (%0: f32[]) %1: f32[] = \(op); return %1 }
          return %1
        }
        """)
    }
    let (a, b) = (try graph("tanh %0"), try graph("add %0, %0"))
    #expect(!isStructurallyEqual(a, b))
    #expect(a.canonicalHash != b.canonicalHash)
  }

  /// The hash names files, so it must not change between processes or by accident.
  @Test func hashIsStable() throws {
    let hash = try parse(text).canonicalHash
    #expect(hash == 15_134_301_673_249_019_491)
  }

  @Test func renumberingPutsParametersFirst() throws {
    var graph = Graph(name: "g")
    let type = TensorType(.float32, [4])
    graph.addParameter(type, name: "x")
    let y = try graph.append(Tanh(), [Value(0)])[0]
    let late = graph.addParameter(type, name: "late")
    graph.addOutput(try graph.append(Add(), [y, late])[0])
    #expect(late.id == 2)
    let renumbered = graph.canonicallyNumbered()
    #expect(renumbered.parameters.map(\.value.id) == [0, 1])
    #expect(renumbered.nodes.map(\.firstResult.id) == [2, 3])
    #expect(isStructurallyEqual(graph, renumbered))
    #expect(graph.canonicalHash == renumbered.canonicalHash)
    #expect(graph.printed() == renumbered.printed())
    try verify(renumbered)
  }
}
