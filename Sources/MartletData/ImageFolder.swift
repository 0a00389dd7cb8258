// Pictures in folders: the folder's name is the class.

import MartletExecution
import MartletIR
import MartletTraining

/// PNG and JPEG pictures in one folder for each class, read when they are asked for: `images`
/// f32[height,width,channels] and `labels` i32[].
///
///     pets/cats/1.jpg pets/cats/2.png pets/dogs/1.jpg
///
///     let pets = try ImageFolder("pets", height: 64, width: 64)
///     let parts = try pets.split([0.8, 0.2], stratified: true)
///
/// Classes are the folders' names, sorted byte by byte, and so are the pictures of a class. Files
/// that are called neither .png nor .jpg nor .jpeg, and hidden ones, are passed over. Cameras'
/// notes about the orientation of a picture are not followed.
public struct ImageFolder: Examples, ClassLabelled {
  /// How a picture of another size becomes one of the set's.
  public enum Fit: String, CaseIterable, Hashable, Sendable {
    /// It is an error.
    case exact
    /// Scaled along each axis, whatever becomes of its proportions.
    case stretch
    /// Scaled until it covers the size, then cut to its middle.
    case crop
    /// Scaled until it fits in, then centred on black.
    case pad
  }

  /// The folder.
  public let path: String
  /// The classes in the order of their numbers.
  public let classNames: [String]
  /// The pictures' paths.
  public let files: [String]
  package let labels: [Int32]
  /// The height of the examples in pixels.
  public let height: Int
  /// The width of the examples in pixels.
  public let width: Int
  /// 1 for gray, 3 for RGB.
  public let channels: Int
  /// What is done to pictures of other sizes.
  public let fit: Fit
  /// How they are scaled.
  public let filter: PixelImage.Filter
  /// How pixels become numbers.
  public var scaling: PixelScaling
  /// How images are changed at random, if at all.
  public var augmentation: Augmentation?

  /// The pictures in a folder's folders.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - height: The height of the examples.
  ///   - width: The width of the examples.
  ///   - channels: 1 for gray, 3 for RGB.
  ///   - classes: The classes in order, each a folder; nil for all folders.
  ///   - fit: What is done to pictures of other sizes.
  ///   - filter: How they are scaled.
  ///   - scaling: How pixels become numbers.
  ///   - augmentation: Random changes; nil, and always nil for held-out images, for none.
  /// - Throws: ``DataError`` when a folder is missing or holds no picture.
  public init(
    _ path: String, height: Int, width: Int, channels: Int = 3, classes: [String]? = nil,
    fit: Fit = .crop, filter: PixelImage.Filter = .bilinear, scaling: PixelScaling = .unit,
    augmentation: Augmentation? = nil
  ) throws(DataError) {
    guard (1...4096).contains(height), (1...4096).contains(width), [1, 3].contains(channels) else {
      throw DataError(
        .outOfRange, "images cannot be of this size", at: path,
        got: "\(height) × \(width) × \(channels)", expected: "1 to 4096 pixels, 1 or 3 channels")
    }
    try scaling.check(at: path)
    try augmentation?.check()
    var names = classes ?? []
    if classes == nil {
      guard let all = FileSystem.names(in: path) else {
        throw DataError(
          .notFound, "no such folder of pictures", at: path,
          expected: "a folder that holds a folder for each class")
      }
      names = all.filter {
        !$0.hasPrefix(".") && FileSystem.isDirectory(FileSystem.join(path, $0))
      }
      names.sort { ByteString($0) < ByteString($1) }
    }
    var (files, labels): ([String], [Int32]) = ([], [])
    for (label, name) in names.enumerated() {
      let folder = FileSystem.join(path, name)
      let pictures = (FileSystem.names(in: folder) ?? []).filter(ImageFolder.isPicture)
      guard !pictures.isEmpty else {
        throw DataError(
          .notFound, "a class without pictures", at: folder, expected: ".png, .jpg or .jpeg files")
      }
      for picture in pictures.sorted(by: { ByteString($0) < ByteString($1) }) {
        files.append(FileSystem.join(folder, picture))
        labels.append(Int32(label))
      }
    }
    guard !files.isEmpty else {
      throw DataError(
        .notFound, "the folder holds no class", at: path,
        expected: "a folder with pictures for each class")
    }
    self.path = path
    classNames = names
    self.files = files
    self.labels = labels
    self.height = height
    self.width = width
    self.channels = channels
    self.fit = fit
    self.filter = filter
    self.scaling = scaling
    self.augmentation = augmentation
  }

