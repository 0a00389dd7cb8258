// Operations that a user writes: C text or a C function, a Swift reference, and a gradient.

import MartletCodegen
import MartletIR
import MartletJIT
import MartletLoops
import MartletOps

/// An operation of the user's own, which compiles into programs like any other.
///
///     let softsign = CustomOperation(
///       "softsign", code: .expression("x0 / (1 + fabsf(x0))"),
///       gradient: .rule { b in
///         let d = 1 + abs(b.inputs[0])
///         return [b.cotangents[0] / (d * d)]
///       },
///       reference: { x in [try NDArray(x[0].floats.map { $0 / (1 + abs($0)) }, shape: x[0].shape)] })
///     let f = try compile(TensorSpec([64])) { x in softsign(x) }
///
/// The text is compiled with the program by the same back end, as a unit of its own: it may call the
/// C maths functions (`expf`, `sqrt`, …) and nothing else, and its names meet no others. A mistake in
/// it is a ``CompileError`` of code `customOperation` with the compiler's words and the user's line.
/// The interpreter runs the reference, against which tests should hold the C.
///
/// An operation is told from others by where it was made, not by its name: make it once, in a `let`.
/// docs/custom-operations.md has worked examples.
public struct CustomOperation: Sendable {
  /// A kernel as the runtime calls it: pointers to the operands and then the results, the range of
  /// units `begin ..< end` to compute, and the thread's scratch memory, which emitted kernels use.
  public typealias KernelFunction =
    @convention(c) @Sendable (
      _ pointers: UnsafePointer<UnsafeMutableRawPointer?>?, _ begin: Int, _ end: Int,
      _ scratch: UnsafeMutableRawPointer?
    ) -> Void

  /// What computes the results.
  public enum Code: Sendable {
    /// A C expression for each element: `x0`, `x1`, … are the operands' elements. The operands are
    /// broadcast to one shape, which is the result's.
    case expression(String)
    /// The statements of a C function over `begin ..< end`, with `x0`, …, `y0`, … the operands' and
    /// results' elements in row-major order, `x0_count`, … their numbers and `x0_shape[…]`, … their
    /// extents; and C text in front of the function, for functions and tables of its own.
    case kernel(String, preamble: String = "")
    /// A function that is in the process already, and lives as long.
    case function(KernelFunction)
  }

  /// The derivative.
  public enum Derivative: Sendable {
    /// The operands' cotangents in terms of tensors, and of other custom operations.
    case rule(CustomGradientRule)
    /// There is none, for this reason: differentiating through the operation is a diagnostic.
    case none(because: String)
  }

  package let definition: CustomDefinition

  /// The name in messages, dumps and the emitted text.
  public var name: String { definition.name }

  /// An operation from its parts.
  ///
  /// - Parameters:
  ///   - name: for messages; any text.
  ///   - code: the C.
  ///   - results: the results' types for operands' types; what it throws is the diagnostic. By
  ///     default one result of the first operand's type.
  ///   - units: how many units the kernel's range has, for operands' and results' types: each must
  ///     write results that no other writes. By default the elements of the first result.
  ///   - isParallel: whether several threads may compute ranges of one call at once.
  ///   - gradient: the derivative.
  ///   - reference: the same in Swift: the results, of the types that `results` says.
  public init(
    _ name: String, code: Code,
    results: @escaping @Sendable ([TensorType]) throws -> [TensorType] = { Array($0.prefix(1)) },
    units: (@Sendable (_ operands: [TensorType], _ results: [TensorType]) -> Int)? = nil,
    isParallel: Bool = true, gradient: Derivative,
    reference: @escaping @Sendable ([NDArray]) throws -> [NDArray]
  ) {
    let foreign: ForeignKernel.Code =
      switch code {
      case .expression(let text): .expression(text)
      case .kernel(let body, let preamble): .body(body, preamble: preamble)
      case .function(let function): .function(address: unsafeBitCast(function, to: UInt.self))
      }
    let rule: Gradient =
      switch gradient {
      case .rule(let rule): .rule(checkedRule(name, rule))
      case .none(let reason): .none(because: reason)
      }
    // An expression runs over elements; nothing else is a unit there.
    let isExpression = if case .expression = code { true } else { false }
    definition = CustomDefinition(
      name: name, code: foreign, results: results,
      units: { operands, results in
        if !isExpression, let units { return units(operands, results) }
        return results.first?.count ?? 0
      },
      isParallel: isParallel, gradient: rule,
      reference: { try reference($0.map { try NDArray($0) }).map(\.hostArray) })
  }

  /// The first result for these operands.
  public func callAsFunction(
    _ operands: Tensor..., file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let results = results(of: operands, file: file, line: line)
    return results.first
      ?? Tensor(
        trace: Trace.currentOrDetached, value: nil,
        type: operands.first?.type ?? TensorType(.float32, []))
  }

  /// All results for these operands.
  public func results(
    of operands: [Tensor], file: StaticString = #fileID, line: UInt = #line
  ) -> [Tensor] {
    let trace = operands.first?.trace ?? Trace.currentOrDetached
    let place = trace.location(file, line)
    if let mistake = definition.mistake {
      trace.report(
        CompileError(
          .customOperation, operation: name, "the C text: \(mistake)", at: place,
          hint: "lines count from the beginning of the text"))
    }
    return trace.record(Custom(definition), broadcast(operands, place), at: place)
  }

  private func broadcast(_ operands: [Tensor], _ place: SourceLocation) -> [Tensor] {
    guard case .expression = definition.code, let first = operands.first else { return operands }
    var shape = first.shape
    for operand in operands.dropFirst() {
      // Shapes that do not fit are refused by the operation itself.
      guard let joined = broadcastShapes(shape, operand.shape) else { return operands }
      shape = joined
    }
    return operands.map { $0.shape == shape ? $0 : $0.broadcasted(to: shape) }
  }
}

// MARK: - Compiling

extension CompileError {
  /// The C compiler's refusal of a custom operation's text, with the user's line.
  init(_ kernel: ForeignKernel, _ error: JITError, at place: SourceLocation) {
    let (user, preamble): (String, String) =
      switch kernel.code {
      case .expression(let text): (text, "")
      case .body(let text, let before): (text, before)
      case .function: ("", "")
      }
    // `custom.c:3: error: …`, or `/tmp/…/custom.c:3:7: error: …`.
    func located(_ file: String, _ text: String) -> (message: String, line: String)? {
      for line in error.compilerText.split(separator: "\n") where line.hasText("error") {
        guard let range = line.range(ofText: file + ":") else { continue }
        let rest = line[range.upperBound...]
        guard let number = Int(rest.prefix { $0.isNumber }) else { continue }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let said = rest.drop { $0 != " " }.dropFirst()
        // What is missing at the end is noticed on the first line behind it.
        let place = max(1, min(number, lines.count))
        let quoted = lines[place - 1].drop { $0 == " " }
        return ("line \(place): \(said)", "line \(place): \(quoted)")
      }
      return nil
    }
    let found = located(ForeignKernel.fileName, user) ?? located("preamble.c", preamble)
    self.init(
      .customOperation, stage: .machineCode, operation: kernel.name,
      "the C compiler refuses its text: "
        + (found?.message ?? error.compilerText.split(separator: "\n").last.map(String.init)
          ?? error.message),
      operandTypes: kernel.operands, at: place,
      hint: "custom C may call the C maths functions and what its preamble defines")
    if let found { sourceLines = [found.line] }
  }
}

extension Substring {
  fileprivate func range(ofText text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
