// Where the elements of each value are: views are never copied, they are read through index maps.

import MartletIR
import MartletLoops
import MartletOps

/// For each value, the value whose buffer holds its elements and the map that finds them.
///
///     %1: f32[10,784] = transpose {permutation=[1,0]} %0     →  %0 through strides [1, 784]
///     %2: f32[7840] = reshape {shape=[7840]} %1               →  not affine: %1 gets a buffer
package struct ViewResolution {
  package struct Source: Hashable {
    package var value: Value
    /// From the flat index of the viewing value to the element of `value`.
    package var map: IndexMap
    package var isIdentity: Bool
  }

  private var sources: [Source]
  /// The lowering of each node, asked once: an operation makes it anew at each question.
  package let lowerings: [MartletOps.Lowering?]
  /// Views that need a buffer of their own because a view of them is not affine in their source.
  package private(set) var materialized: Set<Value> = []

  package init(_ graph: Graph) {
    lowerings = graph.nodes.indices.map { (graph.nodes[$0].op as? any Op)?.lowering }
    sources = graph.values.indices.map { index in
      let value = Value(index)
      return Source(
        value: value, map: .identity(graph.type(value).shape.dimensions), isIdentity: true)
    }
    for index in graph.nodes.indices {
      switch lowerings[index] {
      case .identity:
        sources[graph.nodes[index].result.id] = sources[graph.nodes[index].operands[0].id]
      case .view(let makeMap):
        let (viewed, result) = (graph.nodes[index].operands[0], graph.nodes[index].result)
        let map = makeMap(graph.type(viewed), graph.type(result))
        let operand = sources[viewed.id]
        if operand.isIdentity {
          sources[result.id] = Source(
            value: operand.value, map: map,
            isIdentity: map.isIdentity && map.count == graph.type(operand.value).count)
        } else if let composed = operand.map.composed(after: map) {
          sources[result.id] = Source(value: operand.value, map: composed, isIdentity: false)
        } else {
          materialized.insert(viewed)
          sources[viewed.id] = Source(
            value: viewed, map: .identity(graph.type(viewed).shape.dimensions), isIdentity: true)
          sources[result.id] = Source(value: viewed, map: map, isIdentity: map.isIdentity)
        }
      default: break
      }
    }
  }

  /// The source of a value; itself if it is no view.
  package subscript(_ value: Value, _ graph: Graph) -> Source { sources[value.id] }

  /// The value whose buffer holds a value's elements.
  package func source(_ value: Value) -> Value { sources[value.id].value }

  /// The map of a value with exactly one stride for each group of axes (nil if it has none), as the
  /// contractions need it. Extents of 1 have stride 0.
  package func strides(of value: Value, _ graph: Graph, groups: [[Int]]) -> (
    source: Value, offset: Int, strides: [Int]
  )? {
    let source = self[value, graph]
    let shape = graph.type(value).shape
    // Cut the map's pieces at the axes of the value's shape.
    var pieces: [[(dim: Int, stride: Int)]] = []
    var cursor = 0
    for axis in 0..<shape.rank {
      var list: [(dim: Int, stride: Int)] = []
      var product = 1
      while product < shape[axis] || (shape[axis] == 0 && list.isEmpty) {
        guard cursor < source.map.dims.count else { return nil }
        let dim = source.map.dims[cursor]
        list.append((dim, source.map.strides[cursor]))
        product *= dim
        cursor += 1
        if dim == 0 { break }
      }
      guard product == shape[axis] || shape[axis] == 0 else { return nil }
      // Extents of 1 between pieces belong to nobody.
      while cursor < source.map.dims.count, source.map.dims[cursor] == 1 { cursor += 1 }
      pieces.append(list)
    }
    var strides: [Int] = []
    for group in groups {
      let list = group.flatMap { pieces[$0] }
      let collapsed = IndexMap(dims: list.map(\.dim), strides: list.map(\.stride)).collapsed
      guard collapsed.dims.count <= 1 else { return nil }
      strides.append(collapsed.strides.first ?? 0)
    }
    return (source.value, source.map.offset, strides)
  }
}
