// Augmentations: what each does to pixels, and that nothing but (seed, epoch, index) decides.

import MartletData
import MartletExecution
import MartletIR
import MartletTraining
import Testing

@Suite struct AugmentationTests {
  // One image of `values`, as (pixel / 255), many times over with another epoch each.
  func images(
    _ pixels: [UInt8], _ height: Int, _ width: Int, channels: Int = 1, epochs: Int = 1,
    scaling: PixelScaling = .unit, _ change: (inout Augmentation) -> Void
  ) throws -> [[Float]] {
    var augmentation = Augmentation()
    change(&augmentation)
    let split = try Dataset.Split(
      images: pixels, labels: [0], height: height, width: width, channels: channels)
    let examples = try split.examples(scaling: scaling, augmentation: augmentation)
    return try (0..<epochs).map { try examples.batch([0], seed: 11, epoch: $0)[0].floats }
  }

  // A picture without symmetry.
  let ramp: [UInt8] = (0..<35).map { UInt8($0 * 7) }

  @Test func flipsUpsideDown() throws {
    let plain = ramp.map { Float($0) / 255 }
    let turned = (0..<5).reversed().flatMap { plain[($0 * 7)..<($0 * 7 + 7)] }
    let seen = try images(ramp, 5, 7, epochs: 60) { $0.flip = true }
    #expect(seen.allSatisfy { $0 == plain || $0 == turned })
    #expect((15...45).contains(seen.count { $0 == turned }))
  }

  @Test(arguments: Augmentation.Border.allCases) func cropsByWholePixels(
    _ border: Augmentation.Border
  ) throws {
    var places: Set<[Int]> = []
    for image in try images(ramp, 5, 7, epochs: 300, { ($0.crop, $0.border) = (1, border) }) {
      // The one shift that explains every pixel.
      var fits: [[Int]] = []
      for dy in -1...1 {
        for dx in -1...1 {
          let isShifted = image.indices.allSatisfy { i in
            let (y, x) = (i / 7 - dy, i % 7 - dx)
            let inside = (0..<5).contains(y) && (0..<7).contains(x)
            let (cy, cx) = (min(max(y, 0), 4), min(max(x, 0), 6))
            let value = inside || border == .edge ? Float(ramp[cy * 7 + cx]) / 255 : 0
            return image[i] == value
          }
          if isShifted { fits.append([dy, dx]) }
        }
      }
      #expect(fits.count == 1)
      places.formUnion(fits)
    }
    #expect(places.count == 9)
  }

  @Test func bendsByNothingWhereStrengthIsNothing() throws {
    let plain = ramp.map { Float($0) / 255 }
    #expect(try images(ramp, 5, 7) { $0.elastic = ElasticDeformation(strength: 0) }[0] == plain)
    #expect(try images(ramp, 5, 7) { $0.warp = LocalWarp(strength: 0) }[0] == plain)
  }

  @Test func elasticFieldsHaveTheirVariance() throws {
    // On a ramp of x the image is the displacement: x + dx. Away from the edges its variance is
    // strength² · ⅓ · (Σw²)², w a Gaussian's weights along one axis. The four points are too far
    // from one another to share any noise.
    let side = 33
    let pixels = (0..<(side * side)).map { UInt8(60 + 2 * ($0 % side)) }
    var (sum, squares, count) = (0.0, 0.0, 0.0)
    for image in try images(
      pixels, side, side, epochs: 400,
      { $0.elastic = ElasticDeformation(strength: 12, smoothness: 2) })
    {
      for (y, x) in [(8, 8), (8, 24), (24, 8), (24, 24)] {
        let dx = (Double(image[y * side + x]) * 255 - 60) / 2 - Double(x)
        sum += dx
        squares += dx * dx
        count += 1
      }
    }
    var weights = (-6...6).map { exponential(-Double($0 * $0) / 8) }
    let total = weights.reduce(0, +)
    weights = weights.map { $0 / total }
    let power = weights.reduce(0) { $0 + $1 * $1 }
    let expected = 144.0 / 3 * power * power
    #expect(abs(sum / count) < 0.1)
    #expect(abs(squares / count / expected - 1) < 0.12)
  }

  @Test func warpsAreBilinearBetweenPoints() throws {
    // Three points along each axis of 9 × 9: they lie at 0, 4 and 8.
    let pixels = (0..<81).map { UInt8(100 + 4 * ($0 % 9)) }
    for image in try images(
      pixels, 9, 9, epochs: 20, { $0.warp = LocalWarp(strength: 1, points: 3) })
    {
      let dx = (0..<81).map { (image[$0] * 255 - 100) / 4 - Float($0 % 9) }
      // Row 4, inside: where nothing reaches beyond the picture, steps between points are equal.
      for x in [2, 6] {
        #expect(abs(dx[4 * 9 + x - 1] - 2 * dx[4 * 9 + x] + dx[4 * 9 + x + 1]) < 1e-3)
      }
      #expect(abs(dx[40]) <= 1.001)
    }
  }

