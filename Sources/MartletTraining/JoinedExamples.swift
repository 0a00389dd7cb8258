// Several sets as one, and a field that is shifted and scaled.

import MartletExecution
import MartletIR

/// Several sets of the same fields, one after the other.
public struct JoinedExamples: Examples {
  /// The sets.
  public let parts: [any Examples]
  /// The number of examples of all sets.
  public let count: Int
  // Where each part begins, and where the last one ends.
  private let starts: [Int]

  /// The fields, with the first set's names.
  public var fields: [TensorSpec] { parts.first?.fields ?? [] }

  /// The sets one after the other.
  ///
  /// - Throws: ``DataError`` when there is none or their fields differ in dtype or shape.
  public init(_ parts: [any Examples]) throws(DataError) {
    guard let first = parts.first else {
      throw DataError(.outOfRange, "nothing to join", at: "joined examples", got: "no set")
    }
    var starts = [0]
    for (number, part) in parts.enumerated() {
      guard part.fields.map(\.type) == first.fields.map(\.type) else {
        func list(_ fields: [TensorSpec]) -> String {
          fields.map { "\($0.label) \($0.type)" }.joined(separator: ", ")
        }
        throw DataError(
          .mismatch, "sets of different fields cannot be joined",
          at: "joined examples, set \(number + 1) of \(parts.count)", got: list(part.fields),
          expected: list(first.fields))
      }
      starts.append((starts.last ?? 0) + part.count)
    }
    self.parts = parts
    self.starts = starts
    count = starts.last ?? 0
  }

  /// Writes each example as its own set does: with its index there, and a seed of that set's own.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    for (number, part) in parts.enumerated() {
      let range = starts[number]..<starts[number + 1]
      let rows = indices.indices.filter { range.contains(indices[$0]) }
      guard !rows.isEmpty else { continue }
      // Index 5 of two sets must not turn by the same angle.
      let seed = seed &+ UInt64(number) &* 0x9e37_79b9_7f4a_7c15
      let own = rows.map { indices[$0] - range.lowerBound }
      if rows.count == indices.count {
        try part.write(own, seed: seed, epoch: epoch, into: &arrays)
        continue
      }
      let batch = try part.batch(own, seed: seed, epoch: epoch)
      for field in arrays.indices {
        let size = fields[field].type.byteCount
        guard size > 0 else { continue }
        try arrays[field].fill { (target) throws(DataError) in
          batch[field].withUnsafeBytes { source in
            for (from, to) in rows.enumerated() {
              UnsafeMutableRawBufferPointer(rebasing: target[(to * size)..<((to + 1) * size)])
                .copyMemory(
                  from: UnsafeRawBufferPointer(
                    rebasing: source[(from * size)..<((from + 1) * size)]))
            }
          }
        }
      }
    }
  }
}
