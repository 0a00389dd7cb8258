// A model compiled for certain shapes: named arrays in, named arrays out.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps
import MartletPasses

/// A compiled ONNX model. One caller at a time, like a `Session`.
public final class ONNXProgram {
  /// The compiled program; nil where all outputs were known when the model was compiled.
  public let session: Session?
  /// Inputs whose values the program was made for: a run with others needs another program.
  public var specialisedInputs: [String] { specialised.keys.sorted() }
  /// What the program returns, by name, in the file's order.
  public let outputNames: [String]
  /// The dtypes and shapes of the inputs that are arrays, by name.
  public private(set) var inputTypes: [(name: String, type: TensorType)] = []
  package let limits: ONNXLimits

  private indirect enum Form: Equatable {
    /// An argument of the program, by position.
    case argument(Int, TensorType, ElementType)
    /// Elements that the program was made for.
    case constant
    case sequence([Form])
    case optional(Form?)
  }
  private indirect enum Output {
    case result(Int, ElementType?)
    case constant(HostTensor)
    case sequence([Output])
    case optional(Output?)
  }
  private var forms: [(name: String, form: Form)] = []
  private var outputs: [Output] = []
  private var specialised: [String: ONNXValue] = [:]
  private let argumentCount: Int
  /// Results that say whether a loop was cut off, and its node.
  private var overruns: [(result: Int, node: String)] = []

  init(
    _ model: ONNXModel, dimensions: [String: Int], known: [String: ONNXValue],
    options: CompileOptions
  ) throws {
    limits = model.file.limits
    let start = nowMilliseconds()
    let trace = Trace(name: options.name, isTraining: false)
    defer { trace.release() }
    let importer = try Importer(model.file, trace: trace)
    let imported = try Trace.$current.withValue(trace) {
      try importer.importModel(model, dimensions: dimensions, known: known)
    }
    outputNames = model.outputs.map(\.name)
    var results: [(name: String, tensor: Tensor)] = []
    var positions: [Int: Int] = [:]
    func output(_ value: ONNXValue, _ name: String) -> Output {
      switch value {
      case .constant(let x): return .constant(x)
      case .sequence(let x):
        return .sequence(x.enumerated().map { output($1, "\(name)_\($0)") })
      case .optional(let x): return .optional(x.map { output($0, name) })
      case .tensor(let x, let type):
        if let id = x.value?.id, let known = positions[id] { return .result(known, type) }
        if let id = x.value?.id { positions[id] = results.count }
        results.append((name, x))
        return .result(results.count - 1, type)
      }
    }
    outputs = zip(model.outputs, imported.outputs).map { output($1, identifier($0.name)) }
    for (condition, node) in importer.overruns {
      overruns.append((results.count, node))
      results.append(("overrun\(overruns.count)", condition))
    }
    var count = 0
    func form(_ value: ONNXValue) -> Form {
      switch value {
      case .constant: return .constant
      case .sequence(let x): return .sequence(x.map(form))
      case .optional(let x): return .optional(x.map(form))
      case .tensor(let x, let type):
        defer { count += 1 }
        return .argument(count, x.type, type ?? ElementType(x.dtype))
      }
    }
    forms = imported.inputs.map { ($0.name, form($0.value)) }
    argumentCount = count
    inputTypes = imported.inputs.flatMap { input in
      input.value.leaves.map { (input.name, $0.type) }
    }
    for name in importer.specialised { specialised[name] = known[name] }
    guard !results.isEmpty else {
      session = nil
      return
    }
    var options = options
    // Files are channels-first, Martlet is channels-last.
    options.firstPasses = [Canonicalize(), TransposeSinking()]
    var report = CompileReport()
    report.traceMilliseconds = nowMilliseconds() - start
    let program = try Compiler.compile(trace, results: results, options: options, report: report)
    try importer.checkMemory(program)
    let bytes = program.results.reduce(0) { $0 + $1.type.byteCount }
    guard bytes <= limits.bytes else {
      throw ONNXError(.limit, "the outputs need \(bytes) bytes, more than \(limits.bytes)")
    }
    session = try Session(program, threads: options.threads)
  }

  /// Whether each output is a result of its own, of a type that is its carrier's.
  package var returnsArgumentsAlone: Bool {
    var next = 0
    for output in outputs {
      guard case .result(next, let type) = output, type?.isNative ?? true else { return false }
      next += 1
    }
    return true
  }

  /// Runs the program once. Inputs and results by name.
  ///
  /// - Throws: ``ONNXError`` where inputs do not fit the program, ``RunError`` where the run fails.
  public func run(_ inputs: [String: NDArray]) throws -> [String: NDArray] {
    var results: [String: NDArray] = [:]
    for (name, value) in try run(values: inputs.mapValues { .constant(HostTensor($0)) }) {
      guard case .constant(let tensor) = value, let array = try tensor.ndArray() else {
        throw ONNXError(.unsupported, "the output '\(printable(name))' is no array of numbers")
      }
      results[name] = array
    }
    return results
  }

