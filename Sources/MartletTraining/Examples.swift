// What a training loop reads: examples by index, written into the arrays of a batch.

import MartletExecution
import MartletIR

/// A set of examples that can be read in any order, by any thread.
///
/// An example has one or several fields: an image and its label; the columns of a table and a
/// target. What an example is made into (its augmentation) depends on the seed, the epoch and the
/// index, and on nothing else, so that a run can be resumed in the middle of an epoch, bit for bit.
public protocol Examples: Sendable {
  /// The number of examples.
  var count: Int { get }

  /// Name, dtype and shape of each field of one example, without a batch dimension.
  var fields: [TensorSpec] { get }

  /// Writes the examples at `indices` into `arrays`, one array for each field, of the shape
  /// `[indices.count] + field`.
  ///
  /// - Parameters:
  ///   - indices: In 0..<count, in the order of the batch.
  ///   - seed: The run's seed.
  ///   - epoch: The epoch, from 0; held-out sets are read with epoch 0 and give no augmentation.
  ///   - arrays: The batch's memory.
  /// - Throws: ``DataError`` where an example cannot be read.
  func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError)
}
