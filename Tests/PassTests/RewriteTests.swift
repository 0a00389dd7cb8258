import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct CSETests {
  @Test func mergesEqualOps() throws {
    try expectRewrites(
      """
      graph g(%0: f32[4]) { %1: f32[4] = tanh %0;  %2: f32[4] = tanh %0;  %3: f32[4] = add %1, %2;  return %3 }
      """, by: [CommonSubexpressionElimination()],
      to: """
        graph g(%0: f32[4]) { %1: f32[4] = tanh %0;  %2: f32[4] = add %1, %1;  return %2 }
        """)
  }

  @Test func keepsDrawsOfDifferentStreamsApart() throws {
    let text = """
      graph g(%0: i64[], %1: i64[]) {
        %2: f32[4] = randomUniform {dtype=f32, shape=[4], stream=0} %0, %1
        %3: f32[4] = randomUniform {dtype=f32, shape=[4], stream=1} %0, %1
        %4: f32[4] = subtract %2, %3
        return %4 }
      """
    try expectRewrites(text, by: [CommonSubexpressionElimination()], to: text)
  }

  @Test func keepsOpsWithDifferentAttributesApart() throws {
    let text = """
      graph g(%0: f32[4,4]) {
        %1: f32[4] = reduceSum {axes=[0]} %0; %2: f32[4] = reduceSum {axes=[1]} %0
        %3: f32[4] = add %1, %2; return %3 }
      """
    try expectRewrites(text, by: [CommonSubexpressionElimination()], to: text)
  }
}

@Suite struct DeadCodeTests {
  @Test func removesUnreadNodes() throws {
    try expectRewrites(
      "graph g(%0: f32[4]) { %1: f32[4] = exp %0; %2: f32[4] = tanh %0; return %2 }",
      by: [DeadCodeElimination()],
      to: "graph g(%0: f32[4]) { %1: f32[4] = tanh %0; return %1 }")
  }

  @Test func keepsAssignmentsToState() throws {
    let text = """
      graph g(%0: state f32[4] "w") { %1: f32[4] = tanh %0; return %0 <- %1 "w" }
      """
    try expectRewrites(text, by: [DeadCodeElimination()], to: text)
  }
}

@Suite struct CanonicalizeTests {
  @Test func collapsesViews() throws {
    try expectRewrites(
      """
      graph g(%0: f32[2,3]) {
        %1: f32[3,2] = transpose {permutation=[1,0]} %0; %2: f32[2,3] = transpose {permutation=[1,0]} %1
        %3: f32[6] = reshape {shape=[6]} %2; %4: f32[3,2] = reshape {shape=[3,2]} %3
        return %4 }
      """, by: [Canonicalize()],
      to: "graph g(%0: f32[2,3]) { %1: f32[3,2] = reshape {shape=[3,2]} %0; return %1 }")
  }

  @Test func sinksBroadcasts() throws {
    try expectRewrites(
      """
      graph g(%0: f32[4], %1: f32[4]) {
        %2: f32[3,4] = broadcast {shape=[3,4], axes=[1]} %0; %3: f32[3,4] = broadcast {shape=[3,4], axes=[1]} %1
        %4: f32[3,4] = multiply %2, %3; return %4 }
      """, by: [Canonicalize()],
      to: """
        graph g(%0: f32[4], %1: f32[4]) {
          %2: f32[4] = multiply %0, %1; %3: f32[3,4] = broadcast {shape=[3,4], axes=[1]} %2; return %3 }
        """)
  }

  @Test func inlinesCalls() throws {
    try expectRewrites(
      """
      graph g(%0: f32[4]) {
        %1: f32[4] = call %0 { (%9: f32[4]) %10: f32[4] = tanh %9; return %10 }
        %2: f32[4] = exp %1; return %2 }
      """, by: [Canonicalize()],
      to: "graph g(%0: f32[4]) { %1: f32[4] = tanh %0; %2: f32[4] = exp %1; return %2 }")
  }

  @Test func dropsStopGradient() throws {
    try expectRewrites(
      "graph g(%0: f32[4]) { %1: f32[4] = stopGradient %0; %2: f32[4] = exp %1; return %2 }",
      by: [Canonicalize()], to: "graph g(%0: f32[4]) { %1: f32[4] = exp %0; return %1 }")
  }
}

@Suite struct SimplifyTests {
  @Test func dropsOnesAndZeros() throws {
    try expectRewrites(
      """
      graph g(%0: f32[4]) {
        %1: f32[] = constant {value=f32[](1)}; %2: f32[4] = broadcast {shape=[4], axes=[]} %1
        %3: f32[] = constant {value=f32[](0)}; %4: f32[4] = broadcast {shape=[4], axes=[]} %3
        %5: f32[4] = multiply %0, %2; %6: f32[4] = add %5, %4; %7: f32[4] = divide %6, %2; return %7 }
      """, by: [Simplify()], to: "graph g(%0: f32[4]) { return %0 }")
  }

  @Test func keepsFloatTimesZero() throws {
    // 0 · NaN is NaN, 0 · ∞ too.
    let text = """
      graph g(%0: f32[4]) {
        %1: f32[] = constant {value=f32[](0)}; %2: f32[4] = broadcast {shape=[4], axes=[]} %1
        %3: f32[4] = multiply %0, %2; return %3 }
      """
    try expectRewrites(text, by: [Simplify()], to: text)
  }

