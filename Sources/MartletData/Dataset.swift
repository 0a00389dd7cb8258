// Labelled images, whole in memory as bytes: the embedded digits, Fashion-MNIST, any IDX set.

import CMartletDigits
@_exported import struct MartletExecution.DataError
import MartletExecution

/// Labelled images for training and for testing.
///
///     let digits = try Dataset.named("mnist5k")              // embedded
///     let fashion = try Dataset.named("fashion-mnist")       // Debian's package
///     let mine = try Dataset(directory: "digits/")           // train-images-idx3-ubyte.gz, …
public struct Dataset: Sendable {
  /// Images with their labels.
  public struct Split: Sendable {
    /// The pixels, [count, height, width, channels], one byte each.
    public let images: [UInt8]
    /// The class of each image.
    public let labels: [Int32]
    /// The height of an image in pixels.
    public let height: Int
    /// The width of an image in pixels.
    public let width: Int
    /// The number of values of a pixel.
    public let channels: Int

    /// The number of images.
    public var count: Int { labels.count }
    /// The number of bytes of one image.
    public var imageSize: Int { height * width * channels }

    /// A split from its parts.
    ///
    /// - Throws: ``DataError`` when the parts do not fit each other.
    public init(
      images: [UInt8], labels: [Int32], height: Int, width: Int, channels: Int = 1
    ) throws(DataError) {
      let sizes = [labels.count, height, width, channels]
      var count = 1
      for size in sizes {
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        guard size >= 0, !overflow else {
          throw DataError(.tooLarge, "absurd image sizes", at: "data set", got: "\(sizes)")
        }
        count = product
      }
      guard images.count == count else {
        throw DataError(
          .mismatch, "the number of pixels does not fit the images' sizes", at: "data set",
          got: "\(images.count) bytes", expected: "\(count) for \(sizes)")
      }
      self.images = images
      self.labels = labels
      self.height = height
      self.width = width
      self.channels = channels
    }
  }

  /// What the set is called.
  public let name: String
  /// The images to train on.
  public let train: Split
  /// The images to test on.
  public let test: Split
  /// What the classes are called; a label is an index into it.
  public let classNames: [String]

  /// The number of classes.
  public var classCount: Int { classNames.count }

  /// A set from its parts.
  ///
  /// - Throws: ``DataError`` when a label is no class, a split is empty, or the splits differ in
  ///   the size of their images.
  public init(
    name: String, train: Split, test: Split, classNames: [String]
  ) throws(DataError) {
    self.name = name
    self.train = train
    self.test = test
    self.classNames = classNames
    guard
      [train.height, train.width, train.channels] == [test.height, test.width, test.channels]
    else {
      throw DataError(
        .mismatch, "training and test images differ in size", at: name,
        got: "\(test.height) × \(test.width) for testing",
        expected: "\(train.height) × \(train.width)")
    }
    for (part, split) in [("training set", train), ("test set", test)] {
      guard split.count > 0, split.imageSize > 0 else {
        throw DataError(
          .truncated, "the \(part) is empty", at: name, got: "\(split.count) images",
          expected: "at least one pixel of one image")
      }
      if let bad = split.labels.firstIndex(where: { !(0..<classNames.count).contains(Int($0)) }) {
        throw DataError(
          .outOfRange, "a label is out of range", at: "\(name), \(part), image \(bad)",
          got: "\(split.labels[bad])", expected: "0 to \(classNames.count - 1)")
      }
    }
  }

  /// The data set that `--data NAME|DIR` means: `mnist5k`, `digits`, `fashion-mnist` or a
  /// directory.
  ///
  /// - Throws: ``DataError`` when it is missing or damaged.
  public static func named(_ name: String) throws(DataError) -> Dataset {
    switch name {
    case "mnist5k": return try mnist5k()
    case "digits": return try digits()
    case "fashion-mnist": return try fashionMNIST()
    default:
      guard FileSystem.isDirectory(name) else {
        throw DataError(
          .notFound, "no such data set", at: name,
          expected: "mnist5k, digits, fashion-mnist, or a directory with IDX files")
      }
      return try Dataset(directory: name)
    }
  }

