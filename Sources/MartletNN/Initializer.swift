// Initial values: functions of (seed, parameter path, position), never of the order of creation.

import MartletExecution
import MartletIR
import MartletOps

/// How a parameter's first value is drawn.
public struct Initializer: Sendable {
  package enum Kind: Sendable {
    case constant(Double)
    case uniform(Double, Double)
    case normal(mean: Double, deviation: Double)
    /// Standard deviation √(gain / fan); uniform or normal.
    case scaled(gain: Double, fan: Fan, uniform: Bool)
    case array(HostArray)
    /// A normal distribution cut off two deviations from its mean.
    case truncated(mean: Double, deviation: Double)
    case orthogonal(gain: Double)
  }
  package enum Fan: Sendable { case input, average }
  package let kind: Kind

  /// Every element the same.
  public static func constant(_ value: Double) -> Initializer {
    Initializer(kind: .constant(value))
  }
  /// Zeros.
  public static var zeros: Initializer { constant(0) }
  /// Ones.
  public static var ones: Initializer { constant(1) }
  /// Uniform on [low, high).
  public static func uniform(_ low: Double, _ high: Double) -> Initializer {
    Initializer(kind: .uniform(low, high))
  }
  /// Gaussian N(mean, deviation²).
  public static func normal(mean: Double = 0, standardDeviation: Double = 1) -> Initializer {
    Initializer(kind: .normal(mean: mean, deviation: standardDeviation))
  }
  /// Xavier (Glorot and Bengio 2010), uniform on ±√(6 / (n_in + n_out)).
  public static var xavierUniform: Initializer {
    Initializer(kind: .scaled(gain: 1, fan: .average, uniform: true))
  }
  /// Xavier, N(0, 2 / (n_in + n_out)).
  public static var xavierNormal: Initializer {
    Initializer(kind: .scaled(gain: 1, fan: .average, uniform: false))
  }
  /// He et al. 2015, N(0, 2 / n_in): for layers before a ReLU.
  public static var heNormal: Initializer {
    Initializer(kind: .scaled(gain: 2, fan: .input, uniform: false))
  }
  /// He, uniform on ±√(6 / n_in).
  public static var heUniform: Initializer {
    Initializer(kind: .scaled(gain: 2, fan: .input, uniform: true))
  }
  /// Uniform on ±√(1 / n_in): what PyTorch's Linear and Conv2d begin with.
  public static var torchUniform: Initializer {
    Initializer(kind: .scaled(gain: 1.0 / 3, fan: .input, uniform: true))
  }
  /// LeCun et al. 1998, N(0, 1 / n_in): for tanh, and for SELU.
  public static var lecunNormal: Initializer {
    Initializer(kind: .scaled(gain: 1, fan: .input, uniform: false))
  }
  /// LeCun, uniform on ±√(3 / n_in).
  public static var lecunUniform: Initializer {
    Initializer(kind: .scaled(gain: 1, fan: .input, uniform: true))
  }
  /// Gaussian N(mean, deviation²), drawn again where it falls more than two deviations from the mean.
  ///
  /// The spread of what is left is 0.88 of `standardDeviation`.
  public static func truncatedNormal(
    mean: Double = 0, standardDeviation: Double = 1
  ) -> Initializer {
    Initializer(kind: .truncated(mean: mean, deviation: standardDeviation))
  }
  /// A random orthogonal matrix times `gain` (Saxe et al. 2014): `W·Wᵀ = gain²·I` or `Wᵀ·W = gain²·I`,
  /// whichever is smaller, of the filter or weight as a matrix with the last axis as its columns.
  public static func orthogonal(gain: Double = 1) -> Initializer {
    Initializer(kind: .orthogonal(gain: gain))
  }
  /// Given values, such as those of a file. Where their type is not the parameter's, zeros.
  public static func values(_ array: NDArray) -> Initializer { .array(array.hostArray) }
  /// Given values; their type must be the parameter's.
  package static func array(_ array: HostArray) -> Initializer { Initializer(kind: .array(array)) }

  /// Fan-in and fan-out: [in, out] of a dense weight, receptive field × channels of an HWIO filter.
  private static func fans(_ shape: Shape) -> (input: Double, output: Double) {
    guard shape.rank >= 2 else { return (Double(max(1, shape.count)), Double(max(1, shape.count))) }
    let field = shape.dimensions.dropLast(2).reduce(1, *)
    return (
      Double(max(1, field * shape[shape.rank - 2])), Double(max(1, field * shape[shape.rank - 1]))
    )
  }

  /// Writes the values over zeros. Weights are many: float32 goes straight into its memory, with
  /// the very numbers of ``values(_:seed:path:)``.
  package func write(
    to bytes: UnsafeMutableRawBufferPointer, _ type: TensorType, seed: UInt64, path: String
  ) {
    if case .constant(0) = kind { return }
    guard type.dtype == .float32, let (first, second, isUniform) = distribution(type) else {
      values(type, seed: seed, path: path).write(to: bytes)
      return
    }
    let stream = Initializer.hash(path)
    let elements = bytes.bindMemory(to: Float.self)
    if isUniform {
      for index in elements.indices {
        elements[index] = Float(
          first + (second - first) * Initializer.uniform(seed, stream, index))
      }
    } else {
      for index in elements.indices {
        elements[index] = Float(first + second * Initializer.normal(seed, stream, index))
      }
    }
  }

