import MartletIR
import MartletOps

/// Decision trees, added up. https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
struct TreeEnsemble: Operator {
  static let name = "TreeEnsemble"
  static let domain = "ai.onnx.ml"
  static let since = 5

  /// The nodes, as arrays.
  private struct Forest {
    var features: [Int]
    var modes: [Int64]
    var splits: [Double]
    var branches: [(yes: Int, no: Int)]
    var leaves: [(yes: Bool, no: Bool)]
    var missingIsYes: [Bool]
    /// Members of each node's set.
    var members: [Int: Set<Double>] = [:]
    var targets: [Int]
    var weights: [Double]
    var roots: [Int]
  }

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.constant(0)
    guard x.shape.rank == 2, let array = x.array, array.dtype.isFloatingPoint else {
      throw node.invalid("needs numbers [N, features], got \(x.shape)")
    }
    let forest = try forest(node, features: x.shape[1])
    guard let width = try node.int("n_targets"), width > 0,
      forest.targets.allSatisfy({ (0..<width).contains($0) })
    else { throw node.invalid("n_targets does not fit the leaves") }
    guard try node.int("post_transform", default: 0) == 0 else {
      throw node.unsupported("a post_transform")
    }
    let rule = try node.int("aggregate_function", default: 1)
    guard (0...3).contains(rule) else { throw node.invalid("aggregate_function \(rule)") }
    let type = TensorType(array.dtype, try node.checked([x.shape[0], width]))
    try node.checkSize(type)
    let numbers = array.doubles
    var result = [Double](
      repeating: rule == 2 ? .greatestFiniteMagnitude : rule == 3 ? -.greatestFiniteMagnitude : 0,
      count: type.count)
    for row in 0..<x.shape[0] {
      let features = numbers[(row * x.shape[1])..<((row + 1) * x.shape[1])]
      for root in forest.roots {
        let leaf = try leaf(of: forest, root, features, node)
        let place = row * width + forest.targets[leaf]
        let weight = forest.weights[leaf]
        switch rule {
        case 0: result[place] += weight / Double(forest.roots.count)
        case 1: result[place] += weight
        case 2: result[place] = min(result[place], weight)
        default: result[place] = max(result[place], weight)
        }
      }
    }
    return [.constant(HostTensor(HostArray(type, result)))]
  }

  private static func leaf(
    of forest: Forest, _ root: Int, _ x: ArraySlice<Double>, _ node: NodeContext
  ) throws -> Int {
    var at = root
    // Longer than all nodes is a cycle.
    for _ in 0...forest.features.count {
      let value = x[x.startIndex + forest.features[at]]
      let split = forest.splits[at]
      let holds =
        switch forest.modes[at] {
        case 0: value <= split
        case 1: value < split
        case 2: value >= split
        case 3: value > split
        case 4: value == split
        case 5: value != split
        default: forest.members[at]?.contains(value) ?? false
        }
      let yes = holds || (value.isNaN && forest.missingIsYes[at])
      let next = yes ? forest.branches[at].yes : forest.branches[at].no
      if yes ? forest.leaves[at].yes : forest.leaves[at].no { return next }
      at = next
    }
    throw node.invalid("a tree has a cycle")
  }

  private static func forest(_ node: NodeContext, features count: Int) throws -> Forest {
    guard let features = try node.ints("nodes_featureids"),
      let modes = try node.tensorAttribute("nodes_modes")?.integers,
      let splits = try node.tensorAttribute("nodes_splits")?.doubles,
      let yes = try node.ints("nodes_truenodeids"), let no = try node.ints("nodes_falsenodeids"),
      let yesLeaf = try node.ints("nodes_trueleafs"),
      let noLeaf = try node.ints("nodes_falseleafs"),
      let targets = try node.ints("leaf_targetids"),
      let weights = try node.tensorAttribute("leaf_weights")?.doubles,
      let roots = try node.ints("tree_roots")
    else { throw node.invalid("an attribute is missing") }
    let missing = try node.ints("nodes_missing_value_tracks_true")
    let size = features.count
    guard size > 0,
      [modes.count, splits.count, yes.count, no.count, yesLeaf.count, noLeaf.count]
        .allSatisfy({ $0 == size }), missing.map({ $0.count == size }) ?? true,
      targets.count == weights.count, features.allSatisfy({ (0..<count).contains($0) }),
      roots.allSatisfy({ (0..<size).contains($0) }), !roots.isEmpty
    else { throw node.invalid("the trees' attributes do not fit each other") }
    for place in 0..<size {
      guard (0..<(yesLeaf[place] != 0 ? targets.count : size)).contains(yes[place]),
        (0..<(noLeaf[place] != 0 ? targets.count : size)).contains(no[place])
      else { throw node.invalid("a branch leads nowhere") }
    }
    var forest = Forest(
      features: features, modes: modes, splits: splits,
      branches: zip(yes, no).map { ($0, $1) },
      leaves: zip(yesLeaf, noLeaf).map { ($0 != 0, $1 != 0) },
      missingIsYes: missing?.map { $0 != 0 } ?? [Bool](repeating: false, count: size),
      targets: targets, weights: weights, roots: roots)
    // Sets stand one after the other, each ended by NaN, in the order of a walk through the trees.
    var members = (try node.tensorAttribute("membership_values")?.doubles ?? [])[...]
    var isVisited = [Bool](repeating: false, count: size)
    for root in roots {
      var stack = [root]
      while let at = stack.popLast() {
        guard !isVisited[at] else { continue }
        isVisited[at] = true
        if modes[at] == 6 {
          forest.members[at] = Set(members.prefix { !$0.isNaN })
          members = members.drop { !$0.isNaN }.dropFirst()
        }
        if noLeaf[at] == 0 { stack.append(no[at]) }
        if yesLeaf[at] == 0 { stack.append(yes[at]) }
      }
    }
    return forest
  }
}
