// Mini-batches: which images, in which order, as which floats.

import MartletExecution
import MartletIR
import MartletTraining

/// How a pixel becomes a number: (pixel / 255 − mean) / deviation.
public struct PixelScaling: Hashable, Sendable {
  /// What is subtracted from a pixel in 0...1.
  public var mean: Float
  /// What the difference is divided by.
  public var deviation: Float

  /// A scaling from its parts.
  public init(mean: Float, deviation: Float) {
    self.mean = mean
    self.deviation = deviation
  }

  /// Pixels as numbers from 0 to 1.
  public static let unit = PixelScaling(mean: 0, deviation: 1)

  /// The number for a pixel.
  public func value(_ pixel: UInt8) -> Float { (Float(pixel) / 255 - mean) / deviation }
}

extension Dataset.Split {
  /// The scaling that gives these images a mean of 0 and a standard deviation of 1.
  public func normalization() -> PixelScaling {
    var histogram = [Int](repeating: 0, count: 256)
    for pixel in images { histogram[Int(pixel)] += 1 }
    let count = Double(max(1, images.count))
    var (sum, squares) = (0.0, 0.0)
    for (pixel, times) in histogram.enumerated() {
      let x = Double(pixel) / 255
      sum += x * Double(times)
      squares += x * x * Double(times)
    }
    let mean = sum / count
    let variance = max(0, squares / count - mean * mean)
    // Images of one colour have no deviation to divide by.
    return PixelScaling(
      mean: Float(mean), deviation: variance > 1e-12 ? Float(variance.squareRoot()) : 1)
  }

  /// One epoch of mini-batches; see ``Batches``.
  ///
  /// - Throws: ``DataError`` for a batch size below 1.
  public func batches(
    of batchSize: Int, seed: UInt64 = 0, epoch: Int = 0, shuffled: Bool = true,
    scaling: PixelScaling = .unit, augmentation: Augmentation? = nil, dropsLast: Bool = false
  ) throws(DataError) -> Batches {
    try Batches(
      self, of: batchSize, seed: seed, epoch: epoch, shuffled: shuffled, scaling: scaling,
      augmentation: augmentation, dropsLast: dropsLast)
  }
}

/// One epoch of a split, cut into mini-batches.
///
/// The order is a permutation that depends on (seed, epoch) alone; an augmented image depends on
/// (seed, epoch, index in the split) alone. Batches may be filled in any order, by any thread.
public struct Batches: Sendable {
  /// The images.
  public let split: Dataset.Split
  /// The size of every batch but perhaps the last.
  public let batchSize: Int
  /// The seed of order and augmentation.
  public let seed: UInt64
  /// The epoch, which changes order and augmentation as the seed does.
  public let epoch: Int
  /// How pixels become numbers.
  public let scaling: PixelScaling
  /// How images are changed at random, if at all.
  public let augmentation: Augmentation?
  /// The number of batches.
  public let count: Int
  private let order: [Int32]

  /// The batches of one epoch.
  ///
  /// - Parameters:
  ///   - split: The images.
  ///   - batchSize: The number of images in a batch.
  ///   - seed: Makes order and augmentation.
  ///   - epoch: Makes them new in every epoch.
  ///   - shuffled: False keeps the split's order.
  ///   - scaling: How pixels become numbers.
  ///   - augmentation: Random changes; nil for none.
  ///   - dropsLast: True leaves out a last batch that is not full.
  /// - Throws: ``DataError`` when a number is out of range or no batch results.
  public init(
    _ split: Dataset.Split, of batchSize: Int, seed: UInt64 = 0, epoch: Int = 0,
    shuffled: Bool = true, scaling: PixelScaling = .unit, augmentation: Augmentation? = nil,
    dropsLast: Bool = false
  ) throws(DataError) {
    guard batchSize > 0, split.count <= Int(Int32.max) else {
      throw DataError(
        .outOfRange, "no batches of this size", at: "batches of \(split.count) images",
        got: "\(batchSize)", expected: "a batch size of at least 1")
    }
    try scaling.check(at: "batches of \(split.count) images")
    try augmentation?.check()
    let full = split.count / batchSize
    count = dropsLast || split.count % batchSize == 0 ? full : full + 1
    guard count > 0 else {
      throw DataError(
        .outOfRange, "the batch is empty", at: "batches of \(batchSize)",
        got: "\(split.count) images", expected: "at least one batch",
        hint: dropsLast ? "a smaller batch, or keep the last one" : nil)
    }
    self.split = split
    self.batchSize = batchSize
    self.seed = seed
    self.epoch = epoch
    self.scaling = scaling
    self.augmentation = augmentation
    order = Batches.order(of: split.count, shuffled: shuffled, seed: seed, epoch: epoch)
  }

