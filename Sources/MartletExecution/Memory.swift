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
  private enum Source { case heap, pages(start: UnsafeMutableRawPointer, count: Int), borrowed }
  private let source: Source
  private let keepAlive: AnyObject?

  /// From here on memory comes from the system in pages.
  private static let pagesFrom = 2 << 20
  private static let largePage = 2 << 20

  /// Zeroed memory. Throws when the system has none.
  ///
  /// A large block takes fresh pages: they are zero without being written, cost nothing until they
  /// are used, and may be large, so that a first step meets few page faults.
  package init(byteCount: Int) throws(RunError) {
    if byteCount >= Memory.pagesFrom, byteCount <= Int.max / 2,
      let (start, count) = Memory.pages(byteCount)
    {
      let address = (Int(bitPattern: start) + Memory.largePage - 1) & -Memory.largePage
      base = start + (address - Int(bitPattern: start))
      self.byteCount = byteCount
      source = .pages(start: start, count: count)
      keepAlive = nil
      return
    }
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
    source = .heap
    keepAlive = nil
  }

  /// Pages for some bytes at an address that large pages need.
  private static func pages(_ byteCount: Int) -> (UnsafeMutableRawPointer, Int)? {
    let count = byteCount + largePage
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let start = mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0), start != MAP_FAILED
    else { return nil }
    #if os(Linux)
      // A wish: where the system has none, small ones serve.
      let address = (Int(bitPattern: start) + largePage - 1) & -largePage
      let whole = byteCount & -largePage
      _ = madvise(UnsafeMutableRawPointer(bitPattern: address), whole, Int32(MADV_HUGEPAGE))
    #endif
    return (start, count)
  }

  /// Memory that `owner` keeps valid.
  package init(borrowing pointer: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject?) {
    base = pointer
    self.byteCount = byteCount
    source = .borrowed
    keepAlive = owner
  }

  deinit {
    switch source {
    case .heap: free(base)
    case .pages(let start, let count): munmap(start, count)
    case .borrowed: break
    }
  }
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
