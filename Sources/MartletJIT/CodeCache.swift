// Equal text is compiled once.

import Synchronization

/// The most recently used machine code, by text, back end and instruction set.
///
/// Bounded by entries and by bytes of text. Code that leaves the cache lives on for as long as a
/// program uses it. Safe from any thread.
package final class CodeCache: Sendable {
  struct Key: Hashable {
    let source: EmittedSource
    let backend: Backend
    let isa: InstructionSet

    /// The text's bytes and not its characters, whose canonical form takes ten times as long.
    func hash(into hasher: inout Hasher) {
      var text = source.text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      hasher.combine(source.form)
      hasher.combine(backend)
      hasher.combine(isa)
    }
  }

  private struct Entry {
    let code: MachineCode
    var lastUse: UInt64
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var textBytes = 0
    var clock: UInt64 = 0

    mutating func touch(_ key: Key) -> MachineCode? {
      guard let index = entries.index(forKey: key) else { return nil }
      clock += 1
      entries.values[index].lastUse = clock
      return entries.values[index].code
    }
  }

  /// The cache of the process.
  package static let shared = CodeCache(capacity: 64, textCapacity: 32 << 20)

  private let capacity: Int
  private let textCapacity: Int
  private let state = Mutex(State())

  /// A cache for at most `capacity` entries with `textCapacity` bytes of C in all.
  package init(capacity: Int, textCapacity: Int) {
    self.capacity = capacity
    self.textCapacity = textCapacity
  }

  package var count: Int { state.withLock { $0.entries.count } }

  func code(for key: Key) -> MachineCode? {
    state.withLock { $0.touch(key) }
  }

  /// Keeps `code`, and returns it, or what another thread put there first.
  func insert(_ code: MachineCode, for key: Key) -> MachineCode {
    // What falls out is freed after the lock is given back: unmapping and dlclose take time.
    let (kept, dropped) = state.withLock { state -> (MachineCode, [MachineCode]) in
      if let earlier = state.touch(key) { return (earlier, []) }
      let bytes = key.source.text.utf8.count
      guard capacity > 0, bytes <= textCapacity else { return (code, []) }
      var dropped: [MachineCode] = []
      while state.entries.count >= capacity || state.textBytes + bytes > textCapacity,
        let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        state.entries[oldest.key] = nil
        state.textBytes -= oldest.key.source.text.utf8.count
        dropped.append(oldest.value.code)
      }
      state.clock += 1
      state.entries[key] = Entry(code: code, lastUse: state.clock)
      state.textBytes += bytes
      return (code, dropped)
    }
    withExtendedLifetime(dropped) {}
    return kept
  }
}
