import MartletIR
import Testing

@Suite struct DOTTests {
  @Test func coloursClustersAndTypes() throws {
    let graph = try parse(
      """
      graph "g\\"\\\\" (%0: f32[4] "x\\" -> evil", %1: state f32[4] "w") {
        %2: f32[4] = add %0, %1   // hid"den  main.swift:5
        %3: f32[4], %4: i32[4] = maxWindow %2
        %5: f32[4] = call %3 { (%0: f32[4]) %1: f32[4] = tanh %0; return %1 }
        return %5 "y", %1 <- %3
      }
      """)
    let text = dot(
      graph, colour: { $0 == "add" ? "lightblue" : nil }, group: { $0 < 2 ? "k0 \"fused\"" : nil })
    #expect(
      text == #"""
        digraph "g\"\\" {
          rankdir=TB;
          node [shape=box, style="rounded,filled", fillcolor=white, fontname=monospace];
          edge [fontname=monospace, fontsize=10];
          p0 [label="x\" -> evil", shape=ellipse];
          p1 [label="w", shape=cylinder];
          n2 [label="call"];
          subgraph cluster_n2r0_ {
            label="call 0"; style=dashed;
            n2r0_p0 [label="%0", shape=ellipse];
            n2r0_n0 [label="tanh"];
            n2r0_p0 -> n2r0_n0 [label="f32[4]"];
            n2r0_o0 [label="output 0", shape=ellipse];
            n2r0_n0 -> n2r0_o0 [label="f32[4]"];
          }
          subgraph cluster_g0 {
            label="k0 \"fused\""; color=gray;
            n0 [label="add\nhid\"den", fillcolor="lightblue"];
            n1 [label="maxWindow"];
          }
          p0 -> n0 [label="f32[4]"];
          p1 -> n0 [label="f32[4]"];
          n0 -> n1 [label="f32[4]"];
          n1 -> n2 [label="f32[4]"];
          o0 [label="y", shape=ellipse];
          n2 -> o0 [label="f32[4]"];
          o1 [label="output 1", shape=ellipse];
          n1 -> o1 [label="f32[4]"];
          o1 -> p1 [style=dashed, constraint=false];
        }

        """#)
  }
}