  /// (low, high) of a uniform or (mean, deviation) of a normal distribution; nil for other kinds.
  private func distribution(_ type: TensorType) -> (Double, Double, isUniform: Bool)? {
    switch kind {
    case .constant, .array, .truncated, .orthogonal: return nil
    case .uniform(let low, let high): return (low, high, true)
    case .normal(let mean, let deviation): return (mean, deviation, false)
    case .scaled(let gain, let fan, let isUniform):
      let (input, output) = Initializer.fans(type.shape)
      let size = fan == .input ? input : (input + output) / 2
      let deviation = (gain / size).squareRoot()
      let bound = deviation * 3.0.squareRoot()
      return isUniform ? (-bound, bound, true) : (0, deviation, false)
    }
  }

  package func values(_ type: TensorType, seed: UInt64, path: String) -> HostArray {
    let stream = Initializer.hash(path)
    let count = type.count
    func uniforms(_ low: Double, _ high: Double) -> HostArray {
      HostArray(
        type, (0..<count).map { low + (high - low) * Initializer.uniform(seed, stream, $0) })
    }
    func normals(_ mean: Double, _ deviation: Double) -> HostArray {
      HostArray(type, (0..<count).map { mean + deviation * Initializer.normal(seed, stream, $0) })
    }
    if let (first, second, isUniform) = distribution(type) {
      return isUniform ? uniforms(first, second) : normals(first, second)
    }
    switch kind {
    case .array(let array) where array.type == type: return array
    case .constant(let value): return HostArray(splat: value, type)
    case .truncated(let mean, let deviation):
      return HostArray(
        type,
        (0..<count).map { index in
          // Of a normal distribution 4.6 % lie outside: sixteen draws in a row never do.
          for attempt in 0..<16 as Range<UInt64> {
            let draw = Initializer.normal(
              seed, stream &+ attempt &* 0x9E37_79B9_7F4A_7C15, index)
            if abs(draw) <= 2 { return mean + deviation * draw }
          }
          return mean
        })
    case .orthogonal(let gain):
      let columns = max(1, type.shape.dimensions.last ?? 1)
      let matrix = (0..<count).map { Initializer.normal(seed, stream, $0) }
      let made = Initializer.orthogonalised(matrix, rows: count / columns, columns: columns)
      return HostArray(type, made.map { gain * $0 })
    default: return HostArray(splat: 0, type)
    }
  }

  /// The rows (or the columns, if they are fewer) made orthonormal by Gram and Schmidt's method, each
  /// twice: once is not enough in floating point.
  private static func orthogonalised(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
    let byRows = rows <= columns
    let (count, length) = byRows ? (rows, columns) : (columns, rows)
    func place(_ vector: Int, _ element: Int) -> Int {
      byRows ? vector * columns + element : element * columns + vector
    }
    var vectors = (0..<count).map { v in (0..<length).map { matrix[place(v, $0)] } }
    for v in 0..<count {
      for _ in 0..<2 {
        for other in 0..<v {
          var product = 0.0
          for i in 0..<length { product += vectors[v][i] * vectors[other][i] }
          for i in 0..<length { vectors[v][i] -= product * vectors[other][i] }
        }
        let norm = vectors[v].reduce(0) { $0 + $1 * $1 }.squareRoot()
        if norm > 0 { for i in 0..<length { vectors[v][i] /= norm } }
      }
    }
    var result = [Double](repeating: 0, count: matrix.count)
    for v in 0..<count { for i in 0..<length { result[place(v, i)] = vectors[v][i] } }
    return result
  }

  // FNV-1a over the path: stable across runs and platforms, unlike Swift's seeded Hasher.
  private static func hash(_ path: String) -> UInt64 {
    path.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  // SplitMix64 (Steele, Lea and Flood 2014) as a counter-based generator.
  private static func bits(_ seed: UInt64, _ stream: UInt64, _ position: UInt64) -> UInt64 {
    var z = seed &* 0x9E37_79B9_7F4A_7C15 &+ stream &+ (position &+ 1) &* 0xD1B5_4A32_D192_ED03
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private static func uniform(_ seed: UInt64, _ stream: UInt64, _ index: Int) -> Double {
    Double(bits(seed, stream, UInt64(index)) >> 11) * 0x1p-53
  }

  private static func normal(_ seed: UInt64, _ stream: UInt64, _ index: Int) -> Double {
    let u = 1 - uniform(seed, stream, 2 * index)
    let v = uniform(seed, stream, 2 * index + 1)
    return (-2 * LibM.log(u)).squareRoot() * LibM.cos(2 * Double.pi * v)
  }
}
