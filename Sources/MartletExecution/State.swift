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
        UnsafeMutableRawBufferPointer(start: block.base + c.offset, count: type.byteCount), c.seed,
        c.path)
    }
  }

  /// The variable's bytes, once allocated; for as long as the block's generation stays the same.
  package var address: UnsafeMutableRawPointer? {
    contents.withLock { c in c.block.map { $0.base + c.offset } }
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

  /// The values of several variables at one moment, as constants of a program that keeps them.
  ///
  /// Large float32 values are not copied: they stay in the block's memory, which whoever writes the
  /// state next leaves to the program (see ``StateBlock``). Where the variables are the lesser part
  /// of a block, as parameters beside an optimizer's moments are, a copy is smaller.
  package static func frozen(_ variables: [StateVariable]) throws(RunError) -> [HostArray] {
    try StateBlock.allocate(variables, seed: 0)
    var frozenBytes: [ObjectIdentifier: Int] = [:]
    for variable in variables {
      guard let block = variable.block else { continue }
      frozenBytes[ObjectIdentifier(block), default: 0] += variable.type.byteCount
    }
    let blocks = StateBlock.all(of: variables)
    var held = 0
    defer { for block in blocks.prefix(held) { block.endReading() } }
    for block in blocks {
      try block.beginReading()
      held += 1
    }
    var values: [HostArray] = []
    for variable in variables {
      variable.initialize()
      guard let block = variable.block, let address = variable.address else { continue }
      let (type, count) = (variable.type, variable.type.count)
      guard type.dtype == .float32, count > smallCount else {
        values.append(
          HostArray(bytes: UnsafeRawBufferPointer(start: address, count: type.byteCount), type))
        continue
      }
      var (owner, start) = (block.sharedMemory, UnsafeRawPointer(address))
      if frozenBytes[ObjectIdentifier(block), default: 0] * 2 < owner.byteCount {
        owner = try Memory(byteCount: type.byteCount)
        owner.base.copyMemory(from: start, byteCount: type.byteCount)
        start = UnsafeRawPointer(owner.base)
      }
      let shared = SharedFloats(
        start.bindMemory(to: Float.self, capacity: count), count: count, owner: owner)
      values.append(HostArray(type.shape, shared: shared))
    }
    return values
  }

  /// Constants up to this count may fold into others.
  private static let smallCount = 1024

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
/// Programs that only read it run side by side; a writer takes it alone. A program with frozen
/// values shares the memory and never sees a change: a writer that finds the memory shared moves
/// the state to a copy, which counts the generation up and gives the variables new addresses.
package final class StateBlock: Sendable {
  private struct Contents {
    var memory: Memory
    /// −1: one writer; n > 0: n readers.
    var users = 0
    var generation = 0
  }
  private let contents: Mutex<Contents>

  private init(memory: Memory) { contents = Mutex(Contents(memory: memory)) }

  /// Where the memory is in this generation.
  fileprivate var base: UnsafeMutableRawPointer { contents.withLock { $0.memory.base } }

  /// The memory, to be kept and read: nobody writes it as long as somebody else holds it.
  fileprivate var sharedMemory: Memory { contents.withLock { $0.memory } }

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

  /// Returns the generation, which stays until the end of reading.
  @discardableResult
  package func beginReading() throws(RunError) -> Int {
    let generation = contents.withLock { c -> Int? in
      guard c.users >= 0 else { return nil }
      c.users += 1
      return c.generation
    }
    guard let generation else { throw StateBlock.busy }
    return generation
  }
  package func endReading() { contents.withLock { $0.users -= 1 } }

  /// Returns the generation, which stays until the end of writing.
  @discardableResult
  package func beginWriting() throws(RunError) -> Int {
    let (generation, isBusy) = try contents.withLock { c throws(RunError) -> (Int, Bool) in
      guard c.users == 0 else { return (0, true) }
      if !isKnownUniquelyReferenced(&c.memory) {
        let copy = try Memory(byteCount: c.memory.byteCount)
        copy.base.copyMemory(from: c.memory.base, byteCount: c.memory.byteCount)
        c.memory = copy
        c.generation += 1
      }
      c.users = -1
      return (c.generation, false)
    }
    if isBusy { throw StateBlock.busy }
    return generation
  }
  package func endWriting() { contents.withLock { $0.users = 0 } }

  private static var busy: RunError {
    RunError(
      .busy, "the model's state is in use by another session",
      hint: "train from one session at a time; predictions may run together")
  }
}