  /// 4,000 digits of MNIST to train on and 1,000 to test on, 28 × 28 pixels, light on dark.
  ///
  /// They are embedded in the program (NOTICE names their source and licence): nothing is read.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func mnist5k() throws(DataError) -> Dataset {
    func array(_ file: martlet_digits_file, rank: Int) throws(DataError) -> IDXArray {
      try IDXArray(
        parsing: UnsafeRawBufferPointer(start: file.bytes, count: file.count), rank: rank,
        location: "embedded mnist5k")
    }
    return try Dataset(
      name: "mnist5k",
      train: Split(
        array(martlet_digits_train_images(), rank: 3),
        array(martlet_digits_train_labels(), rank: 1), location: "embedded mnist5k"),
      test: Split(
        array(martlet_digits_test_images(), rank: 3),
        array(martlet_digits_test_labels(), rank: 1), location: "embedded mnist5k"),
      classNames: (0..<10).map(String.init))
  }

  /// The 60,000 + 10,000 pictures of clothes of Debian's package `dataset-fashion-mnist`.
  ///
  /// - Parameter directory: Where they are; nil for where the package puts them, or else
  ///   `downloads/fashion-mnist`, where `make data` does.
  /// - Throws: ``DataError`` when they are not there, or damaged.
  public static func fashionMNIST(directory: String? = nil) throws(DataError) -> Dataset {
    let places = ["/usr/share/datasets/fashion-mnist", "downloads/fashion-mnist"]
    let directory = directory ?? places.first(where: FileSystem.isDirectory) ?? places[0]
    guard FileSystem.isDirectory(directory) else {
      throw DataError(
        .notFound, "Fashion-MNIST is not installed", at: directory, expected: "a directory",
        hint: "apt-get install dataset-fashion-mnist, or make data")
    }
    return try Dataset(
      name: "fashion-mnist", directory: directory,
      classNames: [
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
        "bag", "ankle boot",
      ])
  }

  /// A set of four IDX files called as MNIST's are, each plain or with `.gz`:
  /// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
  /// `t10k-labels-idx1-ubyte`. The classes are 0 to the largest label of the training set.
  ///
  /// - Throws: ``DataError`` when a file is missing or damaged.
  public init(directory: String) throws(DataError) {
    try self.init(
      name: FileSystem.split(directory).last, directory: directory, classNames: nil)
  }

  private init(
    name: String, directory: String, classNames: [String]?
  ) throws(DataError) {
    func path(_ name: String) throws(DataError) -> String {
      let plain = FileSystem.join(directory, name)
      for path in [plain, plain + ".gz"] where FileSystem.exists(path) { return path }
      throw DataError(
        .notFound, "the data set lacks a file", at: directory, expected: "\(name) or \(name).gz")
    }
    func split(_ prefix: String) throws(DataError) -> Split {
      let images = try path("\(prefix)-images-idx3-ubyte")
      let labels = try path("\(prefix)-labels-idx1-ubyte")
      return try Split(
        IDXArray(contentsOf: images, rank: 3), IDXArray(contentsOf: labels, rank: 1),
        location: images)
    }
    let train = try split("train")
    let names = classNames ?? (0...Int(train.labels.max() ?? 0)).map(String.init)
    try self.init(name: name, train: train, test: split("t10k"), classNames: names)
  }
}

extension Dataset.Split {
  init(_ images: IDXArray, _ labels: IDXArray, location: String) throws(DataError) {
    guard images.shape[0] == labels.shape[0] else {
      throw DataError(
        .mismatch, "images and labels differ in number", at: location,
        got: "\(images.shape[0]) images, \(labels.shape[0]) labels")
    }
    try self.init(
      images: images.bytes, labels: labels.bytes.map { Int32($0) }, height: images.shape[1],
      width: images.shape[2])
  }
}
