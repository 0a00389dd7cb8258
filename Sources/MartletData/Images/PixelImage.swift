// Pictures in memory, and how one becomes the input of a model for handwritten digits.

import MartletExecution

/// A picture of 8-bit samples, row by row from the top.
public struct PixelImage: Hashable, Sendable {
  /// The width in pixels.
  public let width: Int
  /// The height in pixels.
  public let height: Int
  /// Samples of a pixel: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha (not premultiplied).
  public let channels: Int
  /// `height` × `width` × `channels` samples.
  public let pixels: [UInt8]

  /// The most pixels an image may have.
  public static let pixelLimit = 1 << 25

  /// A picture from its samples.
  ///
  /// - Throws: ``DataError`` when their number does not fit, or exceeds ``pixelLimit``.
  public init(width: Int, height: Int, channels: Int = 1, pixels: [UInt8]) throws(DataError) {
    let size = "\(width) × \(height) pixels of \(channels) samples"
    guard (1...PixelImage.pixelLimit).contains(width),
      (1...PixelImage.pixelLimit).contains(height), (1...4).contains(channels),
      width <= PixelImage.pixelLimit / height
    else {
      throw DataError(
        .tooLarge, "no image has this size", at: "image", got: size,
        expected: "1 to \(PixelImage.pixelLimit) pixels of 1 to 4 samples")
    }
    guard pixels.count == width * height * channels else {
      throw DataError(
        .mismatch, "the number of samples does not fit the image", at: "image",
        got: "\(pixels.count)", expected: "\(width * height * channels) for \(size)")
    }
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// The picture in gray, without transparency.
  ///
  /// Colours weigh as in sRGB's luma (Rec. 709: 0.2126 R + 0.7152 G + 0.0722 B). What is
  /// transparent becomes white behind dark strokes and black behind light ones, so that they
  /// stay visible.
  public func gray() -> PixelImage {
    guard channels > 1 else { return self }
    var values = [Float](repeating: 0, count: width * height)
    var alphas = [Float](repeating: 1, count: width * height)
    var (ink, weight) = (Float(0), Float(0))
    for i in values.indices {
      let at = i * channels
      values[i] =
        channels < 3
        ? Float(pixels[at])
        : 0.2126 * Float(pixels[at]) + 0.7152 * Float(pixels[at + 1])
          + 0.0722 * Float(pixels[at + 2])
      if channels % 2 == 0 { alphas[i] = Float(pixels[at + channels - 1]) / 255 }
      ink += alphas[i] * values[i]
      weight += alphas[i]
    }
    let behind: Float = ink < 127.5 * weight ? 255 : 0
    let result = values.indices.map { i in
      UInt8(max(0, min(255, (alphas[i] * values[i] + (1 - alphas[i]) * behind).rounded())))
    }
    return PixelImage(unchecked: width, height, 1, result)
  }

  /// True when the pixels along the four edges are lighter than middle gray on average.
  public var hasLightBackground: Bool {
    let image = gray()
    var (sum, count) = (0, 0)
    for y in 0..<height {
      let inner = y > 0 && y < height - 1
      for x in stride(from: 0, to: width, by: inner ? max(1, width - 1) : 1) {
        sum += Int(image.pixels[y * width + x])
        count += 1
      }
    }
    return sum * 2 > 255 * count
  }

  /// The picture as a model for digits wants it: gray, light strokes on a dark background,
  /// `height` × `width` pixels.
  ///
  /// A light background (``hasLightBackground``) is inverted, since the digits of MNIST are white
  /// on black. A picture of another size is scaled to fit, its proportions kept, and centred on
  /// black.
  ///
  /// - Throws: ``DataError`` for extents below 1.
  public func modelInput(height: Int = 28, width: Int = 28) throws(DataError) -> PixelImage {
    let plain = gray()
    let upright = plain.hasLightBackground ? plain.inverted() : plain
    if upright.width == width, upright.height == height { return upright }
    let scale = min(
      Double(width) / Double(upright.width), Double(height) / Double(upright.height))
    let fitted = try upright.resized(
      width: min(width, max(1, Int((Double(upright.width) * scale).rounded()))),
      height: min(height, max(1, Int((Double(upright.height) * scale).rounded()))))
    let (left, top) = ((width - fitted.width) / 2, (height - fitted.height) / 2)
    var pixels = [UInt8](repeating: 0, count: width * height)
    for y in 0..<fitted.height {
      for x in 0..<fitted.width {
        pixels[(top + y) * width + left + x] = fitted.pixels[y * fitted.width + x]
      }
    }
    return PixelImage(unchecked: width, height, 1, pixels)
  }

  /// The picture with light and dark exchanged; alpha stays.
  public func inverted() -> PixelImage {
    let hasAlpha = channels % 2 == 0
    let result = pixels.enumerated().map { i, sample in
      hasAlpha && i % channels == channels - 1 ? sample : 255 - sample
    }
    return PixelImage(unchecked: width, height, channels, result)
  }

  /// How a picture is brought to another size.
  public enum Filter: String, CaseIterable, Hashable, Sendable {
    /// Bilinear where it grows, a triangle as wide as the scale where it shrinks; PIL's BILINEAR.
    case bilinear
    /// The mean over the area that each pixel of the result covers; the nearest where it grows.
    case area
  }

  /// The picture at another size.
  ///
  /// - Throws: ``DataError`` when the size is none, or too large.
  public func resized(
    width: Int, height: Int, filter: Filter = .bilinear
  ) throws(DataError) -> PixelImage {
    guard width > 0, height > 0, width <= PixelImage.pixelLimit / max(1, height),
      self.height <= PixelImage.pixelLimit / width
    else {
      throw DataError(
        .tooLarge, "an image cannot be scaled to this size", at: "image",
        got: "\(width) × \(height)", expected: "1 to \(PixelImage.pixelLimit) pixels")
    }
    let columns = PixelImage.taps(from: self.width, to: width, filter)
    let rows = PixelImage.taps(from: self.height, to: height, filter)
    var wide = [Float](repeating: 0, count: self.height * width * channels)
    for y in 0..<self.height {
      for (x, tap) in columns.enumerated() {
        for channel in 0..<channels {
          var sum: Float = 0
          for (i, weight) in tap.weights.enumerated() {
            let at = (y * self.width + tap.start + i) * channels + channel
            sum += weight * Float(pixels[at])
          }
          wide[(y * width + x) * channels + channel] = sum
        }
      }
    }
    var result = [UInt8](repeating: 0, count: width * height * channels)
    let pitch = width * channels
    for (y, tap) in rows.enumerated() {
      for x in 0..<pitch {
        var sum: Float = 0
        for (i, weight) in tap.weights.enumerated() {
          sum += weight * wide[(tap.start + i) * pitch + x]
        }
        result[y * pitch + x] = UInt8(max(0, min(255, sum.rounded())))
      }
    }
    return PixelImage(unchecked: width, height, channels, result)
  }

  /// The picture with three samples a pixel; what is transparent becomes white.
  public func rgb() -> PixelImage {
    guard channels != 3 else { return self }
    var result = [UInt8](repeating: 0, count: width * height * 3)
    for i in 0..<(width * height) {
      let alpha = channels % 2 == 0 ? Int(pixels[i * channels + channels - 1]) : 255
      for channel in 0..<3 {
        let sample = Int(pixels[i * channels + (channels > 2 ? channel : 0)])
        result[3 * i + channel] = UInt8((sample * alpha + 255 * (255 - alpha) + 127) / 255)
      }
    }
    return PixelImage(unchecked: width, height, 3, result)
  }

  /// The part of the picture that begins at (`left`, `top`), which the caller keeps inside.
  func part(left: Int, top: Int, width: Int, height: Int) -> PixelImage {
    var result: [UInt8] = []
    result.reserveCapacity(width * height * channels)
    for y in top..<(top + height) {
      let start = (y * self.width + left) * channels
      result += pixels[start..<(start + width * channels)]
    }
    return PixelImage(unchecked: width, height, channels, result)
  }

  init(unchecked width: Int, _ height: Int, _ channels: Int, _ pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  // For each pixel of the result the source pixels it is made of; weights add up to 1.
  private static func taps(
    from source: Int, to target: Int, _ filter: Filter
  ) -> [(start: Int, weights: [Float])] {
    let scale = Double(source) / Double(target)
    if filter == .area {
      return (0..<target).map { i in
        let (low, high) = (Double(i) * scale, Double(i + 1) * scale)
        guard scale > 1 else {
          return (min(source - 1, Int((low + high) / 2)), [1])
        }
        let (start, end) = (Int(low), min(source, Int(high.rounded(.up))))
        return (
          start,
          (start..<max(start + 1, end)).map {
            Float((min(high, Double($0 + 1)) - max(low, Double($0))) / scale)
          }
        )
      }
    }
    let radius = max(1, scale)
    return (0..<target).map { i in
      let middle = (Double(i) + 0.5) * scale - 0.5
      let start = max(0, Int((middle - radius).rounded(.up)))
      let end = min(source - 1, Int((middle + radius).rounded(.down)))
      var weights = (start...max(start, end)).map {
        Float(max(0, 1 - abs(Double($0) - middle) / radius))
      }
      let sum = weights.reduce(0, +)
      for j in weights.indices { weights[j] = sum > 0 ? weights[j] / sum : 1 }
      return (start, weights)
    }
  }
}
