// Aligned memory with one owner.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import MartletIR

/// A block of 64-byte aligned memory, freed with its last reference, or memory of somebody else
/// that is kept alive with it.
///
/// `@unchecked Sendable`: the bytes are guarded by whoever shares the block (NDArray copies on
/// write, StateBlock and Session hold locks).
package final class Memory: @unchecked Sendable {
  package let base: UnsafeMutableRawPointer
  package let byteCount: Int
  private let owned: Bool
  private let keepAlive: AnyObject?

  /// Zeroed memory. Throws when the system has none.
  package init(byteCount: Int) throws(RunError) {
    var pointer: UnsafeMutableRawPointer?
    // Never zero bytes: a distinct, aligned address is needed even for an empty array.
    let size = max(64, (byteCount + 63) / 64 * 64)
    guard byteCount >= 0, byteCount <= Int.max / 2, posix_memalign(&pointer, 64, size) == 0,
      let pointer
    else {
      throw RunError(.outOfMemory, "no memory for \(byteCount) bytes")
    }
    memset(pointer, 0, size)
    base = pointer
    self.byteCount = byteCount
    owned = true
    keepAlive = nil
  }

  /// Memory that `owner` keeps valid.
  package init(borrowing pointer: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject?) {
    base = pointer
    self.byteCount = byteCount
    owned = false
    keepAlive = owner
  }

  deinit { if owned { free(base) } }
}

/// A Swift type whose values a tensor can hold.
public protocol TensorElement: Sendable {
  /// The dtype with the same representation.
  static var dtype: DType { get }
}
extension Float: TensorElement {
  /// `float32`.
  public static var dtype: DType { .float32 }
}
extension Double: TensorElement {
  /// `float64`.
  public static var dtype: DType { .float64 }
}
extension Int32: TensorElement {
  /// `int32`.
  public static var dtype: DType { .int32 }
}
extension Int64: TensorElement {
  /// `int64`.
  public static var dtype: DType { .int64 }
}
extension Int: TensorElement {
  /// `int64`.
  public static var dtype: DType { .int64 }
}
extension UInt8: TensorElement {
  /// `uint8`.
  public static var dtype: DType { .uint8 }
}
extension Bool: TensorElement {
  /// `bool`, one byte, 0 or 1.
  public static var dtype: DType { .bool }
}
