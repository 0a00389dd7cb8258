// Parts of a set: for training, validation and testing, at random or class by class; k-fold.

import MartletExecution
import MartletIR

/// Some of the examples of a set, in an order of their own.
///
/// Augmentation follows an example's index in the set that it comes from, not its place here.
public struct Subset: Examples {
  /// The set.
  public let base: any Examples
  /// The examples' indices in the set.
  public let indices: [Int]

  /// The number of examples chosen.
  public var count: Int { indices.count }
  /// The set's fields.
  public var fields: [TensorSpec] { base.fields }

  /// The examples of `base` at `indices`.
  ///
  /// - Throws: ``DataError`` when an index is out of range.
  public init(_ base: some Examples, _ indices: [Int]) throws(DataError) {
    let range = 0..<base.count
    if let bad = indices.first(where: { !range.contains($0) }) {
      throw DataError(
        .outOfRange, "no such example", at: "a subset", got: "index \(bad)",
        expected: "0 to \(base.count - 1)")
    }
    self.base = base
    self.indices = indices
  }

  /// Writes the chosen examples as the set does.
  public func write(
    _ wanted: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(wanted, arrays)
    try base.write(wanted.map { indices[$0] }, seed: seed, epoch: epoch, into: &arrays)
  }
}

/// One way of k-fold cross-validation to hold a part of the examples out.
public struct Fold: Sendable {
  /// The examples to train on.
  public let training: Subset
  /// The examples held out.
  public let validation: Subset
}

extension Examples {
  /// Parts of the set at random, such as 0.8 and 0.2 of it.
  ///
  /// Every part is as large as its share, to within one example; with `stratified`, so is its
  /// number of examples of each class. The parts depend on the seed alone, and keep the set's order.
  ///
  /// - Parameters:
  ///   - shares: The parts' shares, which add up to 1.
  ///   - seed: Another seed gives other parts.
  ///   - stratified: True to divide each class, by the one field of type i32[].
  /// - Throws: ``DataError`` when the shares are none, a part would be empty, or labels are missing.
  public func split(
    _ shares: [Double], seed: UInt64 = 0, stratified: Bool = false
  ) throws(DataError) -> [Subset] {
    let classes = stratified ? try classLabels() : nil
    var parts: [Subset] = []
    for part in try Partition.indices(count, shares: shares, seed: seed, classes: classes) {
      parts.append(try Subset(self, part))
    }
    return parts
  }

  /// The k ways to train on k − 1 parts of the set and to validate on the one that remains.
  ///
  /// - Throws: ``DataError`` when there are fewer examples than folds, or labels are missing.
  public func folds(
    _ k: Int, seed: UInt64 = 0, stratified: Bool = false
  ) throws(DataError) -> [Fold] {
    guard k >= 2, k <= count else {
      throw DataError(
        .outOfRange, "no such cross-validation", at: "folds of \(count) examples",
        got: "\(k) folds", expected: "2 to \(count)")
    }
    let parts = try split(
      Array(repeating: 1 / Double(k), count: k), seed: seed, stratified: stratified)
    var result: [Fold] = []
    for held in 0..<k {
      var rest: [Int] = []
      for part in 0..<k where part != held { rest += parts[part].indices }
      rest.sort()
      result.append(Fold(training: try Subset(self, rest), validation: parts[held]))
    }
    return result
  }

  /// The class of every example: its field of type i32[], or the one called `labels` if there are
  /// several.
  ///
  /// - Throws: ``DataError`` when there is no such field or there are several.
  public func classLabels() throws(DataError) -> [Int32] {
    var candidates = fields.indices.filter { fields[$0].type == TensorType(.int32, []) }
    if candidates.count > 1 { candidates.removeAll { fields[$0].name != "labels" } }
    guard let field = candidates.first, candidates.count == 1 else {
      throw DataError(
        .mismatch, "the examples have no class labels", at: "examples",
        got: "fields " + fields.map { "\($0.label) \($0.type)" }.joined(separator: ", "),
        expected: "one field of type i32[], or one called labels")
    }
    if let set = self as? any ClassLabelled { return set.labels }
    if let subset = self as? Subset {
      let labels = try subset.base.classLabels()
      return subset.indices.map { labels[$0] }
    }
    var labels: [Int32] = []
    labels.reserveCapacity(count)
    // In pieces: a batch of the whole set might not fit into memory.
    for start in stride(from: 0, to: count, by: 64) {
      let arrays = try batch(Array(start..<min(count, start + 64)))
      arrays[field].withUnsafeBytes { labels += $0.bindMemory(to: Int32.self) }
    }
    return labels
  }
}

/// A set that knows its labels without making its examples.
package protocol ClassLabelled: Examples {
  var labels: [Int32] { get }
}

/// Dividing indices into parts.
package enum Partition {
  /// Indices 0..<count in as many parts as there are shares, each ascending.
  package static func indices(
    _ count: Int, shares: [Double], seed: UInt64, classes: [Int32]? = nil
  ) throws(DataError) -> [[Int]] {
    let sum = shares.reduce(0, +)
    guard !shares.isEmpty, shares.allSatisfy({ $0 > 0 && $0 <= 1 }), abs(sum - 1) < 1e-6 else {
      throw DataError(
        .outOfRange, "a set cannot be divided so", at: "split of \(count) examples",
        got: "\(shares)", expected: "shares above 0 that add up to 1, such as 0.8 and 0.2")
    }
    var order = Array(0..<count)
    // The generator's index −2: −1 orders the batches of an epoch.
    var random = CounterRandom(seed: seed, epoch: 0, index: -2)
    random.shuffle(&order)
    if let classes {
      // By class; within a class as shuffled.
      var groups: [Int32: [Int]] = [:]
      for index in order { groups[classes[index], default: []].append(index) }
      order = groups.keys.sorted().flatMap { groups[$0] ?? [] }
    }
    // Each example goes to the part that is furthest behind its share. So any run of examples,
    // a class for one, is divided to within one example of the shares.
    var parts = [[Int]](repeating: [], count: shares.count)
    for (done, index) in order.enumerated() {
      var (best, lag) = (0, -Double.infinity)
      for part in shares.indices {
        let behind = shares[part] * Double(done + 1) - Double(parts[part].count)
        // A rounding error must not decide between parts of equal shares.
        if behind > lag + 1e-9 { (best, lag) = (part, behind) }
      }
      parts[best].append(index)
    }
    if let empty = parts.firstIndex(where: \.isEmpty) {
      throw DataError(
        .outOfRange, "a part of the split is empty", at: "split of \(count) examples",
        got: "a share of \(shares[empty])", expected: "at least one example in each part")
    }
    for part in parts.indices { parts[part].sort() }
    return parts
  }
}