  // Fisher–Yates; the generator's index −1 belongs to no image.
  private static func order(of count: Int, shuffled: Bool, seed: UInt64, epoch: Int) -> [Int32] {
    var order = (0..<Int32(count)).map { $0 }
    guard shuffled, count > 1 else { return order }
    var random = CounterRandom(seed: seed, epoch: epoch, index: -1)
    random.shuffle(&order)
    return order
  }

  /// The number of images in a batch: `batchSize`, or fewer in the last.
  public func size(of batch: Int) -> Int {
    guard (0..<count).contains(batch) else { return 0 }
    return min(batchSize, split.count - batch * batchSize)
  }

  /// The indices in the split of a batch's images.
  public func indices(of batch: Int) -> [Int] {
    let start = batch * batchSize
    return order[start..<(start + size(of: batch))].map { Int($0) }
  }

  /// Writes a batch: its images, [size, height, width, channels], and its labels.
  ///
  /// - Returns: The number of images written, ``size(of:)``.
  /// - Throws: ``DataError`` when there is no such batch or a buffer is too small.
  @discardableResult
  public func fill(
    _ batch: Int, images: UnsafeMutableBufferPointer<Float>,
    labels: UnsafeMutableBufferPointer<Int32>
  ) throws(DataError) -> Int {
    let rows = size(of: batch)
    let imageSize = split.imageSize
    guard rows > 0, images.count >= rows * imageSize, labels.count >= rows,
      let target = images.baseAddress
    else {
      throw DataError(
        .outOfRange, rows > 0 ? "a buffer is too small for the batch" : "no such batch",
        at: "batch \(batch)",
        got: "room for \(images.count) pixels and \(labels.count) labels in \(count) batches",
        expected: "\(rows * imageSize) pixels and \(rows) labels")
    }
    let indices = indices(of: batch)
    split.writeImages(
      indices, seed: seed, epoch: epoch, scaling: scaling, augmentation: augmentation, to: target)
    for (row, index) in indices.enumerated() { labels[row] = split.labels[index] }
    return rows
  }

  /// A batch as a program takes it: images f32[size,height,width,channels], labels i32[size].
  ///
  /// - Throws: ``DataError`` when there is no such batch, or no memory.
  public func batch(_ batch: Int) throws(DataError) -> (images: NDArray, labels: NDArray) {
    let rows = size(of: batch)
    let images: NDArray
    let labels: NDArray
    do throws(RunError) {
      images = try NDArray(zeros: [rows, split.height, split.width, split.channels], .float32)
      labels = try NDArray(zeros: [rows], .int32)
    } catch {
      throw DataError(
        .tooLarge, "no memory for a batch", at: "batch \(batch)",
        got: "\(rows) images of \(split.imageSize) pixels", hint: "use smaller batches")
    }
    // Nobody else has seen this memory yet; it is as large as its type says.
    try fill(
      batch,
      images: UnsafeMutableBufferPointer(
        start: images.base.assumingMemoryBound(to: Float.self), count: images.count),
      labels: UnsafeMutableBufferPointer(
        start: labels.base.assumingMemoryBound(to: Int32.self), count: labels.count))
    return (images, labels)
  }

  /// A batch as Swift arrays: its images' pixels and its labels.
  ///
  /// - Throws: ``DataError`` for a number of no batch.
  public func arrays(_ batch: Int) throws(DataError) -> (images: [Float], labels: [Int32]) {
    let rows = size(of: batch)
    var images = [Float](repeating: 0, count: rows * split.imageSize)
    var labels = [Int32](repeating: 0, count: rows)
    var failure: DataError?
    images.withUnsafeMutableBufferPointer { images in
      labels.withUnsafeMutableBufferPointer { labels in
        do throws(DataError) { try fill(batch, images: images, labels: labels) } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
    return (images, labels)
  }
}