  @Test func hueTurnsAsColorsysDoes() {
    // Python: colorsys.hsv_to_rgb((h + turn) % 1, s, v).
    let cases: [((Float, Float, Float), Float, (Float, Float, Float))] = [
      ((0.8, 0.3, 0.1), 0.1, (0.8, 0.72, 0.1)), ((0.2, 0.9, 0.4), -0.3, (0.9, 0.54, 0.2)),
      ((0.1, 0.2, 0.95), 0.45, (0.95, 0.595, 0.1)), ((0.5, 0.5, 0.5), 0.2, (0.5, 0.5, 0.5)),
      ((0.9, 0.9, 0.1), -0.05, (0.9, 0.66, 0.1)), ((0, 0, 0), 0.3, (0, 0, 0)),
      ((1.0, 0.2, 0.7), 0.5, (0.2, 1.0, 0.5)),
    ]
    for (color, turn, expected) in cases {
      let result = ColorJitter.turned(color.0, color.1, color.2, by: turn)
      #expect(abs(result.0 - expected.0) < 1e-6 && abs(result.1 - expected.1) < 1e-6)
      #expect(abs(result.2 - expected.2) < 1e-6)
    }
  }

  @Test func coloursChangeAsNamed() throws {
    let pixels: [UInt8] = [200, 100, 50, 20, 220, 120, 90, 90, 90, 10, 30, 240]
    let plain = pixels.map { Float($0) / 255 }
    for image in try images(
      pixels, 2, 2, channels: 3, epochs: 30, { $0.colors = ColorJitter(brightness: 0.4) })
    {
      // One factor for all that is not clipped.
      let factor = image[6] / plain[6]
      #expect((0.599...1.401).contains(factor))
      for i in 0..<12 { #expect(abs(image[i] - min(1, plain[i] * factor)) < 1e-5) }
    }
    func gray(_ v: [Float], _ i: Int) -> Float {
      0.299 * v[3 * i] + 0.587 * v[3 * i + 1] + 0.114 * v[3 * i + 2]
    }
    let mean = (0..<4).reduce(Float(0)) { $0 + gray(plain, $1) } / 4
    for image in try images(
      pixels, 2, 2, channels: 3, epochs: 30, { $0.colors = ColorJitter(contrast: 0.3) })
    {
      let factor = (image[6] - mean) / (plain[6] - mean)
      #expect((0.69...1.31).contains(factor))
      for i in 0..<12 {
        #expect(abs(image[i] - min(max(mean + factor * (plain[i] - mean), 0), 1)) < 1e-3)
      }
    }
    for image in try images(
      pixels, 2, 2, channels: 3, epochs: 30, { $0.colors = ColorJitter(saturation: 0.3) })
    {
      // Gray stays gray; what is not clipped keeps its luma.
      for i in 6..<9 { #expect(abs(image[i] - plain[i]) < 1e-5) }
      #expect(abs(gray(image, 0) - gray(plain, 0)) < 1e-5)
    }
    // Scaling comes last.
    let scaling = PixelScaling(mean: 0.5, deviation: 0.25)
    let a = try images(pixels, 2, 2, channels: 3) { $0.colors = ColorJitter(hue: 0.2) }[0]
    let b = try images(pixels, 2, 2, channels: 3, scaling: scaling) {
      $0.colors = ColorJitter(hue: 0.2)
    }[0]
    for i in 0..<12 { #expect(abs((a[i] - 0.5) / 0.25 - b[i]) < 1e-5) }
    #expect(a != plain)
    // Gray pictures know brightness and contrast alone.
    let dull = try images(ramp, 5, 7) { $0.colors = ColorJitter(saturation: 0.5, hue: 0.5) }[0]
    #expect(dull == ramp.map { Float($0) / 255 })
  }

  @Test func principalColoursAreEigenvectors() throws {
    var random = FixedRandom(state: 2012)
    // Red and green go together, blue hardly varies.
    let pixels = (0..<300).flatMap { _ -> [UInt8] in
      let base = random.below(150)
      return [
        UInt8(base + random.below(40)), UInt8(base + random.below(60)),
        UInt8(90 + random.below(20)),
      ]
    }
    let split = try Dataset.Split(images: pixels, labels: [0], height: 10, width: 30, channels: 3)
    let shift = try ColorShift(fitting: split, deviation: 0.1)
    // The covariance once more, by its definition.
    let values = pixels.map { Double($0) / 255 }
    var means = [0.0, 0, 0]
    for i in 0..<900 { means[i % 3] += values[i] / 300 }
    var covariance = [[Double]](repeating: [0, 0, 0], count: 3)
    for i in 0..<300 {
      for a in 0..<3 {
        for b in 0..<3 {
          let (x, y) = (values[3 * i + a] - means[a], values[3 * i + b] - means[b])
          covariance[a][b] += x * y / 300
        }
      }
    }
    for (vector, variance) in zip(shift.components, shift.variances) {
      #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-12)
      for row in 0..<3 {
        let product = (0..<3).reduce(0) { $0 + covariance[row][$1] * vector[$1] }
        #expect(abs(product - variance * vector[row]) < 1e-9)
      }
    }
    #expect(shift.variances[0] > 10 * shift.variances[1])
    // Every pixel moves alike, along the first component mostly.
    for image in try images(pixels, 10, 30, channels: 3, epochs: 10, { $0.colorShift = shift }) {
      let moved = (0..<3).map { image[3 * 7 + $0] - Float(values[3 * 7 + $0]) }
      for c in 0..<3 {
        #expect(abs(image[3 * 99 + c] - Float(values[3 * 99 + c]) - moved[c]) < 1e-5)
      }
    }
    _ = dataError(.mismatch) { _ = try ColorShift(fitting: Dataset.mnist5k().test) }
  }

  @Test func erasesARectangle() throws {
    let pixels = [UInt8](repeating: 0, count: 400)
    var erased = 0
    for image in try images(
      pixels, 20, 20, epochs: 200, { $0.erasing = RandomErasing(probability: 0.5, area: 0.1...0.2) }
    ) {
      let touched = image.indices.filter { image[$0] != 0 }
      guard let first = touched.first, let last = touched.last else { continue }
      erased += 1
      let (height, width) = (
        last / 20 - first / 20 + 1, touched.map { $0 % 20 }.max().map { $0 - first % 20 + 1 } ?? 0
      )
      #expect(abs(touched.count - height * width) <= 2)
      #expect((25...100).contains(height * width))
      #expect(image.allSatisfy { (0...1).contains($0) })
    }
    #expect((70...130).contains(erased))
  }

  static let everything: Augmentation = {
    var all = Augmentation(shift: 2, rotation: 12, scaling: 0.1, mirror: true)
    all.flip = true
    all.crop = 2
    all.elastic = ElasticDeformation()
    all.warp = LocalWarp()
    all.colors = ColorJitter(brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1)
    all.erasing = RandomErasing()
    return all
  }()

  @Test func neitherBatchNorThreadMatters() async throws {
    let examples = try Dataset.mnist5k().test.examples(augmentation: AugmentationTests.everything)
    let wanted = Array(0..<64)
    let whole = try examples.batch(wanted, seed: 3, epoch: 4)[0].floats
    let pieces = try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
      for start in stride(from: 0, to: 64, by: 16) {
        group.addTask {
          // Backwards, among strangers.
          let indices = Array(wanted[start..<(start + 16)].reversed()) + [999]
          let floats = try examples.batch(indices, seed: 3, epoch: 4)[0].floats
          return (start, (0..<16).reversed().flatMap { floats[($0 * 784)..<($0 * 784 + 784)] })
        }
      }
      var all: [Int: [Float]] = [:]
      for try await (start, floats) in group { all[start] = floats }
      return all.keys.sorted().flatMap { all[$0] ?? [] }
    }
    #expect(whole == pieces)
    #expect(try examples.batch(wanted, seed: 3, epoch: 5)[0].floats != whole)
    #expect(try examples.batch(wanted, seed: 4, epoch: 4)[0].floats != whole)
  }

  @Test func refusesWhatIsOutOfRange() throws {
    let changes: [(inout Augmentation) -> Void] = [
      { $0.crop = -1 }, { $0.crop = 5000 }, { $0.elastic = ElasticDeformation(strength: .nan) },
      { $0.elastic = ElasticDeformation(smoothness: 0) }, { $0.warp = LocalWarp(points: 1) },
      { $0.warp = LocalWarp(strength: -1) }, { $0.colors = ColorJitter(brightness: 2) },
      { $0.colors = ColorJitter(hue: 0.6) }, { $0.erasing = RandomErasing(probability: 1.5) },
      { $0.erasing = RandomErasing(area: 0.5...2) },
    ]
    for change in changes {
      _ = dataError(.outOfRange) { _ = try images(ramp, 5, 7, change) }
    }
    // The smallest images.
    for (height, width) in [(1, 1), (1, 5), (5, 1)] {
      let pixels = [UInt8](repeating: 9, count: height * width)
      let image = try images(pixels, height, width) { $0 = AugmentationTests.everything }[0]
      #expect(image.count == height * width && image.allSatisfy(\.isFinite))
    }
  }
}
