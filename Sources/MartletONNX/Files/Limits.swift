// What a file may ask for.

import MartletIR
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Shape {
  /// Whether products of any of its extents are representable: an extent of zero excuses no other.
  package var isRepresentable: Bool {
    var product = 1
    for extent in dimensions {
      guard extent >= 0 else { return false }
      let (next, overflow) = product.multipliedReportingOverflow(by: max(1, extent))
      guard !overflow, next < 1 << 56 else { return false }
      product = next
    }
    return true
  }
}

/// Bounds on what reading, compiling and running a model may take.
public struct ONNXLimits: Hashable, Sendable {
  /// Bytes of one tensor, and of all that a program holds; by default half of the memory.
  public var bytes: Int
  /// Nodes of the graph after loops are unrolled and functions inlined.
  public var nodes: Int
  /// Iterations of one loop that runs in the program.
  public var iterations = 1 << 24
  /// How deep functions and subgraphs may nest.
  public var depth: Int
  /// Seconds that an import may take; nil for as many as it takes.
  public var seconds: Double?

  /// The defaults, with another bound on memory.
  public init(
    bytes: Int = ONNXLimits.halfOfMemory, nodes: Int = 1_000_000, depth: Int = 64,
    seconds: Double? = nil
  ) {
    self.bytes = bytes
    self.nodes = nodes
    self.depth = depth
    self.seconds = seconds
  }

  /// Half of the machine's memory in bytes.
  public static var halfOfMemory: Int {
    let pages = Int(sysconf(Int32(_SC_PHYS_PAGES)))
    let size = Int(sysconf(Int32(_SC_PAGESIZE)))
    return pages > 0 && size > 0 ? pages / 2 * size : 1 << 31
  }
}
