// Deterministic random arrays for samples of operations.

import MartletIR
import MartletOps

/// SplitMix64: small, seedable, the same on every platform.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64
  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A seed that depends on a text only (Swift's own hashes change from run to run).
  package init(_ text: String) {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    self.init(seed: hash)
  }
}

extension HostArray {
  /// Elements drawn evenly from a range: floats, or whole numbers for integers and bools.
  package static func random(
    _ type: TensorType, in range: ClosedRange<Double>, _ generator: inout SplitMix64
  ) -> HostArray {
    if type.dtype.isFloatingPoint {
      return HostArray(
        type, (0..<type.count).map { _ in Double.random(in: range, using: &generator) })
    }
    let low = Int64(range.lowerBound.rounded(.up))
    let high = max(low, Int64(range.upperBound.rounded(.down)))
    return HostArray(
      type, (0..<type.count).map { _ in Int64.random(in: low...high, using: &generator) })
  }
}

extension HostArray {
  /// Floats of which no two are close, in random order: one from the middle half of each of as many
  /// parts of the range as there are elements. Finite differences then cross no tie of a maximum.
  package static func separated(
    _ type: TensorType, in range: ClosedRange<Double>, _ generator: inout SplitMix64
  ) -> HostArray {
    guard type.dtype.isFloatingPoint else { return random(type, in: range, &generator) }
    let width = (range.upperBound - range.lowerBound) / Double(max(1, type.count))
    let values = (0..<type.count).map {
      range.lowerBound + width * (Double($0) + Double.random(in: 0.25...0.75, using: &generator))
    }
    return HostArray(type, values.shuffled(using: &generator))
  }
}

extension OpSample {
  /// Operands for a gradient check.
  package func drawSeparated(_ generator: inout SplitMix64) -> [HostArray] {
    zip(operands, ranges).map { HostArray.separated($0, in: $1, &generator) }
  }

  package func draw(_ generator: inout SplitMix64) -> [HostArray] {
    zip(operands, ranges).map { HostArray.random($0, in: $1, &generator) }
  }

  /// The same operation over operands of another floating-point dtype, or nil if it refuses those.
  package func over(_ dtype: DType) -> OpSample? {
    var copy = self
    copy.operands = operands.map {
      TensorType($0.dtype.isFloatingPoint ? dtype : $0.dtype, $0.shape)
    }
    return (try? op.infer(copy.operands, regions)) == nil ? nil : copy
  }

  /// For messages: `reduceSum{axes=[1]}(f32[3,5])`.
  package var label: String {
    let attributes = op.attributes.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    return "\(op.name){\(attributes)}(\(operands.map(\.description).joined(separator: ", ")))"
  }
}
