// What a session keeps of each input and result: plain values, read in every step.

import MartletIR

/// An argument that the caller passes. Holds no reference, so that reading it counts none.
struct InputSlot {
  /// Its place among the addresses that a step gets.
  let slot: Int
  /// Values must lie in 0 ..< bound; −1 if they may be anything.
  let bound: Int
  private let dtype: DType
  private let count: Int
  private let extents: UnsafeMutableBufferPointer<Int>

  init(_ argument: Program.Argument) {
    slot = argument.slot
    bound = argument.bound ?? -1
    dtype = argument.type.dtype
    count = argument.type.count
    extents = .allocate(capacity: argument.type.shape.rank)
    _ = extents.initialize(from: argument.type.shape.dimensions)
  }

  func deallocate() { extents.deallocate() }

  /// Whether an array of this type may be passed.
  @inline(__always)
  func takes(_ type: TensorType) -> Bool {
    guard type.dtype == dtype, type.shape.dimensions.count == extents.count else { return false }
    for axis in extents.indices where type.shape.dimensions[axis] != extents[axis] { return false }
    return true
  }

  /// True where all are found inside in one comparison an element; nothing is said otherwise.
  @inline(__always)
  func holdsIndices(_ base: UnsafeRawPointer) -> Bool {
    guard dtype == .int32, bound <= Int(Int32.max) else { return false }
    var largest: UInt32 = 0
    for value in UnsafeRawBufferPointer(start: base, count: count * 4).bindMemory(to: Int32.self) {
      largest = max(largest, UInt32(bitPattern: value))
    }
    return largest < UInt32(bound)
  }
}

/// A result, and the memory that it was written to last.
struct ResultSlot {
  var memory: Memory?
  let type: TensorType
  let bytes: Int
  let slot: Int

  /// The memory of the last result when nobody else holds it, else a new block that takes its place.
  @inline(__always)
  mutating func place() throws(RunError) -> UnsafeMutableRawPointer {
    let isFree = isKnownUniquelyReferenced(&memory)
    if isFree, let memory { return memory.base }
    let fresh = try Memory(byteCount: bytes)
    memory = fresh
    return fresh.base
  }
}
