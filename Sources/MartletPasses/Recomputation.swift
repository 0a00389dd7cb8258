// Values that are computed again where they are needed, instead of being written and read.

import MartletIR
import MartletLoops
import MartletOps

/// A graph some of whose nodes are copies, each right before the one that reads it.
struct Recomputation {
  var graph: Graph
  /// The copies, and for each the first node of its run: fusion leaves them with their readers.
  var late: [Int: Int] = [:]
  /// Copies that save memory: no group of an earlier node takes them to save a pass.
  var pinned: Set<Int> = []

  /// Below this a value stays in the cache between two kernels.
  static let smallest = 1024

  /// Copies cheap elementwise nodes to their readers.
  ///
  ///     %3 = conv2d …                     %3 = conv2d …
  ///     %4 = subtract %3, broadcast(%s)   %4 = subtract %3, broadcast(%s); %5 = reduceSum %4
  ///     %5 = reduceSum %4            →    %6 = subtract %3, broadcast(%s); %7 = multiply %6, …
  ///     %7 = multiply %4, …
  ///
  /// Where a sum over rows reads the value, it cannot be part of the contraction's epilogue: the
  /// contraction's own result is written for the sum, and reading that costs no more than
  /// reading the value would, which is then never written.
  init(_ source: Graph, duplicates: Bool) {
    graph = source
    guard duplicates else { return }
    let users = source.users()
    let chosen = source.nodes.indices.filter { isCheap($0, source, users) }
    guard !chosen.isEmpty else { return }
    let copied = Set(chosen)
    var rewriter = GraphRewriter(source)
    for index in source.nodes.indices where !copied.contains(index) {
      let operands = source.nodes[index].operands
      for (place, operand) in operands.enumerated() where !operands[..<place].contains(operand) {
        guard let definition = source.values[operand.id].node, copied.contains(definition) else {
          continue
        }
        late[rewriter.graph.nodes.count] = rewriter.graph.nodes.count
        rewriter.copy(source.nodes[definition])
      }
      rewriter.copy(source.nodes[index])
    }
    graph = rewriter.finish()
  }

  /// A graph in which the `readers` of a value read a copy of `chain`, the nodes that give the
  /// value, made right before the first of them.
  func recomputing(chain: Set<Int>, readers: Set<Int>) -> Recomputation {
    var result = self
    result.late = [:]
    result.pinned = []
    var rewriter = GraphRewriter(graph)
    var copies: [Value: Value] = [:]
    var start = 0

    /// The copy of a value for a late reader; itself where nothing of the chain is behind it.
    func copy(_ value: Value) -> Value? {
      if let copied = copies[value] { return copied }
      guard let index = graph.values[value.id].node else { return rewriter[value] }
      let node = graph.nodes[index]
      var isCopied = chain.contains(index)
      if !isCopied {
        switch (node.op as? any Op)?.lowering {
        case .view, .identity: isCopied = node.operands.contains { copy($0) != rewriter[$0] }
        default: break
        }
      }
      guard isCopied else { return rewriter[value] }
      let operands = node.operands.compactMap(copy)
      let place = rewriter.graph.nodes.count
      result.late[place] = start
      result.pinned.insert(place)
      let made = rewriter.graph.append(
        node.op, operands, types: node.results.map { graph.type($0) }, regions: node.regions,
        location: node.location)
      for (old, new) in zip(node.results, made) { copies[old] = new }
      return copies[value]
    }

    // Where the nodes are now: a copy of an earlier round stays one.
    var places = [Int](repeating: 0, count: graph.nodes.count)
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      start = rewriter.graph.nodes.count
      let operands = node.operands.compactMap { readers.contains(index) ? copy($0) : rewriter[$0] }
      let place = rewriter.graph.nodes.count
      places[index] = place
      if let first = late[index] { result.late[place] = places[first] }
      if pinned.contains(index) { result.pinned.insert(place) }
      let made = rewriter.graph.append(
        node.op, operands, types: node.results.map { graph.type($0) }, regions: node.regions,
        location: node.location)
      for (old, new) in zip(node.results, made) { rewriter.replace(old, with: new) }
    }
    result.graph = rewriter.finish()
    return result
  }

  /// True for one or two cheap instructions over a contraction's result and values of a channel,
  /// where a reader is a sum over rows or gives one.
  private func isCheap(_ index: Int, _ source: Graph, _ users: [[Int]]) -> Bool {
    let node = source.nodes[index]
    let count = source.type(node.result).count
    let readers = users[node.result.id]
    // What most nodes fail first: the cast is dear.
    guard count >= Recomputation.smallest, readers.count > 1, let op = node.op as? any Op,
      case .elementwise(let expression) = op.lowering, Recomputation.cost(expression) <= 2,
      !source.outputs.contains(where: { $0.value == node.result })
    else { return false }
    var fullOperands = 0
    for operand in node.operands {
      guard let definition = source.values[operand.id].node else { return false }
      switch (source.nodes[definition].op as? any Op)?.lowering {
      case .contraction: fullOperands += 1
      case .view:
        let inner = source.nodes[definition].operands[0]
        guard source.nodes[definition].op is Broadcast,
          source.type(inner).count * 8 <= count
        else { return false }
      default: return false
      }
    }
    func isColumnSum(_ user: Int) -> Bool {
      let reader = source.nodes[user]
      guard case .reduction(_, let axes)? = (reader.op as? any Op)?.lowering else { return false }
      return axes.sorted() == Array(0..<axes.count)
        && axes.count < source.type(reader.operands[0]).shape.rank
    }
    return fullOperands == 1
      && readers.contains { user in
        isColumnSum(user)
          || users[source.nodes[user].result.id].count == 1
            && isColumnSum(users[source.nodes[user].result.id][0])
      }
  }

  /// Instructions of an expression, functions of the C library's kind counted as many.
  static func cost(_ expression: ScalarExpr) -> Int {
    switch expression {
    case .operand, .literal: 0
    case .unary(let function, let x):
      (function == .neg || function == .abs ? 1 : 16) + cost(x)
    case .binary(let function, let x, let y):
      ([.add, .sub, .mul, .max, .min].contains(function) ? 1 : 16) + cost(x) + cost(y)
    case .compare(_, let x, let y): 1 + cost(x) + cost(y)
    case .select(let c, let x, let y): 1 + cost(c) + cost(x) + cost(y)
    case .convert(let x, _): 1 + cost(x)
    }
  }
}
