// What a session's handle stands for: a session with its inputs and outputs bound by name.

import CMartlet
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import Synchronization

/// `@unchecked Sendable`: whoever reads or changes it has taken its turn; see `use`.
final class SessionObject: @unchecked Sendable {
  private let compiled: CompiledModel
  private let isBusy = Atomic(false)
  let inputs: [Port]
  let outputs: [Port]
  private let inputTable: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  /// Where each output goes.
  private let outputTable: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  /// Where each result of the program goes: to the first output that it is.
  private let resultTable: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  private let firstOutput: [Int]
  /// Outputs that are the same result again, or known beforehand: filled after each run.
  private let copied: [Int]
  /// The number of inputs without an array.
  private var unbound: Int
  private let rate: Memory
  /// What the program leaves to be checked, in the order of `compiled.checks`.
  private let flags: [Memory]
  /// Memory for outputs that were not bound when it was asked for; kept for who has its address.
  private var ownOutputs: [Memory?]
  private var hasOutputs = false

  /// An input or output, described as C sees it. The names and shapes are freed with the session.
  struct Port {
    let name: String
    let type: TensorType
    let cName: UnsafeMutablePointer<CChar>
    let cShape: UnsafeMutablePointer<Int64>

    init(_ name: String, _ type: TensorType) {
      (self.name, self.type) = (name, type)
      let bytes = Array(name.utf8)
      cName = .allocate(capacity: bytes.count + 1)
      for (index, byte) in bytes.enumerated() {
        (cName + index).initialize(to: CChar(bitPattern: byte))
      }
      (cName + bytes.count).initialize(to: 0)
      let extents = type.shape.dimensions
      cShape = .allocate(capacity: max(1, extents.count))
      for (axis, extent) in extents.enumerated() {
        (cShape + axis).initialize(to: Int64(extent))
      }
    }

    var described: martlet_tensor {
      martlet_tensor(
        name: cName, dtype: type.dtype.inC, rank: Int32(type.shape.rank), shape: cShape,
        bytes: type.byteCount)
    }
  }

  init(_ compiled: CompiledModel) throws {
    self.compiled = compiled
    // The learning rate is the last input, and an argument of the call.
    let arguments = compiled.step == nil ? compiled.inputs : compiled.inputs.dropLast()
    inputs = arguments.map { Port($0.name, $0.type) }
    outputs = compiled.outputs.map { Port($0.name, $0.type) }
    var first: [Int: Int] = [:]
    var copied: [Int] = []
    for (index, output) in compiled.outputs.enumerated() {
      if case .result(let result) = output.source, first[result] == nil {
        first[result] = index
      } else {
        copied.append(index)
      }
    }
    self.copied = copied
    firstOutput = (0..<first.count).map { first[$0] ?? 0 }
    inputTable = .allocate(capacity: compiled.inputs.count)
    inputTable.initialize(repeating: nil)
    outputTable = .allocate(capacity: outputs.count)
    outputTable.initialize(repeating: nil)
    resultTable = .allocate(capacity: firstOutput.count + compiled.checks.count)
    resultTable.initialize(repeating: nil)
    flags = try compiled.checks.map { _ in try Memory(byteCount: 8) }
    for (check, flag) in zip(compiled.checks, flags) where resultTable.indices ~= check.result {
      resultTable[check.result] = flag.base
    }
    unbound = inputs.count
    ownOutputs = Array(repeating: nil, count: outputs.count)
    rate = try Memory(byteCount: 8)
    if compiled.step != nil { inputTable[inputs.count] = rate.base }
  }

  deinit {
    for port in inputs + outputs {
      port.cName.deallocate()
      port.cShape.deallocate()
    }
    inputTable.deallocate()
    outputTable.deallocate()
    resultTable.deallocate()
  }

  /// Takes the session's turn for `body`; refuses a second caller.
  func use<R>(_ body: () throws -> R) throws -> R {
    guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    else {
      throw Failure(
        .busy, "the session is in use by another thread",
        hint: "a session takes one caller at a time; make another of the same model")
    }
    defer { isBusy.store(false, ordering: .releasing) }
    return try body()
  }

