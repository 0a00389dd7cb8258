// Changes of an image's colours, and erasing: on values from 0 to 1.

import MartletExecution
import MartletTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Values of an image in place, channel innermost; an RGB image has three or four channels.
struct PixelBuffer {
  let values: UnsafeMutablePointer<Float>
  let height: Int
  let width: Int
  let channels: Int

  var count: Int { height * width }
  var isRGB: Bool { channels >= 3 }
  // Alpha is no colour.
  var colors: Int { isRGB ? 3 : 1 }
}

/// Random changes of brightness, contrast, saturation and hue, in this order, as torchvision's
/// ColorJitter makes each of them. Gray images have neither saturation nor hue.
public struct ColorJitter: Hashable, Sendable {
  /// Values are multiplied by 1 − brightness to 1 + brightness.
  public var brightness: Float
  /// The distance from the image's mean gray is multiplied by 1 − contrast to 1 + contrast.
  public var contrast: Float
  /// The distance from each pixel's gray is multiplied by 1 − saturation to 1 + saturation.
  public var saturation: Float
  /// The hue is turned by up to this part of a whole turn, either way; at most 0.5.
  public var hue: Float

  /// A jitter from its limits.
  public init(
    brightness: Float = 0, contrast: Float = 0, saturation: Float = 0, hue: Float = 0
  ) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
  }

  func apply(to pixels: PixelBuffer, _ random: inout CounterRandom) {
    // Four draws whatever is used: no part's numbers depend on another part.
    let brighter = 1 + random.symmetric() * brightness
    let harder = 1 + random.symmetric() * contrast
    let fuller = 1 + random.symmetric() * saturation
    let turn = random.symmetric() * hue
    if brightness > 0 { ColorJitter.blend(pixels, by: brighter) { _ in 0 } }
    if contrast > 0 {
      var sum: Float = 0
      for i in 0..<pixels.count { sum += ColorJitter.gray(pixels, i) }
      let mean = sum / Float(max(1, pixels.count))
      ColorJitter.blend(pixels, by: harder) { _ in mean }
    }
    guard pixels.isRGB else { return }
    if saturation > 0 {
      ColorJitter.blend(pixels, by: fuller) { ColorJitter.gray(pixels, $0) }
    }
    if hue > 0 {
      for i in 0..<pixels.count {
        let at = pixels.values + i * pixels.channels
        (at[0], at[1], at[2]) = ColorJitter.turned(at[0], at[1], at[2], by: turn)
      }
    }
  }

  // Rec. 601's luma, as PIL and torchvision have it.
  private static func gray(_ pixels: PixelBuffer, _ i: Int) -> Float {
    let at = pixels.values + i * pixels.channels
    return pixels.isRGB ? 0.299 * at[0] + 0.587 * at[1] + 0.114 * at[2] : at[0]
  }

  @inline(__always)
  private static func blend(
    _ pixels: PixelBuffer, by factor: Float, with other: (Int) -> Float
  ) {
    for i in 0..<pixels.count {
      let from = other(i)
      for channel in 0..<pixels.colors {
        let at = i * pixels.channels + channel
        pixels.values[at] = min(max(from + factor * (pixels.values[at] - from), 0), 1)
      }
    }
  }

  /// The colour with its hue turned: to HSV and back.
  package static func turned(
    _ r: Float, _ g: Float, _ b: Float, by turn: Float
  ) -> (Float, Float, Float) {
    let high = max(r, max(g, b))
    let spread = high - min(r, min(g, b))
    guard spread > 0 else { return (r, g, b) }
    var sector: Float
    if high == r {
      sector = (g - b) / spread
    } else if high == g {
      sector = 2 + (b - r) / spread
    } else {
      sector = 4 + (r - g) / spread
    }
    sector += 6 * turn
    sector -= 6 * (sector / 6).rounded(.down)
    // Each channel falls by the spread where the hue is far from it.
    func channel(_ n: Float) -> Float {
      var k = n + sector
      if k >= 6 { k -= 6 }
      return high - spread * max(0, min(min(k, 4 - k), 1))
    }
    return (channel(5), channel(3), channel(1))
  }
}

/// A shift of all of an image's pixels along the principal components of the training set's
/// colours: by Σ αᵢ λᵢ pᵢ, with αᵢ normal. Krizhevsky, Sutskever and Hinton (2012), section 4.1.
///
///     augmentation.colorShift = try ColorShift(fitting: training)
public struct ColorShift: Hashable, Sendable {
  /// The components pᵢ, of length 1, the largest variance first: three of three numbers.
  public let components: [[Double]]
  /// The variances λᵢ along them, of values from 0 to 1.
  public let variances: [Double]
  /// The deviation of αᵢ.
  public var deviation: Float

