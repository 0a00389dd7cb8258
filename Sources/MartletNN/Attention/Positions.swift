// Where a token stands: positions that are added to embeddings, or that turn queries and keys.

import MartletExecution
import MartletIR
import MartletOps

/// Adds a vector for each position to `[B, T, W]`.
public protocol PositionLayer: Layer {
  /// Positions that there are.
  var capacity: Int { get }
  /// The table `[capacity, W]` in a trace.
  func table(in x: Tensor) -> Tensor
}

extension PositionLayer {
  /// `x [B, T, W]` with the vectors of positions 0 to T − 1 added.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let table = self.table(in: x)
    guard fits(x, table) else { return Tensor(trace: x.trace, value: nil, type: x.type) }
    return x + table.sliced(0..<x.shape[1], axis: 0)
  }

  /// `x [B, N, W]` with the vectors of positions `position …< position + N` added; `position` is i32, a
  /// scalar or `[B]`, and below the capacity.
  public func callAsFunction(_ x: Tensor, from position: Tensor) -> Tensor {
    let table = self.table(in: x)
    guard fits(x, table), let places = places(x, from: position, capacity: capacity) else {
      return Tensor(trace: x.trace, value: nil, type: x.type)
    }
    return x + gather(table, places)
  }

  private func fits(_ x: Tensor, _ table: Tensor) -> Bool {
    if x.rank == 3, x.shape[2] == table.shape[1], x.shape[1] <= capacity { return true }
    if x.value != nil {
      x.trace.report(
        TypeError(
          op: "\(Self.self)", "takes [B, T, \(table.shape[1])] with T ≤ \(capacity), got \(x.type)"),
        [x.type], at: x.trace.place)
    }
    return false
  }
}

/// Indices `[N]` or `[B, N]` of positions from `position` on; nil after a report.
private func places(_ x: Tensor, from position: Tensor, capacity: Int) -> Tensor? {
  let (b, n) = (x.shape[0], x.shape[1])
  guard position.dtype == .int32, position.shape == [] || position.shape == [b] else {
    if position.value != nil {
      x.trace.report(
        TypeError(op: "position", "is i32, a scalar or [\(b)], got \(position.type)"),
        [position.type], at: x.trace.place)
    }
    return nil
  }
  _ = position.trace.bound(position, below: max(1, capacity - n + 1))
  let steps = x.trace.iota(TensorType(.int32, [n]), axis: 0)
  let all = position.rank == 0 ? steps + position : position.reshaped([b, 1]) + steps
  return minimum(maximum(all, 0), Double(capacity - 1))
}

/// Learned positions, one vector each.
public struct LearnedPositions: PositionLayer {
  /// `[capacity, W]`, N(0, 0.02²) at first.
  public let vectors: Parameter
  /// Vectors for `capacity` positions.
  public init(
    _ capacity: Int, _ width: Int, initializer: Initializer = .normal(standardDeviation: 0.02)
  ) {
    vectors = Parameter([capacity, width], initializer: initializer)
  }
  /// Positions that there are.
  public var capacity: Int { vectors.shape[0] }
  /// The learned vectors.
  public func table(in x: Tensor) -> Tensor { vectors.tensor(in: x.trace) }
}

/// Sinusoidal positions: `sin(p / 10000^(2i/W))` at even elements 2i, the cosine at odd ones
/// (Vaswani et al., 2017).
public struct SinusoidalPositions: PositionLayer {
  /// Positions that there are.
  public let capacity: Int
  /// W
  public let width: Int
  /// 10000 in the paper.
  public let base: Double
  /// Positions up to `capacity` for vectors of `width` elements.
  public init(_ capacity: Int, _ width: Int, base: Double = 10_000) {
    self.capacity = max(0, capacity)
    self.width = max(0, width)
    self.base = base
  }
  /// The sines and cosines, a constant.
  public func table(in x: Tensor) -> Tensor {
    var values: [Double] = []
    values.reserveCapacity(capacity * width)
    for p in 0..<capacity {
      for i in 0..<width {
        let angle = Double(p) * LibM.pow(base, -Double(i - i % 2) / Double(width))
        values.append(i % 2 == 0 ? LibM.sin(angle) : LibM.cos(angle))
      }
    }
    return x.trace.constant(HostArray(TensorType(x.dtype, [capacity, width]), values))
  }
}

/// Rotary positions: pairs of a head's elements are turned by an angle that grows with the position, so
/// that a query's product with a key depends on their distance (Su et al., RoFormer,
/// arXiv:2104.09864). Applied to queries and keys by ``MultiHeadAttention``.
public struct RotaryPositions: Sendable {
  /// Which elements are a pair.
  public enum Pairing: Hashable, Sendable {
    /// i and i + D/2, as in GPT-NeoX and Llama.
    case halves
    /// 2i and 2i + 1, as in the paper.
    case neighbours
  }
  /// Positions that there are.
  public let capacity: Int
  /// 10000 in the paper.
  public let base: Double
  /// Which elements are a pair.
  public let pairing: Pairing
  /// Rotations for positions below `capacity`.
  public init(_ capacity: Int, base: Double = 10_000, pairing: Pairing = .halves) {
    self.capacity = max(0, capacity)
    self.base = base
    self.pairing = pairing
  }

  /// `x [B, N, H, D]`, D even, turned by positions 0 to N − 1, or those from `position` on (i32, a
  /// scalar or `[B]`).
  public func callAsFunction(_ x: Tensor, from position: Tensor? = nil) -> Tensor {
    guard x.rank == 4, x.shape[3] % 2 == 0, x.shape[1] <= capacity else {
      if x.value != nil {
        x.trace.report(
          TypeError(
            op: "RotaryPositions",
            "takes [B, T, H, D] with even D and T ≤ \(capacity), got \(x.type)"),
          [x.type], at: x.trace.place)
      }
      return Tensor(trace: x.trace, value: nil, type: x.type)
    }
    let (b, n, h, d) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let half = d / 2
    let type = TensorType(x.dtype, [capacity, half])
    let angles = (0..<capacity).flatMap { p in
      (0..<half).map { Double(p) * LibM.pow(base, -2 * Double($0) / Double(d)) }
    }
    func turned(_ f: (Double) -> Double) -> Tensor? {
      let table = x.trace.constant(HostArray(type, angles.map(f)))
      guard let position else {
        return table.sliced(0..<n, axis: 0).reshaped([1, n, 1, half])
      }
      guard let places = places(x, from: position, capacity: capacity) else { return nil }
      let rows = gather(table, places)
      return rows.reshaped([places.rank == 1 ? 1 : b, n, 1, half])
    }
    guard let cosine = turned(LibM.cos), let sine = turned(LibM.sin) else {
      return Tensor(trace: x.trace, value: nil, type: x.type)
    }
    let isSplit = pairing == .halves
    let pairs = x.reshaped(isSplit ? [b, n, h, 2, half] : [b, n, h, half, 2])
    let axis = isSplit ? 3 : 4
    let first = pairs.sliced(0..<1, axis: axis).reshaped([b, n, h, half])
    let second = pairs.sliced(1..<2, axis: axis).reshaped([b, n, h, half])
    let turnedFirst = first * cosine - second * sine
    let turnedSecond = second * cosine + first * sine
    return stack([turnedFirst, turnedSecond], axis: axis).reshaped([b, n, h, d])
  }
}