  // MARK: - Binding

  func bindInput(_ name: String, _ given: GivenArray) throws {
    let index = try self.index(name, in: inputs, "input")
    try given.check(against: inputs[index].type, "input", name)
    let range = given.range(inputs[index].type)
    for other in outputs.indices {
      guard let base = outputTable[other], ownOutputs[other]?.base != base else { continue }
      try refuseOverlap(name, range, outputs[other], base)
    }
    if inputTable[index] == nil { unbound -= 1 }
    inputTable[index] = given.pointer
  }

  func bindOutput(_ name: String, _ given: GivenArray) throws {
    let index = try self.index(name, in: outputs, "output")
    try given.check(against: outputs[index].type, "output", name)
    let range = given.range(outputs[index].type)
    for other in inputs.indices {
      if let base = inputTable[other] { try refuseOverlap(name, range, inputs[other], base) }
    }
    for other in outputs.indices where other != index {
      if let base = outputTable[other] { try refuseOverlap(name, range, outputs[other], base) }
    }
    outputTable[index] = given.pointer
    hasOutputs = false
  }

  /// Where an output is.
  func output(_ name: String) throws -> UnsafeRawPointer {
    let index = try self.index(name, in: outputs, "output")
    try giveOutputsMemory()
    guard let base = outputTable[index] else {
      throw Failure(.notBound, "output '\(name)' has no memory")
    }
    return UnsafeRawPointer(base)
  }

  private func giveOutputsMemory() throws {
    for index in outputs.indices where outputTable[index] == nil {
      let memory = try Memory(byteCount: outputs[index].type.byteCount)
      ownOutputs[index] = memory
      outputTable[index] = memory.base
    }
    for (result, output) in firstOutput.enumerated() { resultTable[result] = outputTable[output] }
    hasOutputs = true
  }

  private func index(_ name: String, in ports: [Port], _ kind: String) throws -> Int {
    if let index = ports.firstIndex(where: { $0.name == name }) { return index }
    throw Failure(
      .unknownName, "no \(kind) '\(name.prefix(100))'",
      hint: "\(kind)s: " + ports.prefix(12).map { "\($0.name) \($0.type)" }.joined(separator: ", "))
  }

  private func refuseOverlap(
    _ name: String, _ range: Range<UInt>, _ other: Port, _ base: UnsafeMutableRawPointer
  ) throws {
    let start = UInt(bitPattern: base)
    if range.overlaps(start..<(start &+ UInt(other.type.byteCount))) {
      throw Failure(.badArgument, "the arrays of '\(name)' and '\(other.name)' overlap")
    }
  }

  // MARK: - Running

  func run() throws {
    guard compiled.step == nil else {
      throw Failure(.unsupported, "this session trains", hint: "call martlet_train_step")
    }
    try runBound()
  }

  /// The step that this session trains by.
  func training() throws -> TrainingStep {
    guard let step = compiled.step else {
      throw Failure(
        .unsupported, "this session does not train", hint: "make it with martlet_training_create")
    }
    return step
  }

  /// One step; the loss before the update.
  func train(_ learningRate: Double) throws -> Double {
    _ = try training()
    guard let rateType = compiled.inputs.last?.type else { return .nan }
    guard learningRate >= 0, learningRate.isFinite else {
      throw Failure(.outOfRange, "the learning rate is \(learningRate)", hint: "0 or more")
    }
    if rateType.dtype == .float64 {
      rate.base.storeBytes(of: learningRate, as: Double.self)
    } else {
      rate.base.storeBytes(of: Float(learningRate), as: Float.self)
    }
    try runBound()
    guard let loss = outputTable[0] else { return .nan }
    return outputs[0].type.dtype == .float64
      ? loss.load(as: Double.self) : Double(loss.load(as: Float.self))
  }

