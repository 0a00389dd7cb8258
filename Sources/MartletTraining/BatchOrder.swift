// Which examples make up which batch.

/// The batches of a run, by number: each epoch is a permutation that depends on (seed, epoch) alone.
package struct BatchOrder {
  package let count: Int
  package let batch: Int
  package let seed: UInt64
  package let shuffles: Bool
  /// Batches of one epoch.
  package let perEpoch: Int
  private var epochs: [(epoch: Int, order: [Int32])] = []

  package init(count: Int, batch: Int, seed: UInt64, shuffles: Bool, dropsLast: Bool) {
    self.count = count
    self.batch = batch
    self.seed = seed
    self.shuffles = shuffles
    perEpoch = dropsLast ? count / batch : (count + batch - 1) / batch
  }

  /// The number of examples in the batch of a step.
  package func size(of step: Int) -> Int { min(batch, count - step % perEpoch * batch) }

  /// The epoch of a step and the indices of its examples.
  package mutating func indices(of step: Int) -> (epoch: Int, indices: [Int]) {
    let (epoch, place) = step.quotientAndRemainder(dividingBy: perEpoch)
    let range = place * batch..<place * batch + size(of: step)
    guard shuffles else { return (epoch, Array(range)) }
    let known = epochs.first { $0.epoch == epoch }
    let order = known?.order ?? permutation(epoch)
    if known == nil {
      // The loader looks ahead into the next epoch, not further.
      epochs = epochs.suffix(1) + [(epoch, order)]
    }
    return (epoch, order[range].map { Int($0) })
  }

  // Fisher–Yates; the generator's index −1 belongs to no example.
  private func permutation(_ epoch: Int) -> [Int32] {
    var order = (0..<Int32(count)).map { $0 }
    var random = CounterRandom(seed: seed, epoch: epoch, index: -1)
    random.shuffle(&order)
    return order
  }
}
