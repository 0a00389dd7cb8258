// Compiling a closure over tensors into something that can be called with arrays.

import MartletIR
import MartletOps
import MartletPasses

/// The dtype and shape of an input, with an optional name for messages.
public struct TensorSpec: Hashable, Sendable {
  /// dtype and shape.
  public var type: TensorType
  /// The input's name.
  public var name: String?

  /// An input of this shape.
  public init(_ shape: Shape, _ dtype: DType = .float32, name: String? = nil) {
    type = TensorType(dtype, shape)
    self.name = name
  }

  func resized(batch: Int) -> TensorSpec {
    guard type.shape.rank > 0 else { return self }
    var copy = self
    copy.type.shape.dimensions[0] = batch
    return copy
  }
}

/// A traced closure with its program for each batch size that was asked for.
///
/// The closure runs once for each batch size, at compile time. Every size works on the same state.
public final class Function {
  /// What traces: returns the results by name.
  package typealias Body = (Trace, [Tensor]) throws -> [(name: String, tensor: Tensor)]

  /// The specs that it was compiled for.
  public let specs: [TensorSpec]
  /// The session that calls run in.
  public let session: Session
  private let body: Body
  private let isTraining: Bool
  private var others: [Int: Function] = [:]

  /// The compiled program.
  public var program: Program { session.program }

  package init(
    specs: [TensorSpec], options: CompileOptions, isTraining: Bool, body: @escaping Body
  ) throws {
    self.specs = specs
    self.body = body
    self.isTraining = isTraining
    let program = try Function.trace(specs, options, isTraining, body)
    session = try Session(program)
  }

  /// The same closure, compiled with other options.
  init(_ other: Function, options: CompileOptions) throws {
    specs = other.specs
    body = other.body
    isTraining = other.isTraining
    session = try Session(Function.trace(specs, options, isTraining, body))
  }

  /// Traces and compiles. A program with loops that does not fit its memory budget is traced again,
  /// with loops that store less.
  package static func trace(
    _ specs: [TensorSpec], _ options: CompileOptions, _ isTraining: Bool, _ body: Body
  ) throws -> Program {
    var hasLoops = false
    do {
      return try trace(specs, options, isTraining, checkpointsLoops: false, &hasLoops, body)
    } catch let error as CompileError where error.code == .memoryBudget && hasLoops {
      return try trace(specs, options, isTraining, checkpointsLoops: true, &hasLoops, body)
    }
  }

  private static func trace(
    _ specs: [TensorSpec], _ options: CompileOptions, _ isTraining: Bool, checkpointsLoops: Bool,
    _ hasLoops: inout Bool, _ body: Body
  ) throws -> Program {
    let start = nowMilliseconds()
    let trace = Trace(name: options.name, isTraining: isTraining)
    trace.checkpointsLoops = checkpointsLoops
    defer { trace.release() }
    let inputs = specs.enumerated().map {
      trace.argument($1.type, name: $1.name ?? "input\($0)")
    }
    let results = try Trace.$current.withValue(trace) { try body(trace, inputs) }
    var report = CompileReport()
    report.traceMilliseconds = nowMilliseconds() - start - trace.differentiateMilliseconds
    report.differentiateMilliseconds = trace.differentiateMilliseconds
    let taps = trace.taps.map { (name: $0.name, tensor: $0.value) }
    hasLoops = trace.graph.nodes.contains { $0.op is Scan }
    return try Compiler.compile(trace, results: results + taps, options: options, report: report)
  }

  /// The same closure for another extent of the inputs' first axis, on the same state; compiled on
  /// first use, then kept.
  ///
  /// - Throws: ``CompileError`` where the closure does not fit that extent.
  public func resized(batch: Int) throws -> Function {
    if batch == specs.first?.type.shape.dimensions.first { return self }
    if let known = others[batch] { return known }
    let made = try Function(
      specs: specs.map { $0.resized(batch: batch) }, options: program.options,
      isTraining: isTraining, body: body)
    made.session.seed = session.seed
    others[batch] = made
    return made
  }

  /// All results of one run, in order: the closure's own, then taps.
  ///
  /// - Throws: ``RunError`` where inputs differ from the specs in number, dtype or shape.
  public func run(_ inputs: [NDArray]) throws(RunError) -> [NDArray] { try session.run(inputs) }

  /// All results of one run that does not block Swift's cooperative threads; see ``Session``.
  ///
  /// - Throws: ``RunError`` where inputs differ from the specs in number, dtype or shape.
  public func run(
    _ inputs: [NDArray], isolation: isolated (any Actor)? = #isolation
  ) async throws(RunError) -> [NDArray] { try await session.run(inputs, isolation: isolation) }

  /// The first result of one run.
  ///
  /// - Throws: ``RunError`` where inputs differ from the specs in number, dtype or shape.
  public func callAsFunction(_ inputs: NDArray...) throws(RunError) -> NDArray {
    let results = try session.run(inputs)
    guard let first = results.first else {
      throw RunError(.mismatch, "the program has no results", at: program.options.name)
    }
    return first
  }

  /// The text of a stage of the compilation.
  public func dump(_ stage: Program.Stage) -> String { program.dump(stage) }
}

/// Compiles a closure of one tensor. The closure runs once, now: it is traced, not called per run.
///
/// Throws a ``CompileError`` with the first of all mistakes found in the closure.
public func compile(
  _ spec: TensorSpec, options: CompileOptions? = nil, _ body: @escaping (Tensor) throws -> Tensor
) throws -> Function {
  try Function(specs: [spec], options: options ?? CompileOptions(), isTraining: false) {
    [(name: "result", tensor: try body($1[0]))]
  }
}

/// Compiles a closure of two tensors. The closure runs once, now.
public func compile(
  _ first: TensorSpec, _ second: TensorSpec, options: CompileOptions? = nil,
  _ body: @escaping (Tensor, Tensor) throws -> Tensor
) throws -> Function {
  try Function(specs: [first, second], options: options ?? CompileOptions(), isTraining: false) {
    [(name: "result", tensor: try body($1[0], $1[1]))]
  }
}

/// Compiles a closure of three tensors. The closure runs once, now.
public func compile(
  _ first: TensorSpec, _ second: TensorSpec, _ third: TensorSpec, options: CompileOptions? = nil,
  _ body: @escaping (Tensor, Tensor, Tensor) throws -> Tensor
) throws -> Function {
  try Function(
    specs: [first, second, third], options: options ?? CompileOptions(), isTraining: false
  ) { [(name: "result", tensor: try body($1[0], $1[1], $1[2]))] }
}

/// Compiles a closure of any number of tensors with any number of results. It runs once, now.
public func compile(
  _ specs: [TensorSpec], options: CompileOptions? = nil,
  _ body: @escaping ([Tensor]) throws -> [Tensor]
) throws -> Function {
  try Function(specs: specs, options: options ?? CompileOptions(), isTraining: false) {
    try body($1).enumerated().map { (name: "result\($0)", tensor: $1) }
  }
}

/// Compiles a closure without inputs and runs it once: for trying things out.
public func evaluate(options: CompileOptions? = nil, _ body: @escaping () throws -> Tensor) throws
  -> NDArray
{
  let function = try Function(specs: [], options: options ?? CompileOptions(), isTraining: false) {
    _, _ in [(name: "result", tensor: try body())]
  }
  return try function()
}

/// Makes a value inside a traced closure an extra result of the program, under a name.
///
/// Returns the tensor unchanged, so that it can stand inside an expression.
@discardableResult
public func tap(_ name: String, _ x: Tensor) -> Tensor {
  x.trace.tap(name, x)
  return x
}
