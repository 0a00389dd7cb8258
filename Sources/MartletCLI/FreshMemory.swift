// Memory that a first step finds: a virtual machine's host gives it when it is touched first.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Has another process touch memory and give it back, so that a first step meets the page faults of
/// its own system and not those of the host, of which no program knows or can spare any.
///
/// Measured where free memory goes back to the host within seconds: 128 MB of large pages take 234 ms
/// then, and 6 ms after this.
enum FreshMemory {
  /// More than any workload touches anew in its first step.
  private static let megabytes = 512

  static func prepare() throws {
    #if os(Linux)
      let page = sysconf(Int32(_SC_PAGESIZE))
      let free = sysconf(Int32(_SC_AVPHYS_PAGES)) * page / (1 << 20)
      let some = min(megabytes, free / 2)
      guard some > 0 else { return }
      try BenchCommand.run(["martlet", "bench", "--touch", "\(some)"])
    #endif
  }

  static func touch(megabytes: Int) {
    let bytes = megabytes << 20
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), start != MAP_FAILED
    else { return }
    #if os(Linux)
      _ = madvise(start, bytes, Int32(MADV_HUGEPAGE))
    #endif
    for offset in stride(from: 0, to: bytes, by: 4096) {
      start.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
    }
    munmap(start, bytes)
  }
}
