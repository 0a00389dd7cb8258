// State: parameters, optimizer moments and counters, in blocks that outlive programs.

import MartletIR
import MartletOps
import Synchronization
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// One variable of a model's state: a parameter, a moment of an optimizer, a running statistic.
///
/// The cell has its memory from its first compile on; every program that uses it reads and writes
/// that memory, so a `predict` compiled before training sees trained weights.
package final class StateVariable: StateCell {
  package let type: TensorType
  package let isTrainable: Bool
  /// Writes the value before the first step, from (seed, path), never from the order of creation,
  /// over zeros.
  package typealias Fill =
    @Sendable (_ bytes: UnsafeMutableRawBufferPointer, _ seed: UInt64, _ path: String) -> Void
  private let fill: Fill

  private struct Contents {
    var path: String
    var isNamed = false
    var block: StateBlock?
    var offset = 0
    var isInitialized = false
    var seed: UInt64 = 0
  }
  private let contents: Mutex<Contents>

  /// A variable that begins with zeros unless `fill` writes something else.
  package init(
    _ type: TensorType, path: String = "", isTrainable: Bool = true,
    fill: @escaping Fill = { _, _, _ in }
  ) {
    self.type = type
    self.isTrainable = isTrainable
    self.fill = fill
    contents = Mutex(Contents(path: path))
  }

  package var path: String { contents.withLock { $0.path } }

  /// Names the variable after its place in the model; the first name stays.
  package func name(_ path: String) {
    contents.withLock {
      guard !$0.isNamed else { return }
      $0.path = path
      $0.isNamed = true
    }
  }

  package var isNamed: Bool { contents.withLock { $0.isNamed } }

  /// The block, once allocated.
  package var block: StateBlock? { contents.withLock { $0.block } }

  fileprivate func place(in block: StateBlock, at offset: Int, seed: UInt64) {
    contents.withLock {
      $0.block = block
      $0.offset = offset
      $0.seed = seed
    }
  }

  /// Writes the initial value unless the variable has a value already. Done at the first run or
  /// read and not at allocation: a `predict` compiled before training does not know the names yet
  /// on which initial values depend.
  package func initialize() {
    contents.withLock { c in
      guard !c.isInitialized, let block = c.block else { return }
      c.isInitialized = true
      fill(
        UnsafeMutableRawBufferPointer(
          start: block.memory.base + c.offset, count: type.byteCount), c.seed, c.path)
    }
  }

  /// The variable's bytes, once allocated.
  package var address: UnsafeMutableRawPointer? {
    contents.withLock { c in c.block.map { $0.memory.base + c.offset } }
  }

  /// The current value; nil before allocation.
  package func read() throws(RunError) -> NDArray? {
    guard let block, let address else { return nil }
    initialize()
    try block.beginReading()
    defer { block.endReading() }
    let copy = try NDArray(zeros: type.shape, type.dtype)
    copy.base.copyMemory(from: address, byteCount: type.byteCount)
    return copy
  }

  /// The values of several variables at one moment: no step of another session lies between them.
  package static func read(_ variables: [StateVariable]) throws(RunError) -> [NDArray] {
    try StateBlock.allocate(variables, seed: 0)
    let blocks = StateBlock.all(of: variables)
    var held = 0
    defer { for block in blocks.prefix(held) { block.endReading() } }
    for block in blocks {
      try block.beginReading()
      held += 1
    }
    var values: [NDArray] = []
    for variable in variables {
      guard let value = try variable.read() else { continue }
      values.append(value)
    }
    return values
  }

  /// Replaces the value.
  package func write(_ array: NDArray) throws(RunError) {
    try StateVariable.write([(self, array)])
  }

  /// Replaces the values of several variables, or none of them when one is of another type or in use.
  package static func write(
    _ values: [(variable: StateVariable, array: NDArray)]
  ) throws(RunError) {
    for (variable, array) in values where array.type != variable.type {
      throw RunError(
        .mismatch, "the variable is \(variable.type), the value \(array.type)", at: variable.path)
    }
    let variables = values.map(\.variable)
    try StateBlock.allocate(variables, seed: 0)
    let blocks = StateBlock.all(of: variables)
    var held = 0
    defer { for block in blocks.prefix(held) { block.endWriting() } }
    for block in blocks {
      try block.beginWriting()
      held += 1
    }
    for (variable, array) in values {
      guard let address = variable.address else { continue }
      variable.contents.withLock { $0.isInitialized = true }
      array.withUnsafeBytes { bytes in
        if let source = bytes.baseAddress {
          address.copyMemory(from: source, byteCount: bytes.count)
        }
      }
    }
  }
}

/// The memory of variables that were first compiled together.
///
/// Programs that only read it run side by side; a writer takes it alone.
package final class StateBlock: Sendable {
  package let memory: Memory
  /// −1: one writer; n > 0: n readers.
  private let users = Mutex(0)

  private init(memory: Memory) { self.memory = memory }

  /// Gives memory and initial values to those variables that have none yet.
  package static func allocate(_ variables: [StateVariable], seed: UInt64) throws(RunError) {
    let fresh = variables.filter { $0.block == nil }
    guard !fresh.isEmpty else { return }
    var size = 0
    var offsets: [Int] = []
    for variable in fresh {
      do {
        try variable.type.checkSize(op: "parameter")
      } catch {
        throw RunError(.outOfMemory, error.message, at: variable.path)
      }
      offsets.append(size)
      let (sum, overflow) = size.addingReportingOverflow((variable.type.byteCount + 63) / 64 * 64)
      guard !overflow else { throw RunError(.outOfMemory, "the state is too large") }
      size = sum
    }
    let block = StateBlock(memory: try Memory(byteCount: size))
    for (variable, offset) in zip(fresh, offsets) {
      variable.place(in: block, at: offset, seed: seed)
    }
  }

  /// The distinct blocks of some variables, in order of first use.
  package static func all(of variables: [StateVariable]) -> [StateBlock] {
    var blocks: [StateBlock] = []
    var seen: Set<ObjectIdentifier> = []
    for variable in variables {
      guard let block = variable.block else { continue }
      if seen.insert(ObjectIdentifier(block)).inserted { blocks.append(block) }
    }
    return blocks
  }

  package func beginReading() throws(RunError) {
    let ok = users.withLock { users -> Bool in
      guard users >= 0 else { return false }
      users += 1
      return true
    }
    if !ok { throw StateBlock.busy }
  }
  package func endReading() { users.withLock { $0 -= 1 } }

  package func beginWriting() throws(RunError) {
    let ok = users.withLock { users -> Bool in
      guard users == 0 else { return false }
      users = -1
      return true
    }
    if !ok { throw StateBlock.busy }
  }
  package func endWriting() { users.withLock { $0 = 0 } }

  private static var busy: RunError {
    RunError(
      .busy, "the model's state is in use by another session",
      hint: "train from one session at a time; predictions may run together")
  }
}
