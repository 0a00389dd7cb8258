// Displacements of pixels: elastic deformation and local warps.

import MartletTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Elastic deformation, as hands deform letters: each pixel is moved by `strength` times a field of
/// uniform random numbers in −1..<1, smoothed by a Gaussian of `smoothness` pixels.
///
/// Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks Applied to Visual
/// Document Analysis (2003), with their 34 and 4 for MNIST.
public struct ElasticDeformation: Hashable, Sendable {
  /// What the smoothed field is multiplied by.
  public var strength: Float
  /// The Gaussian's deviation, in pixels.
  public var smoothness: Float

  /// A deformation from its parts.
  public init(strength: Float = 34, smoothness: Float = 4) {
    self.strength = strength
    self.smoothness = smoothness
  }
}

/// Local warps: the points of a coarse grid are moved by up to `strength` pixels along each axis,
/// what lies between them moves along, bilinearly.
public struct LocalWarp: Hashable, Sendable {
  /// The largest movement of a point, in pixels.
  public var strength: Float
  /// The number of points along each axis, corners included.
  public var points: Int

  /// A warp from its parts.
  public init(strength: Float = 2, points: Int = 4) {
    self.strength = strength
    self.points = points
  }
}

/// By how much each pixel of one image is moved.
struct Bending {
  private(set) var dx: [Float]
  private(set) var dy: [Float]
  private let height: Int
  private let width: Int
  private let elastic: ElasticDeformation?
  private let warp: LocalWarp?
  // Half of the Gaussian: the middle first; the strength is in the weights of the second pass.
  private let weights: [Float]
  // Rows of random numbers with zeros before and behind them.
  private var noise: [Float]
  private let noisePitch: Int
  // The smoothed rows, with zeros above and below.
  private var rows: [Float]

  init(_ augmentation: Augmentation, height: Int, width: Int) {
    self.height = height
    self.width = width
    elastic = augmentation.elastic
    warp = augmentation.warp
    dx = [Float](repeating: 0, count: height * width)
    dy = dx
    var weights: [Float] = []
    if let elastic {
      // Beyond three deviations a Gaussian is nothing; beyond the image there is nothing.
      let radius = min(Int((3 * elastic.smoothness).rounded(.up)), max(height, width))
      let all = (0...radius).map {
        expf(-Float($0 * $0) / (2 * elastic.smoothness * elastic.smoothness))
      }
      let sum = 2 * all.reduce(0, +) - all[0]
      weights = all.map { $0 / sum }
    }
    self.weights = weights
    let radius = max(0, weights.count - 1)
    noisePitch = width + 2 * radius
    noise = [Float](repeating: 0, count: height * noisePitch)
    rows = [Float](repeating: 0, count: (height + 2 * radius) * width)
  }

  /// Draws the displacements of an image.
  mutating func draw(_ random: inout CounterRandom) {
    if let elastic {
      smoothNoise(&random, elastic.strength)
      swap(&dx, &dy)
      smoothNoise(&random, elastic.strength)
    } else {
      for i in dx.indices { (dx[i], dy[i]) = (0, 0) }
    }
    if let warp {
      addWarp(&random, warp)
      swap(&dx, &dy)
      addWarp(&random, warp)
    }
  }

  // Writes dx: a field of noise, smoothed along both axes, times the strength.
  private mutating func smoothNoise(_ random: inout CounterRandom, _ strength: Float) {
    let (height, width, pitch, weights) = (height, width, noisePitch, weights)
    let radius = weights.count - 1
    noise.withUnsafeMutableBufferPointer { noise in
      for y in 0..<height {
        for x in 0..<width { noise[y * pitch + radius + x] = random.symmetric() }
      }
    }
    // Each row along x; then the whole picture along y, for a row above is a row's length before.
    rows.withUnsafeMutableBufferPointer { rows in
      noise.withUnsafeBufferPointer { noise in
        guard let from = noise.baseAddress, let to = rows.baseAddress else { return }
        for y in 0..<height {
          Bending.smooth(
            from + y * pitch + radius, weights, step: 1, scale: 1, to: to + (y + radius) * width,
            count: width)
        }
      }
      dx.withUnsafeMutableBufferPointer { field in
        guard let from = rows.baseAddress, let to = field.baseAddress else { return }
        Bending.smooth(
          from + radius * width, weights, step: width, scale: strength, to: to,
          count: height * width)
      }
    }
  }

  // target[i] = scale · Σ weights[k] · (source[i − k · step] + source[i + k · step]), eight at a
  // time with the sum in a register: a third of the time of a pass for each weight.
  private static func smooth(
    _ source: UnsafePointer<Float>, _ weights: [Float], step: Int, scale: Float,
    to target: UnsafeMutablePointer<Float>, count: Int
  ) {
    weights.withUnsafeBufferPointer { weights in
      var i = 0
      while i + 8 <= count {
        func load(_ offset: Int) -> SIMD8<Float> {
          UnsafeRawPointer(source + i + offset).loadUnaligned(as: SIMD8<Float>.self)
        }
        var sum = weights[0] * load(0)
        var offset = step
        for k in stride(from: 1, to: weights.count, by: 1) {
          sum += weights[k] * (load(-offset) + load(offset))
          offset += step
        }
        UnsafeMutableRawPointer(target + i).storeBytes(of: scale * sum, as: SIMD8<Float>.self)
        i += 8
      }
      while i < count {
        var sum = weights[0] * source[i]
        for k in stride(from: 1, to: weights.count, by: 1) {
          sum += weights[k] * (source[i - k * step] + source[i + k * step])
        }
        target[i] = scale * sum
        i += 1
      }
    }
  }

  // Adds to dx what a grid of random movements gives each pixel.
  private mutating func addWarp(_ random: inout CounterRandom, _ warp: LocalWarp) {
    let points = warp.points
    let grid = (0..<(points * points)).map { _ in random.symmetric() * warp.strength }
    for y in 0..<height {
      let gy = Float(y) * Float(points - 1) / Float(max(1, height - 1))
      let row = min(Int(gy), points - 2)
      let fy = gy - Float(row)
      for x in 0..<width {
        let gx = Float(x) * Float(points - 1) / Float(max(1, width - 1))
        let column = min(Int(gx), points - 2)
        let fx = gx - Float(column)
        let at = row * points + column
        let upper = grid[at] + fx * (grid[at + 1] - grid[at])
        let lower = grid[at + points] + fx * (grid[at + points + 1] - grid[at + points])
        dx[y * width + x] += upper + fy * (lower - upper)
      }
    }
  }
}
