// The batches of a run in order, made ahead of time by threads of their own.

import Dispatch
import MartletExecution
import MartletIR

/// Reads batches ahead: at most one for each thread and one more wait at any time.
///
/// A batch is a function of (seed, epoch, indices), so the bits are the same with any number of
/// threads; with none, a batch is made when it is asked for. Used by one thread at a time.
final class BatchLoader {
  /// A batch on its way. `@unchecked Sendable`: the semaphore hands it from the thread that makes it
  /// to the one that waits for it.
  private final class Job: @unchecked Sendable {
    let ready = DispatchSemaphore(value: 0)
    var arrays: [NDArray]
    var failure: DataError?
    init(_ arrays: [NDArray]) { self.arrays = arrays }
  }

  private let examples: any Examples
  private let seed: UInt64
  private let heldOut: Bool
  private var order: BatchOrder
  private let end: Int
  private var nextStep: Int
  private var nextRead: Int
  private let queues: [DispatchQueue]
  private var jobs: [Job] = []
  /// Memory of batches that were used, by the number of their examples.
  private var free: [Int: [[NDArray]]] = [:]

  /// - Parameters:
  ///   - steps: The batches to give, by number in the order.
  ///   - heldOut: True to read everything as of epoch 0.
  init(
    _ examples: any Examples, _ order: BatchOrder, steps: Range<Int>, threads: Int,
    heldOut: Bool = false
  ) {
    self.examples = examples
    self.order = order
    self.heldOut = heldOut
    seed = order.seed
    nextStep = steps.lowerBound
    nextRead = steps.lowerBound
    end = steps.upperBound
    queues = (0..<max(0, threads)).map { DispatchQueue(label: "martlet.batches.\($0)") }
  }

  /// The next batch, an array for each field; nil after the last.
  func next() throws(DataError) -> [NDArray]? {
    guard nextStep < end else { return nil }
    defer { nextStep += 1 }
    if queues.isEmpty {
      let (epoch, indices) = order.indices(of: nextStep)
      var arrays = try memory(indices.count)
      try examples.write(
        indices, seed: seed, epoch: heldOut ? 0 : epoch, into: &arrays)
      return arrays
    }
    try readAhead()
    let job = jobs.removeFirst()
    job.ready.wait()
    if let failure = job.failure { throw failure }
    return job.arrays
  }

  /// Takes back the memory of a batch that is no longer needed.
  func recycle(_ arrays: [NDArray]) {
    guard let rows = arrays.first?.shape.dimensions.first else { return }
    free[rows, default: []].append(arrays)
  }

  private func readAhead() throws(DataError) {
    while nextRead < end, jobs.count <= queues.count {
      let (epoch, indices) = order.indices(of: nextRead)
      let job = Job(try memory(indices.count))
      let (examples, seed, readEpoch) = (examples, seed, heldOut ? 0 : epoch)
      jobs.append(job)
      queues[nextRead % queues.count].async {
        do throws(DataError) {
          try examples.write(indices, seed: seed, epoch: readEpoch, into: &job.arrays)
        } catch {
          job.failure = error
        }
        job.ready.signal()
      }
      nextRead += 1
    }
  }

  private func memory(_ rows: Int) throws(DataError) -> [NDArray] {
    if let known = free[rows]?.popLast() { return known }
    var arrays: [NDArray] = []
    for field in examples.fields {
      do throws(RunError) {
        arrays.append(
          try NDArray(zeros: Shape([rows] + field.type.shape.dimensions), field.type.dtype))
      } catch {
        throw DataError(
          .tooLarge, "no memory for a batch", at: field.name ?? "examples",
          got: "\(rows) examples of \(field.type)", hint: "use smaller batches")
      }
    }
    return arrays
  }
}
