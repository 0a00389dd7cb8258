// Random changes of training images that keep what they show, as a function of (seed, epoch, index)
// alone.

import MartletExecution
import MartletTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How training images may be moved, bent and coloured at random.
///
///     var photos = Augmentation(mirror: true)
///     photos.crop = 4
///     photos.colors = ColorJitter(brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05)
///
/// What an image is made into depends on the seed, the epoch and the image's index in its set, and
/// on nothing else: neither on the batch it is in nor on threads. All that moves pixels (mirrors,
/// crop, rotation, size, shift, elastic deformation, warp) is composed to one map, and the image is
/// sampled once, bilinearly, so that it is not blurred by each of them. Then colours change, and
/// last a rectangle is erased.
public struct Augmentation: Hashable, Sendable {
  /// What is seen where a pixel comes in from outside of the image.
  public enum Border: String, CaseIterable, Hashable, Sendable {
    /// Pixels of value 0, as the background of MNIST's digits.
    case black
    /// The nearest pixel of the image.
    case edge
  }

  /// The largest shift along each axis, in pixels.
  public var shift: Float
  /// The largest angle, in degrees, either way.
  public var rotation: Float
  /// The largest relative change of size: 0.1 allows 90 % to 110 %.
  public var scaling: Float
  /// True to mirror every other image, left to right (not for digits).
  public var mirror: Bool
  /// True to turn every other image upside down.
  public var flip = false
  /// A crop of the image's size out of the image with a border of so many pixels: a shift by whole
  /// pixels.
  public var crop = 0
  /// Elastic deformation of handwriting.
  public var elastic: ElasticDeformation?
  /// Local warps on a coarse grid.
  public var warp: LocalWarp?
  /// Changes of brightness, contrast, saturation and hue.
  public var colors: ColorJitter?
  /// A shift along the colours' principal components.
  public var colorShift: ColorShift?
  /// A rectangle that is erased.
  public var erasing: RandomErasing?
  /// What is seen beyond the image's edges.
  public var border = Border.black

  /// An augmentation from its limits; the other changes are set by name.
  public init(shift: Float = 0, rotation: Float = 0, scaling: Float = 0, mirror: Bool = false) {
    self.shift = shift
    self.rotation = rotation
    self.scaling = scaling
    self.mirror = mirror
  }

  /// What suits handwritten digits of 28 × 28 pixels.
  public static let digits = Augmentation(shift: 2, rotation: 12, scaling: 0.1)

  /// What suits small photos: mirrored, and cropped out of a border of 4 pixels.
  public static let photos = {
    var result = Augmentation(mirror: true)
    result.crop = 4
    return result
  }()

  func check() throws(DataError) {
    func refuse(_ what: String, _ got: String, _ expected: String) throws(DataError) {
      throw DataError(
        .outOfRange, "an augmentation is out of range", at: "augmentation, \(what)", got: got,
        expected: expected)
    }
    guard (0...4096).contains(shift), (0...180).contains(rotation), (0...0.9).contains(scaling)
    else {
      throw DataError(
        .outOfRange, "an augmentation is out of range", at: "augmentation",
        got: "shift \(shift), rotation \(rotation), scaling \(scaling)",
        expected: "shift 0 to 4096 pixels, rotation 0 to 180 degrees, scaling 0 to 0.9")
    }
    if !(0...4096).contains(crop) { try refuse("crop", "\(crop)", "0 to 4096 pixels") }
    if let elastic,
      !(0...4096).contains(elastic.strength) || !(0.1...64).contains(elastic.smoothness)
    {
      try refuse(
        "elastic", "strength \(elastic.strength), smoothness \(elastic.smoothness)",
        "strength 0 to 4096, smoothness 0.1 to 64 pixels")
    }
    if let warp, !(0...4096).contains(warp.strength) || !(2...64).contains(warp.points) {
      try refuse(
        "warp", "strength \(warp.strength), \(warp.points) points",
        "strength 0 to 4096 pixels, 2 to 64 points")
    }
    if let colors {
      let parts = [colors.brightness, colors.contrast, colors.saturation]
      if !parts.allSatisfy({ (0...1).contains($0) }) || !(0...0.5).contains(colors.hue) {
        try refuse(
          "colors", "\(parts), hue \(colors.hue)", "0 to 1 each, hue 0 to 0.5 of a turn")
      }
    }
    if let colorShift, !(0...10).contains(colorShift.deviation) {
      try refuse("colorShift", "deviation \(colorShift.deviation)", "0 to 10")
    }
    if let erasing,
      !(0...1).contains(erasing.probability) || !(0...1).contains(erasing.area.lowerBound)
        || !(0...1).contains(erasing.area.upperBound)
    {
      try refuse(
        "erasing", "probability \(erasing.probability), area \(erasing.area)", "0 to 1 each")
    }
  }

  /// True when colours change, which happens between 0 and 1, before pixels are scaled.
  var changesValues: Bool { colors != nil || colorShift != nil || erasing != nil }
  /// True when there is more than an affine map.
  var bends: Bool { elastic != nil || warp != nil }

  // The map from a pixel of the result to its place in the source, about the image's middle:
  // sx = xx · x + xy · y + x0, sy = yx · x + yy · y + y0.
  struct Transform {
    var xx: Float, xy: Float, x0: Float
    var yx: Float, yy: Float, y0: Float
  }

  func transform(_ random: inout CounterRandom, height: Int, width: Int) -> Transform {
    var dx = random.symmetric() * shift
    var dy = random.symmetric() * shift
    let angle = random.symmetric() * rotation * (Float.pi / 180)
    let size = 1 + random.symmetric() * scaling
    let mirrored: Float = mirror && random.next() & 1 == 1 ? -1 : 1
    let flipped: Float = flip && random.next() & 1 == 1 ? -1 : 1
    if crop > 0 {
      dx += Float(random.below(2 * crop + 1) - crop)
      dy += Float(random.below(2 * crop + 1) - crop)
    }
    // The inverse of: mirror, scale, turn, shift.
    let (cosine, sine) = (cosf(angle) / size, sinf(angle) / size)
    let (cx, cy) = (Float(width - 1) / 2, Float(height - 1) / 2)
    let (xx, xy) = (mirrored * cosine, mirrored * sine)
    let (yx, yy) = (flipped * -sine, flipped * cosine)
    return Transform(
      xx: xx, xy: xy, x0: cx - xx * (cx + dx) - xy * (cy + dy),
      yx: yx, yy: yy, y0: cy - yx * (cx + dx) - yy * (cy + dy))
  }
}