  private static func isPicture(_ name: String) -> Bool {
    let lower = name.lowercased()
    return !name.hasPrefix(".")
      && [".png", ".jpg", ".jpeg"].contains { lower.hasSuffix($0) }
  }

  /// The number of pictures.
  public var count: Int { files.count }

  /// `images` and `labels`.
  public var fields: [TensorSpec] {
    [
      TensorSpec([height, width, channels], name: "images"),
      TensorSpec([], .int32, name: "labels"),
    ]
  }

  /// Reads pictures, and writes them with their labels.
  ///
  /// - Throws: ``DataError`` that names the file which is damaged, no picture, or of another size
  ///   where the fit is exact.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    var sampler = ImageSampler(
      height: height, width: width, channels: channels, scaling: scaling,
      augmentation: augmentation)
    let size = height * width * channels
    try arrays[0].fill { (bytes) throws(DataError) in
      guard let target = bytes.bindMemory(to: Float.self).baseAddress else { return }
      for (row, index) in indices.enumerated() {
        try image(index).pixels.withUnsafeBufferPointer { pixels in
          sampler.write(pixels, seed: seed, epoch: epoch, index: index, to: target + row * size)
        }
      }
    }
    try arrays[1].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      for (row, index) in indices.enumerated() { target[row] = labels[index] }
    }
  }

  /// A picture at the set's size, without augmentation.
  ///
  /// - Throws: ``DataError`` that names the file.
  public func image(_ index: Int) throws(DataError) -> PixelImage {
    guard files.indices.contains(index) else {
      throw DataError(
        .outOfRange, "no such picture", at: path, got: "index \(index)",
        expected: "0 to \(count - 1)")
    }
    let picture = try PixelImage(contentsOf: files[index])
    return try picture.fitted(
      height: height, width: width, channels: channels, fit: fit, filter: filter,
      location: files[index])
  }

  /// All pictures, read now: faster from the second epoch on, and every damaged file is told at
  /// once.
  ///
  /// - Throws: ``DataError`` that names a file, or when the pictures exceed `limit` bytes.
  public func loaded(limit: Int = 4 << 30) throws(DataError) -> Dataset.Split {
    let size = height * width * channels
    guard count <= limit / size else {
      throw DataError(
        .tooLarge, "the pictures are too large to be read at once", at: path,
        got: "\(count) pictures of \(size) bytes", expected: "at most \(limit) bytes")
    }
    var images: [UInt8] = []
    images.reserveCapacity(count * size)
    for index in 0..<count { images += try image(index).pixels }
    return try Dataset.Split(
      images: images, labels: labels, height: height, width: width, channels: channels)
  }
}

extension PixelImage {
  /// The picture with a model's size and channels; `location` names it in errors.
  package func fitted(
    height: Int, width: Int, channels: Int, fit: ImageFolder.Fit, filter: Filter = .bilinear,
    location: String
  ) throws(DataError) -> PixelImage {
    let plain = channels == 1 ? gray() : rgb()
    if plain.width == width, plain.height == height { return plain }
    let (across, down) = (
      Double(width) / Double(plain.width), Double(height) / Double(plain.height)
    )
    func scaled(by scale: Double) throws(DataError) -> PixelImage {
      try plain.resized(
        width: max(1, Int((Double(plain.width) * scale).rounded())),
        height: max(1, Int((Double(plain.height) * scale).rounded())), filter: filter)
    }
    switch fit {
    case .exact:
      throw DataError(
        .mismatch, "a picture of another size", at: location,
        got: "\(plain.width) × \(plain.height)", expected: "\(width) × \(height)",
        hint: "another fit, such as crop, scales it")
    case .stretch:
      return try plain.resized(width: width, height: height, filter: filter)
    case .crop:
      // The middle of the right proportions first: a long picture is never scaled as a whole.
      let scale = max(across, down)
      let (w, h) = (
        min(plain.width, max(1, Int((Double(width) / scale).rounded()))),
        min(plain.height, max(1, Int((Double(height) / scale).rounded())))
      )
      return try plain.part(
        left: (plain.width - w) / 2, top: (plain.height - h) / 2, width: w, height: h
      ).resized(width: width, height: height, filter: filter)
    case .pad:
      let small = try scaled(by: min(across, down))
      let (w, h) = (min(small.width, width), min(small.height, height))
      let (left, top) = ((width - w) / 2, (height - h) / 2)
      var pixels = [UInt8](repeating: 0, count: width * height * channels)
      for y in 0..<h {
        for x in 0..<(w * channels) {
          pixels[((top + y) * width + left) * channels + x] =
            small.pixels[y * small.width * channels + x]
        }
      }
      return PixelImage(unchecked: width, height, channels, pixels)
    }
  }
}