  @Test func turnsAdditionOfNegationIntoSubtraction() throws {
    try expectRewrites(
      "graph g(%0: f32[4], %1: f32[4]) { %2: f32[4] = negate %1; %3: f32[4] = add %0, %2; return %3 }",
      by: [Simplify()],
      to: "graph g(%0: f32[4], %1: f32[4]) { %2: f32[4] = subtract %0, %1; return %2 }")
  }

  @Test func dividesByPowersOfTwoOnly() throws {
    try expectRewrites(
      """
      graph g(%0: f32[4]) {
        %1: f32[] = constant {value=f32[](8)}; %2: f32[4] = broadcast {shape=[4], axes=[]} %1
        %3: f32[4] = divide %0, %2; return %3 }
      """, by: [Simplify()],
      to: """
        graph g(%0: f32[4]) {
          %1: f32[] = constant {value=f32[](0.125)}; %2: f32[4] = broadcast {shape=[4], axes=[]} %1
          %3: f32[4] = multiply %0, %2; return %3 }
        """)
    let thirds = """
      graph g(%0: f32[4]) {
        %1: f32[] = constant {value=f32[](3)}; %2: f32[4] = broadcast {shape=[4], axes=[]} %1
        %3: f32[4] = divide %0, %2; return %3 }
      """
    try expectRewrites(thirds, by: [Simplify()], to: thirds)
  }
}

@Suite struct FoldTests {
  @Test func foldsInTheDtype() throws {
    // 2^24 + 1 is not a float32; u8 wraps.
    try expectRewrites(
      """
      graph g() {
        %0: f32[] = constant {value=f32[](16777216)}; %1: f32[] = constant {value=f32[](1)}
        %2: f32[] = add %0, %1
        %3: u8[] = constant {value=u8[](200)}; %4: u8[] = constant {value=u8[](100)}
        %5: u8[] = add %3, %4
        return %2, %5 }
      """, by: [ConstantFolding()],
      to: """
        graph g() {
          %0: f32[] = constant {value=f32[](16777216)}; %1: u8[] = constant {value=u8[](44)}
          return %0, %1 }
        """)
  }

  @Test func sumsOfNothingAreZero() throws {
    try expectRewrites(
      "graph g(%0: f32[0,3]) { %1: f32[3] = reduceSum {axes=[0]} %0; return %1 }",
      by: [ConstantFolding()],
      to: """
        graph g(%0: f32[0,3]) {
          %1: f32[] = constant {value=f32[](0)}; %2: f32[3] = broadcast {shape=[3], axes=[]} %1; return %2 }
        """)
  }
}

@Suite struct StabilizeTests {
  /// Large logits: the textbook form overflows, the stabilised one does not.
  @Test func logOfSoftmaxDoesNotOverflow() throws {
    var graph = try parsed(
      """
      graph g(%0: f32[2,3]) {
        %1: f32[2,3] = exp %0; %2: f32[2] = reduceSum {axes=[1]} %1
        %3: f32[2,3] = broadcast {shape=[2,3], axes=[0]} %2; %4: f32[2,3] = divide %1, %3
        %5: f32[2,3] = log %4; return %5 }
      """)
    try PassManager([Stabilize()]).run(on: &graph, PassContext())
    let x = HostArray(TensorType(.float32, [2, 3]), [1000.0, 999, 0, -1000, -1001, -1002])
    let y = try Interpreter().run(graph, [x])[0].doubles
    // log softmax of (0, −1, −1000) and of (0, −1, −2).
    let expected = [-0.31326166, -1.31326166, -1000.3132617, -0.40760596, -1.40760596, -2.40760596]
    for (a, e) in zip(y, expected) { #expect(abs(a - e) < 1e-4, "\(a) ≠ \(e)") }
  }

  @Test func softmaxGetsItsMaximum() throws {
    var graph = try parsed(
      """
      graph g(%0: f32[2]) {
        %1: f32[2] = exp %0; %2: f32[] = reduceSum {axes=[0]} %1
        %3: f32[2] = broadcast {shape=[2], axes=[]} %2; %4: f32[2] = divide %1, %3; return %4 }
      """)
    try PassManager([Stabilize()]).run(on: &graph, PassContext())
    let y = try Interpreter().run(graph, [HostArray(TensorType(.float32, [2]), [500.0, 500])])[0]
    #expect(y.doubles == [0.5, 0.5])
  }

  @Test func logOfLogisticStaysFinite() throws {
    for (text, expected) in [
      ("%1: f32[2] = logistic %0; %2: f32[2] = log %1; return %2", [-200.0, 0]),
      (
        """
        %1: f32[2] = logistic %0; %2: f32[] = constant {value=f32[](1)}
        %3: f32[2] = broadcast {shape=[2], axes=[]} %2; %4: f32[2] = subtract %3, %1
        %5: f32[2] = log %4; return %5
        """, [0, -200]
      ),
    ] {
      var graph = try parsed("graph g(%0: f32[2]) { \(text) }")
      try PassManager([Stabilize()]).run(on: &graph, PassContext())
      let y = try Interpreter().run(graph, [HostArray(TensorType(.float32, [2]), [-200.0, 200])])[0]
      for (a, e) in zip(y.doubles, expected) { #expect(abs(a - e) < 1e-5, "\(a) ≠ \(e)") }
    }
  }
}
