// Images of a split as examples: scaled, and changed at random where a training set asks for it.

import MartletExecution
import MartletIR
import MartletTraining

/// The images of a split with their labels: `images` f32[height,width,channels], `labels` i32[].
///
/// The numbers are those of ``Batches``, bit for bit.
public struct ImageExamples: Examples, ClassLabelled {
  /// The images.
  public let split: Dataset.Split
  /// How pixels become numbers.
  public let scaling: PixelScaling
  /// How images are changed at random, if at all.
  public let augmentation: Augmentation?

  init(
    _ split: Dataset.Split, scaling: PixelScaling, augmentation: Augmentation?
  ) throws(DataError) {
    try scaling.check(at: "\(split.count) images")
    try augmentation?.check()
    self.split = split
    self.scaling = scaling
    self.augmentation = augmentation
  }

  /// The number of images.
  public var count: Int { split.count }

  /// `images` and `labels`.
  public var fields: [TensorSpec] {
    [
      TensorSpec([split.height, split.width, split.channels], name: "images"),
      TensorSpec([], .int32, name: "labels"),
    ]
  }

  package var labels: [Int32] { split.labels }

  /// Writes images and labels; an augmented image depends on (seed, epoch, index) alone.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    try arrays[0].fill { (bytes) throws(DataError) in
      guard let target = bytes.bindMemory(to: Float.self).baseAddress else { return }
      split.writeImages(
        indices, seed: seed, epoch: epoch, scaling: scaling, augmentation: augmentation,
        to: target)
    }
    try arrays[1].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      for (row, index) in indices.enumerated() { target[row] = split.labels[index] }
    }
  }
}

extension Dataset.Split {
  /// The images as examples for training or testing.
  ///
  /// - Parameters:
  ///   - scaling: How pixels become numbers; ``normalization()`` of the training images, mostly.
  ///   - augmentation: Random changes; nil, and always nil for held-out images, for none.
  /// - Throws: ``DataError`` when a number is out of range.
  public func examples(
    scaling: PixelScaling = .unit, augmentation: Augmentation? = nil
  ) throws(DataError) -> ImageExamples {
    try ImageExamples(self, scaling: scaling, augmentation: augmentation)
  }

  // Indices and room are checked by the callers.
  func writeImages(
    _ indices: [Int], seed: UInt64, epoch: Int, scaling: PixelScaling,
    augmentation: Augmentation?, to target: UnsafeMutablePointer<Float>
  ) {
    var sampler = ImageSampler(
      height: height, width: width, channels: channels, scaling: scaling,
      augmentation: augmentation)
    images.withUnsafeBufferPointer { pixels in
      for (row, index) in indices.enumerated() {
        let source = UnsafeBufferPointer(
          rebasing: pixels[(index * imageSize)..<((index + 1) * imageSize)])
        sampler.write(
          source, seed: seed, epoch: epoch, index: index, to: target + row * imageSize)
      }
    }
  }
}

extension PixelScaling {
  func check(at location: String) throws(DataError) {
    guard mean.isFinite, deviation.isFinite, deviation > 0 else {
      throw DataError(
        .outOfRange, "pixels cannot be scaled so", at: location,
        got: "mean \(mean), deviation \(deviation)",
        expected: "a finite mean and a deviation above 0")
    }
  }
}
