// Random numbers of the data floor: functions of a key, so that no batch depends on another.

/// SplitMix64 from a key of (seed, epoch, index): a generator that needs no history.
/// https://doi.org/10.1145/2714064.2660195
package struct CounterRandom {
  private var state: UInt64

  package init(seed: UInt64, epoch: Int, index: Int) {
    state = CounterRandom.mix(seed)
    state = CounterRandom.mix(state ^ UInt64(bitPattern: Int64(epoch)))
    state = CounterRandom.mix(state ^ UInt64(bitPattern: Int64(index)))
  }

  private static func mix(_ x: UInt64) -> UInt64 {
    var z = x &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  package mutating func next() -> UInt64 {
    defer { state &+= 0x9e37_79b9_7f4a_7c15 }
    return CounterRandom.mix(state)
  }

  /// Uniform in 0..<bound, to within bound / 2⁶⁴.
  package mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Uniform in −1 ..< 1, in steps of 2⁻²³.
  package mutating func symmetric() -> Float {
    Float(Int32(truncatingIfNeeded: next() >> 40) - (1 << 23)) * 0x1p-23
  }

  /// Uniform in 0 ..< 1, in steps of 2⁻²⁴.
  package mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// A permutation of `values` in place, by Fisher and Yates.
  package mutating func shuffle<T>(_ values: inout [T]) {
    values.withUnsafeMutableBufferPointer { values in
      for i in stride(from: values.count - 1, to: 0, by: -1) { values.swapAt(i, below(i + 1)) }
    }
  }
}