  private func runBound() throws {
    guard unbound == 0 else {
      let names = inputs.indices.filter { inputTable[$0] == nil }.map { inputs[$0].name }
      throw Failure(
        .notBound, "no array for input '\(names.joined(separator: "', '"))'",
        hint: "call martlet_bind_input")
    }
    if !hasOutputs { try giveOutputsMemory() }
    // Also the threads that the first run starts get it from here.
    let state = mtc_usual_floating_point()
    defer { mtc_restore_floating_point(state) }
    try compiled.session?.run(
      on: UnsafeBufferPointer(inputTable), into: UnsafeBufferPointer(resultTable))
    for (check, flag) in zip(compiled.checks, flags) where flag.base.load(as: UInt8.self) != 0 {
      throw check.failure
    }
    for index in copied { copy(index) }
  }

  private func copy(_ index: Int) {
    guard let target = outputTable[index] else { return }
    switch compiled.outputs[index].source {
    case .result(let result):
      guard let source = resultTable[result] else { return }
      target.copyMemory(from: source, byteCount: outputs[index].type.byteCount)
    case .constant(let array):
      array.withUnsafeBytes { bytes in
        if let source = bytes.baseAddress {
          target.copyMemory(from: source, byteCount: bytes.count)
        }
      }
    }
  }
}

/// An array as a caller describes it.
struct GivenArray {
  let pointer: UnsafeMutableRawPointer
  let dtype: martlet_dtype
  let shape: UnsafePointer<Int64>?
  let rank: Int32

  func range(_ type: TensorType) -> Range<UInt> {
    let start = UInt(bitPattern: pointer)
    return start..<(start &+ UInt(type.byteCount))
  }

  func check(against type: TensorType, _ kind: String, _ name: String) throws {
    guard let own = DType(inC: dtype) else {
      throw Failure(.badArgument, "\(kind) '\(name)': \(dtype.rawValue) is no dtype")
    }
    guard own == type.dtype else {
      throw Failure(
        .wrongDType, "\(kind) '\(name)': got \(own.rawValue), expected \(type)",
        hint: "nothing is converted silently")
    }
    guard (0...64).contains(rank), rank == 0 || shape != nil else {
      throw Failure(.badArgument, "\(kind) '\(name)': rank \(rank) with no such shape")
    }
    let extents = UnsafeBufferPointer(start: shape, count: Int(rank)).map { Int($0) }
    guard extents == type.shape.dimensions else {
      throw Failure(
        .wrongShape, "\(kind) '\(name)': got \(own.rawValue)\(extents), expected \(type)",
        hint: "another batch is another session: see martlet_options.batch")
    }
    guard UInt(bitPattern: pointer) % UInt(type.dtype.byteCount) == 0 else {
      throw Failure(
        .badArgument,
        "\(kind) '\(name)': the array is not aligned to its elements of \(type.dtype.byteCount) bytes"
      )
    }
    guard UInt(bitPattern: pointer).addingReportingOverflow(UInt(type.byteCount)).overflow == false
    else { throw Failure(.badArgument, "\(kind) '\(name)': no array of \(type) begins there") }
  }
}

extension DType {
  private static let order: [(DType, martlet_dtype)] = [
    (.float64, MARTLET_F64), (.float32, MARTLET_F32), (.float16, MARTLET_F16),
    (.bfloat16, MARTLET_BF16), (.int8, MARTLET_I8), (.int16, MARTLET_I16), (.int32, MARTLET_I32),
    (.int64, MARTLET_I64), (.uint8, MARTLET_U8), (.uint16, MARTLET_U16), (.uint32, MARTLET_U32),
    (.uint64, MARTLET_U64), (.bool, MARTLET_BOOL),
  ]

  init?(inC dtype: martlet_dtype) {
    guard let found = DType.order.first(where: { $0.1 == dtype }) else { return nil }
    self = found.0
  }

  /// The number in `martlet.h`.
  var inC: martlet_dtype {
    DType.order.first { $0.0 == self }?.1 ?? MARTLET_F32
  }
}