  /// A shift fitted on a training set's colours.
  ///
  /// - Throws: ``DataError`` when the images are empty or not in colour.
  public init(fitting split: Dataset.Split, deviation: Float = 0.1) throws(DataError) {
    guard split.channels >= 3, !split.images.isEmpty else {
      throw DataError(
        .mismatch, "a colour shift needs images in colour", at: "\(split.count) images",
        got: "\(split.channels) channels", expected: "3 or 4")
    }
    // Exact in integers: a pixel's square is below 2¹⁶.
    var sums = [Int](repeating: 0, count: 3)
    var products = [Int](repeating: 0, count: 9)
    let pixels = split.images.count / split.channels
    split.images.withUnsafeBufferPointer { images in
      for i in 0..<pixels {
        for a in 0..<3 {
          let x = Int(images[i * split.channels + a])
          sums[a] += x
          for b in a..<3 { products[3 * a + b] += x * Int(images[i * split.channels + b]) }
        }
      }
    }
    var covariance = [[Double]](repeating: [0, 0, 0], count: 3)
    let count = Double(pixels)
    for a in 0..<3 {
      for b in a..<3 {
        let value =
          (Double(products[3 * a + b]) / count - Double(sums[a]) / count * Double(sums[b]) / count)
          / (255 * 255)
        (covariance[a][b], covariance[b][a]) = (value, value)
      }
    }
    (variances, components) = ColorShift.eigen(covariance)
    self.deviation = deviation
  }

  // Jacobi's method: turns planes until nothing is left off the diagonal. Each sweep squares what
  // is left, so ten are plenty for three by three.
  static func eigen(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
    var a = matrix
    var vectors: [[Double]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    for _ in 0..<10 {
      for (p, q) in [(0, 1), (0, 2), (1, 2)] where a[p][q] != 0 {
        let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot()
        let s = t * c
        for k in 0..<3 {
          (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q])
        }
        for k in 0..<3 {
          (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k])
          (vectors[p][k], vectors[q][k]) = (
            c * vectors[p][k] - s * vectors[q][k], s * vectors[p][k] + c * vectors[q][k]
          )
        }
      }
    }
    let order = [0, 1, 2].sorted { a[$0][$0] > a[$1][$1] }
    return (order.map { max(0, a[$0][$0]) }, order.map { vectors[$0] })
  }

  func apply(to pixels: PixelBuffer, _ random: inout CounterRandom) {
    var shift: (Float, Float, Float) = (0, 0, 0)
    for (vector, variance) in zip(components, variances) {
      let amount = random.normal() * deviation * Float(variance)
      shift.0 += amount * Float(vector[0])
      shift.1 += amount * Float(vector[1])
      shift.2 += amount * Float(vector[2])
    }
    guard pixels.isRGB else { return }
    for i in 0..<pixels.count {
      let at = pixels.values + i * pixels.channels
      at[0] = min(max(at[0] + shift.0, 0), 1)
      at[1] = min(max(at[1] + shift.1, 0), 1)
      at[2] = min(max(at[2] + shift.2, 0), 1)
    }
  }
}

/// A rectangle filled with noise, so that no single part of a picture decides. Zhong et al. (2017).
public struct RandomErasing: Hashable, Sendable {
  /// How probable it is.
  public var probability: Float
  /// The part of the image's area that it takes.
  public var area: ClosedRange<Float>

  /// An erasing from its parts.
  public init(probability: Float = 0.5, area: ClosedRange<Float> = 0.02...0.33) {
    self.probability = probability
    self.area = area
  }

  func apply(to pixels: PixelBuffer, _ random: inout CounterRandom) {
    let happens = random.unit() < probability
    let part = area.lowerBound + random.unit() * (area.upperBound - area.lowerBound)
    // Height over width between 0.3 and 1 / 0.3, as likely tall as wide.
    let aspect = expf(random.symmetric() * 1.204)
    guard happens else { return }
    let size = part * Float(pixels.count)
    let height = min(pixels.height, max(1, Int((size * aspect).squareRoot().rounded())))
    let width = min(pixels.width, max(1, Int((size / aspect).squareRoot().rounded())))
    let top = random.below(pixels.height - height + 1)
    let left = random.below(pixels.width - width + 1)
    for y in top..<(top + height) {
      for x in left..<(left + width) {
        let at = pixels.values + (y * pixels.width + x) * pixels.channels
        for channel in 0..<pixels.colors { at[channel] = random.unit() }
      }
    }
  }
}

extension CounterRandom {
  /// Normal with mean 0 and deviation 1, by Box and Muller.
  mutating func normal() -> Float {
    // In steps of 2⁻²⁴, never 0.
    let u = 1 - unit()
    return (-2 * logf(u)).squareRoot() * cosf(2 * .pi * unit())
  }
}