  /// Whether the program was made for values of these types and, where it depends on them, elements.
  package func fits(_ values: [String: ONNXValue]) -> Bool { (try? check(values)) != nil }

  /// The same for values of any kind.
  package func run(values: [String: ONNXValue]) throws -> [String: ONNXValue] {
    let arguments = try check(values)
    let arrays = try session?.run(arguments) ?? []
    for check in checks where arrays[check.result].doubles.first != 0 { throw check.error }
    func value(_ output: Output) -> ONNXValue {
      switch output {
      case .constant(let x): .constant(x)
      case .result(let index, let type): .constant(HostTensor(arrays[index], as: type))
      case .sequence(let x): .sequence(x.map(value))
      case .optional(let x): .optional(x.map(value))
      }
    }
    var results: [String: ONNXValue] = [:]
    for (name, output) in zip(outputNames, outputs) { results[name] = value(output) }
    return results
  }

  /// The arguments in order; throws where the values do not fit the program.
  private func check(_ values: [String: ONNXValue]) throws -> [NDArray] {
    for name in values.keys where !forms.contains(where: { $0.name == name }) {
      throw ONNXError(
        .input, "the model has no input '\(printable(name))'",
        hint: "inputs: " + forms.map { printable($0.name) }.joined(separator: ", "))
    }
    var arguments: [NDArray] = []
    func take(_ form: Form, _ value: ONNXValue?, _ name: String) throws {
      func refuse(_ expected: String) -> ONNXError {
        ONNXError(
          .input,
          "the input '\(printable(name))' is \(value?.description ?? "missing"), the program takes \(expected)"
        )
      }
      switch (form, value) {
      case (.argument(_, let type, let element), .constant(let x)?):
        guard x.type == type, x.elementType == element, let array = try x.ndArray() else {
          throw refuse("\(type)")
        }
        arguments.append(array)
      case (.argument(_, let type, _), _): throw refuse("\(type)")
      case (.constant, _): break
      case (.sequence(let forms), .sequence(let x)?) where forms.count == x.count:
        for (form, value) in zip(forms, x) { try take(form, value, name) }
      case (.sequence(let forms), _): throw refuse("a sequence of \(forms.count)")
      case (.optional(let form?), .optional(let x?)?): try take(form, x, name)
      case (.optional(let form?), let x?): try take(form, x, name)
      case (.optional(nil), .optional(nil)?), (.optional(nil), nil): break
      case (.optional, _): throw refuse("an optional")
      }
    }
    for (name, form) in forms { try take(form, values[name], name) }
    for (name, value) in specialised {
      guard let other = values[name], ONNXProgram.equal(value, other) else {
        throw ONNXError(
          .input, "the program was made for other elements of the input '\(printable(name))'",
          hint: "shapes of the graph depend on them: compile it for these values, or run the model")
      }
    }
    return arguments
  }

  private static func equal(_ a: ONNXValue, _ b: ONNXValue) -> Bool {
    switch (a, b) {
    case (.constant(let x), .constant(let y)): x == y
    case (.sequence(let x), .sequence(let y)): x.count == y.count && zip(x, y).allSatisfy(equal)
    case (.optional(nil), .optional(nil)): true
    case (.optional(let x?), .optional(let y?)): equal(x, y)
    default: false
    }
  }
}

// MARK: - For who binds memory to the session itself

extension ONNXProgram {
  /// Results behind the outputs that must be false after a run, and the error where one is true: a
  /// loop was cut off at its bound.
  package var checks: [(result: Int, error: ONNXError)] {
    overruns.map { result, node in
      (
        result,
        ONNXError(.limit, "the loop runs more than \(limits.iterations) times", node: node)
      )
    }
  }

  /// Where an output comes from.
  package enum OutputSource {
    /// The session's result of that number.
    case result(Int)
    /// Known since the program was compiled.
    case constant(NDArray)
  }

  /// The outputs in the file's order; throws where one is no array of numbers.
  package func outputArrays() throws -> [(name: String, source: OutputSource)] {
    try zip(outputNames, outputs).map { name, output in
      switch output {
      case .result(let index, _): return (name, .result(index))
      case .constant(let tensor):
        if let array = try tensor.ndArray() { return (name, .constant(array)) }
      case .sequence, .optional: break
      }
      throw ONNXError(.unsupported, "the output '\(printable(name))' is no array of numbers")
    }
  }

  /// The names of the inputs that are arguments of the session, in its order; throws where one is no
  /// array.
  package func inputArrays() throws -> [String] {
    try forms.compactMap { name, form in
      switch form {
      case .argument: return name
      case .constant: return nil
      case .sequence, .optional:
        throw ONNXError(.unsupported, "the input '\(printable(name))' is no array of numbers")
      }
    }
  }
}
