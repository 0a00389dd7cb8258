// Constant factors become part of constant filters: what is left of a frozen batch normalisation is
// one term a channel, which is an epilogue.

import MartletIR
import MartletLoops
import MartletOps

/// Multiplies literal weights by the literal factor of each output channel.
///
///     %3 = conv2d %x, %w                  →    %5 = constant (w · s)
///     %4 = multiply %3, broadcast(%s)          %6 = conv2d %x, %5
///
/// Also for a product of matrices, and where a literal bias of the channels was added: (x · w + b) · s
/// is x · (w · s) + b · s. Only where nothing else reads the unscaled result. Changes the rounding:
/// w · s is rounded once, where each product was.
func foldScales(_ graph: inout Graph) {
  let uses = graph.useCounts()
  func literal(_ value: Value) -> HostArray? {
    graph.values[value.id].node.flatMap { (graph.nodes[$0].op as? Constant)?.array }
  }
  /// The factors `[C]` that a value repeats along all axes but its last.
  func factors(_ value: Value) -> HostArray? {
    guard let node = graph.values[value.id].node,
      let op = graph.nodes[node].op as? Broadcast, op.axes == [op.shape.count - 1]
    else { return nil }
    return literal(graph.nodes[node].operands[0])
  }
  var scaled: [Int: (contraction: Int, weights: HostArray, bias: HostArray?)] = [:]
  /// The contraction, and the bias of the channels that is added to it.
  func biased(_ value: Value) -> (product: Value, bias: HostArray?) {
    guard uses[value.id] == 1, let node = graph.values[value.id].node, graph.nodes[node].op is Add
    else { return (value, nil) }
    let operands = graph.nodes[node].operands
    for (product, other) in [(operands[0], operands[1]), (operands[1], operands[0])] {
      if let bias = factors(other) { return (product, bias) }
    }
    return (value, nil)
  }
  for index in graph.nodes.indices where graph.nodes[index].op is Multiply {
    let operands = graph.nodes[index].operands
    for (value, other) in [(operands[0], operands[1]), (operands[1], operands[0])] {
      let (product, bias) = biased(value)
      guard uses[product.id] == 1, let node = graph.values[product.id].node,
        scalesLastAxis(graph.nodes[node].op),
        let weights = literal(graph.nodes[node].operands[1]),
        weights.dtype.isFloatingPoint, let factor = factors(other),
        factor.count > 0, weights.count % factor.count == 0,
        bias?.count ?? factor.count == factor.count
      else { continue }
      let (w, s) = (weights.doubles, factor.doubles)
      scaled[index] = (
        node, HostArray(weights.type, w.indices.map { w[$0] * s[$0 % s.count] }),
        bias.map { bias in HostArray(bias.type, zip(bias.doubles, s).map { $0 * $1 }) }
      )
      break
    }
  }
  guard !scaled.isEmpty else { return }
  var rewriter = GraphRewriter(graph)
  for index in graph.nodes.indices {
    let node = graph.nodes[index]
    if let (contraction, weights, bias) = scaled[index] {
      let product = graph.nodes[contraction]
      if let input = rewriter[product.operands[0]] {
        let constant = rewriter.graph.append(
          Constant(weights), [], types: [weights.type], location: product.location)
        let results = rewriter.graph.append(
          product.op, [input, constant[0]], types: [graph.type(product.result)],
          location: product.location)
        guard let bias else {
          rewriter.replace(node.result, with: results[0])
          continue
        }
        let type = graph.type(node.result)
        let literal = rewriter.graph.append(
          Constant(bias), [], types: [bias.type], location: node.location)
        let spread = rewriter.graph.append(
          Broadcast(shape: type.shape, axes: [type.shape.rank - 1]), literal, types: [type],
          location: node.location)
        let sum = rewriter.graph.append(
          Add(), [results[0], spread[0]], types: [type], location: node.location)
        rewriter.replace(node.result, with: sum[0])
        continue
      }
    }
    rewriter.copy(node)
  }
  graph = rewriter.finish()
  removeDeadNodes(&graph)
}

/// True for contractions whose result's last axis is the second operand's, element by element.
private func scalesLastAxis(_ op: any Operation) -> Bool {
  if op is Conv2D { return true }
  guard let dot = op as? Dot else { return false }
  // [k, n]: with more free axes on the right the last one is not all of them, but still the last.
  return dot.axes.rightBatch.isEmpty && dot.axes.rightContract == [0]
}
