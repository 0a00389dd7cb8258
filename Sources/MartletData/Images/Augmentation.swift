// Small random shifts, rotations and scalings of training images, as a function of
// (seed, epoch, index) alone.

import MartletExecution
import MartletTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How far training images may be moved, turned and scaled at random.
///
/// What an image is made into depends on the seed, the epoch and the image's index in its set, and
/// on nothing else: neither on the batch it is in nor on threads. What comes in from outside of
/// the image is black, as the background of the digits is.
public struct Augmentation: Hashable, Sendable {
  /// The largest shift along each axis, in pixels.
  public var shift: Float
  /// The largest angle, in degrees, either way.
  public var rotation: Float
  /// The largest relative change of size: 0.1 allows 90 % to 110 %.
  public var scaling: Float
  /// True to mirror every other image, left to right (not for digits).
  public var mirror: Bool

  /// An augmentation from its limits.
  public init(shift: Float = 0, rotation: Float = 0, scaling: Float = 0, mirror: Bool = false) {
    self.shift = shift
    self.rotation = rotation
    self.scaling = scaling
    self.mirror = mirror
  }

  /// What suits handwritten digits of 28 × 28 pixels.
  public static let digits = Augmentation(shift: 2, rotation: 12, scaling: 0.1)

  func check() throws(DataError) {
    guard (0...4096).contains(shift), (0...180).contains(rotation), (0...0.9).contains(scaling)
    else {
      throw DataError(
        .outOfRange, "an augmentation is out of range", at: "augmentation",
        got: "shift \(shift), rotation \(rotation), scaling \(scaling)",
        expected: "shift 0 to 4096 pixels, rotation 0 to 180 degrees, scaling 0 to 0.9")
    }
  }

  // The map from a pixel of the result to its place in the source, about the image's middle:
  // sx = xx · x + xy · y + x0, sy = yx · x + yy · y + y0.
  struct Transform {
    var xx: Float, xy: Float, x0: Float
    var yx: Float, yy: Float, y0: Float
  }

  func transform(
    seed: UInt64, epoch: Int, index: Int, height: Int, width: Int
  ) -> Transform {
    var random = CounterRandom(seed: seed, epoch: epoch, index: index)
    let dx = random.symmetric() * shift
    let dy = random.symmetric() * shift
    let angle = random.symmetric() * rotation * (Float.pi / 180)
    let size = 1 + random.symmetric() * scaling
    let flip: Float = mirror && random.next() & 1 == 1 ? -1 : 1
    // The inverse of: mirror, scale, turn, shift.
    let (cosine, sine) = (cosf(angle) / size, sinf(angle) / size)
    let (cx, cy) = (Float(width - 1) / 2, Float(height - 1) / 2)
    let (xx, xy) = (flip * cosine, flip * sine)
    let (yx, yy) = (-sine, cosine)
    return Transform(
      xx: xx, xy: xy, x0: cx - xx * (cx + dx) - xy * (cy + dy),
      yx: yx, yy: yy, y0: cy - yx * (cx + dx) - yy * (cy + dy))
  }
}

// One image at a time: scaled to floats, and resampled where a transform asks for it.
struct ImageSampler {
  let height: Int
  let width: Int
  let channels: Int
  // Pixel value → float, so that both ways give the very same numbers.
  private let table: [Float]
  // A plane of the source with a border: one pixel before, two behind.
  private var plane: [Float]
  private let pitch: Int

  init(height: Int, width: Int, channels: Int, scaling: PixelScaling) {
    self.height = height
    self.width = width
    self.channels = channels
    table = (0..<256).map { scaling.value(UInt8($0)) }
    pitch = width + 3
    plane = [Float](repeating: table[0], count: (height + 3) * pitch)
  }

  /// Writes the image as it is.
  func copy(_ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutablePointer<Float>) {
    table.withUnsafeBufferPointer { table in
      for i in 0..<source.count { target[i] = table[Int(source[i])] }
    }
  }

  /// Writes the image as `map` moves it, with bilinear interpolation.
  mutating func resample(
    _ source: UnsafeBufferPointer<UInt8>, _ map: Augmentation.Transform,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (height, width, channels, pitch) = (height, width, channels, pitch)
    let (right, bottom) = (Float(width + 1), Float(height + 1))
    for channel in 0..<channels {
      plane.withUnsafeMutableBufferPointer { plane in
        table.withUnsafeBufferPointer { table in
          for y in 0..<height {
            let row = (y + 1) * pitch + 1
            for x in 0..<width {
              plane[row + x] = table[Int(source[(y * width + x) * channels + channel])]
            }
          }
        }
        for y in 0..<height {
          // In coordinates of the plane with its border.
          var sx = map.xy * Float(y) + (map.x0 + 1)
          var sy = map.yy * Float(y) + (map.y0 + 1)
          for x in 0..<width {
            // Clamped into the border, where every pixel is background; so the four reads below
            // stay within (height + 3) × (width + 3).
            let px = min(max(sx, 0), right)
            let py = min(max(sy, 0), bottom)
            let (ix, iy) = (Int32(px), Int32(py))
            let (fx, fy) = (px - Float(ix), py - Float(iy))
            let at = Int(iy) * pitch + Int(ix)
            let (a, b) = (plane[at], plane[at + 1])
            let (c, d) = (plane[at + pitch], plane[at + pitch + 1])
            let upper = a + fx * (b - a)
            let lower = c + fx * (d - c)
            target[(y * width + x) * channels + channel] = upper + fy * (lower - upper)
            sx += map.xx
            sy += map.yx
          }
        }
      }
    }
  }
}
