// Machine code of one program, and the pages it lives in.

internal import CTinyCC

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Compiled code, executable and read-only; its pages live as long as this object.
///
/// Whoever calls an address from ``function(named:)`` must keep this object alive until the call
/// has returned.
package final class MachineCode: Sendable {
  enum Storage {
    /// Pages of the libtcc shim (`mtcc_code *`).
    case pages(OpaquePointer)
    /// A shared library's handle from `dlopen`.
    case library(UnsafeMutableRawPointer)
  }

  /// Never changed after `init`, and only read by the C functions that get it: safe to share.
  private nonisolated(unsafe) let storage: Storage
  package let backend: Backend
  /// Bytes of code and constants; for a shared library, of its file.
  package let byteCount: Int
  /// Code that this code calls by address.
  private let callees: [MachineCode]

  init(_ storage: Storage, backend: Backend, byteCount: Int, callees: [MachineCode] = []) {
    self.callees = callees
    self.storage = storage
    self.backend = backend
    self.byteCount = byteCount
  }

  deinit {
    switch storage {
    case .pages(let code): mtcc_free(code)
    case .library(let handle): dlclose(handle)
    }
  }

  /// The address of a function that the text defines with external linkage.
  package func function(named name: String) throws(JITError) -> UnsafeRawPointer {
    let address: UnsafeMutableRawPointer? =
      switch storage {
      case .pages(let code): mtcc_function(code, name)
      case .library(let handle): dlsym(handle, name)
      }
    guard let address else {
      throw JITError(.symbolMissing, "the compiled text defines no function '\(name)'")
    }
    return UnsafeRawPointer(address)
  }
}
