import MartletLoops
import Testing

@Suite struct IndexMapTests {
  /// [2, 3] repeated no times and seen as [0, 6] has no element: a kernel over it would write behind
  /// an array of no bytes.
  @Test func emptyViewsStayEmpty() {
    let repeated = IndexMap(dims: [0, 2, 3], strides: [0, 3, 1])
    for extents in [[0, 6], [0, 3, 2], [0, 0, 9, 4], [2, 0, 5]] {
      let composed = repeated.composed(after: .identity(extents))
      #expect((composed?.count ?? 0) == 0, "as \(extents)")
    }
  }
}
