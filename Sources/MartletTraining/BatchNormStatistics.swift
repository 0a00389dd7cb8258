// Batch norm's statistics over a whole set, in place of running averages.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps

extension Trainer {
  /// Replaces the running statistics of every batch norm by those of a whole set: the means over its
  /// batches of the batches' means and unbiased variances, with the weights as they are now.
  ///
  /// Running averages lag behind weights that move; before inference the set's own statistics may be
  /// the better ones (Ioffe and Szegedy 2015, algorithm 2). Each layer's are those behind the layers
  /// before it as they train. Nothing else changes.
  ///
  /// - Parameter examples: The training set if nil; batches of the training's size in the set's order,
  ///   those that are not full counting less.
  /// - Throws: What data and programs throw; the old statistics are back then.
  public func recomputeBatchNormStatistics(on examples: (any Examples)? = nil) throws {
    let examples = examples ?? training
    let norms = Naming.batchNorms(of: model)
    guard !norms.isEmpty, examples.count > 0 else { return }
    let kept = model.parameters.filter { !$0.isTrainable }.map(\.variable)
    let before = try StateVariable.read(kept)
    func putBack() throws { try StateVariable.write(zip(kept, before).map { ($0, $1) }) }
    let statistics = norms.flatMap { [$0.runningMean, $0.runningVariance] }
    var sums = statistics.map { [Double](repeating: 0, count: $0.type.count) }
    do {
      let size = min(batch, examples.count)
      let objective = objective
      let function = try Function(
        specs: training.fields.map { $0.batched(size) }, options: options.compile, isTraining: true
      ) { _, inputs in [(name: "loss", tensor: try objective(inputs).loss)] }
      let order = BatchOrder(
        count: examples.count, batch: size, seed: seed, shuffles: false, dropsLast: false)
      let loader = BatchLoader(
        examples, order, steps: 0..<order.perEpoch, threads: options.loaderThreads, heldOut: true)
      var number = 0
      while let arrays = try loader.next() {
        let rows = order.size(of: number)
        // From zero, what is running afterwards is the batch's own times the momentum.
        for parameter in statistics {
          try parameter.set(try NDArray(zeros: parameter.shape, parameter.type.dtype))
        }
        let sized = try function.resized(batch: rows)
        sized.session.step = Int64(number)
        _ = try sized.run(arrays)
        for (index, parameter) in statistics.enumerated() {
          let momentum = norms[index / 2].momentum
          for (place, value) in try parameter.value().doubles.enumerated() {
            sums[index][place] += value / momentum * Double(rows)
          }
        }
        number += 1
        loader.recycle(arrays)
      }
      try putBack()
    } catch {
      try putBack()
      throw error
    }
    for (index, parameter) in statistics.enumerated() where norms[index / 2].momentum > 0 {
      let means = sums[index].map { $0 / Double(examples.count) }
      let array =
        parameter.type.dtype == .float64
        ? try NDArray(means, shape: parameter.shape)
        : try NDArray(means.map(Float.init), shape: parameter.shape)
      if array.type == parameter.type { try parameter.set(array) }
    }
  }
}
