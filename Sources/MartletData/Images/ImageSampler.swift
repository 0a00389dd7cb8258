// Images from bytes to floats: as they are, or as an augmentation moves and colours them.

import MartletExecution
import MartletTraining

// One image at a time: scaled to floats, and resampled where a transform asks for it.
struct ImageSampler {
  let height: Int
  let width: Int
  let channels: Int
  private let scaling: PixelScaling
  private let augmentation: Augmentation?
  // Pixel value → float, so that all ways give the very same numbers: scaled, or, where colours
  // change, from 0 to 1.
  private let table: [Float]
  // A plane of the source with a border: one pixel before, two behind.
  private var plane: [Float]
  private let pitch: Int

  private var bending: Bending?

  init(
    height: Int, width: Int, channels: Int, scaling: PixelScaling, augmentation: Augmentation?
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.scaling = scaling
    self.augmentation = augmentation
    let first = augmentation?.changesValues == true ? PixelScaling.unit : scaling
    table = (0..<256).map { first.value(UInt8($0)) }
    pitch = width + 3
    plane = [Float](repeating: table[0], count: (height + 3) * pitch)
    if let augmentation, augmentation.bends {
      bending = Bending(augmentation, height: height, width: width)
    }
  }

  /// Writes an image, changed as (seed, epoch, index) says if there is an augmentation.
  mutating func write(
    _ source: UnsafeBufferPointer<UInt8>, seed: UInt64, epoch: Int, index: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    guard let augmentation else {
      table.withUnsafeBufferPointer { table in
        for i in 0..<source.count { target[i] = table[Int(source[i])] }
      }
      return
    }
    var random = CounterRandom(seed: seed, epoch: epoch, index: index)
    let map = augmentation.transform(&random, height: height, width: width)
    bending?.draw(&random)
    for channel in 0..<channels {
      fillPlane(source, channel, augmentation.border)
      if let bending {
        resample(map, bending, to: target + channel)
      } else {
        resample(map, to: target + channel)
      }
    }
    guard augmentation.changesValues else { return }
    let pixels = PixelBuffer(
      values: target, height: height, width: width, channels: channels)
    augmentation.colors?.apply(to: pixels, &random)
    augmentation.colorShift?.apply(to: pixels, &random)
    augmentation.erasing?.apply(to: pixels, &random)
    for i in 0..<source.count { target[i] = (target[i] - scaling.mean) / scaling.deviation }
  }

  // One channel of the source, within its border.
  private mutating func fillPlane(
    _ source: UnsafeBufferPointer<UInt8>, _ channel: Int, _ border: Augmentation.Border
  ) {
    let (height, width, channels, pitch) = (height, width, channels, pitch)
    plane.withUnsafeMutableBufferPointer { plane in
      table.withUnsafeBufferPointer { table in
        for y in 0..<height {
          let row = (y + 1) * pitch + 1
          for x in 0..<width {
            plane[row + x] = table[Int(source[(y * width + x) * channels + channel])]
          }
        }
      }
      guard border == .edge else { return }
      for y in 0..<height {
        let row = (y + 1) * pitch
        plane[row] = plane[row + 1]
        plane[row + width + 1] = plane[row + width]
        plane[row + width + 2] = plane[row + width]
      }
      for x in 0..<pitch {
        plane[x] = plane[pitch + x]
        plane[(height + 1) * pitch + x] = plane[height * pitch + x]
        plane[(height + 2) * pitch + x] = plane[height * pitch + x]
      }
    }
  }

  // The plane as `map` moves it, with bilinear interpolation.
  private func resample(
    _ map: Augmentation.Transform, to target: UnsafeMutablePointer<Float>
  ) {
    let (right, bottom) = (Float(width + 1), Float(height + 1))
    plane.withUnsafeBufferPointer { plane in
      for y in 0..<height {
        // In coordinates of the plane with its border.
        var sx = map.xy * Float(y) + (map.x0 + 1)
        var sy = map.yy * Float(y) + (map.y0 + 1)
        for x in 0..<width {
          target[(y * width + x) * channels] = ImageSampler.sample(
            plane, pitch, min(max(sx, 0), right), min(max(sy, 0), bottom))
          sx += map.xx
          sy += map.yx
        }
      }
    }
  }

  // The same with each pixel of the result moved first.
  private func resample(
    _ map: Augmentation.Transform, _ bending: Bending, to target: UnsafeMutablePointer<Float>
  ) {
    let (right, bottom) = (Float(width + 1), Float(height + 1))
    plane.withUnsafeBufferPointer { plane in
      bending.dx.withUnsafeBufferPointer { dx in
        bending.dy.withUnsafeBufferPointer { dy in
          for y in 0..<height {
            for x in 0..<width {
              let at = y * width + x
              let (bx, by) = (Float(x) + dx[at], Float(y) + dy[at])
              let sx = map.xx * bx + map.xy * by + (map.x0 + 1)
              let sy = map.yx * bx + map.yy * by + (map.y0 + 1)
              target[at * channels] = ImageSampler.sample(
                plane, pitch, min(max(sx, 0), right), min(max(sy, 0), bottom))
            }
          }
        }
      }
    }
  }

  // Places are clamped into the border, beyond which nothing changes; so the four reads stay
  // within (height + 3) × (width + 3).
  @inline(__always)
  private static func sample(
    _ plane: UnsafeBufferPointer<Float>, _ pitch: Int, _ px: Float, _ py: Float
  ) -> Float {
    let (ix, iy) = (Int32(px), Int32(py))
    let (fx, fy) = (px - Float(ix), py - Float(iy))
    let at = Int(iy) * pitch + Int(ix)
    let (a, b) = (plane[at], plane[at + 1])
    let (c, d) = (plane[at + pitch], plane[at + pitch + 1])
    let upper = a + fx * (b - a)
    let lower = c + fx * (d - c)
    return upper + fy * (lower - upper)
  }
}
