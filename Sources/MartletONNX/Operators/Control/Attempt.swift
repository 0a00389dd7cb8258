// Bodies of loops and branches as closures of Martlet's own functions: an attempt, because a body may
// need values that are known only when it is unrolled.

import MartletOps

/// What goes wrong in the closures of an attempt.
final class Attempt {
  fileprivate(set) var error: (any Error)?
  private let importer: Importer
  fileprivate init(_ importer: Importer) { self.importer = importer }

  /// A closure that records in the running trace; after an error it returns nothing.
  func closure(_ body: @escaping () throws -> [Tensor]) -> () -> [Tensor] {
    let inner = closure { (_: Void) in try body() }
    return { inner(()) ?? [] }
  }

  /// The same for a closure of some argument; nil after an error.
  func closure<Argument, Result>(
    _ body: @escaping (Argument) throws -> Result
  ) -> (Argument) -> Result? {
    return { argument in
      guard self.error == nil, let trace = Trace.current else { return nil }
      let outer = self.importer.trace
      self.importer.trace = trace
      defer { self.importer.trace = outer }
      do {
        return try body(argument)
      } catch {
        self.error = error
        return nil
      }
    }
  }
}

extension NodeContext {
  /// Runs `body`; nil, and nothing reported, if one of its closures threw or an operation refused.
  func attempt<T>(_ body: (Attempt) -> T) -> T? {
    let attempt = Attempt(importer)
    let count = trace.diagnostics.count
    let result = body(attempt)
    guard attempt.error == nil, trace.diagnostics.count == count else {
      trace.withdraw(diagnosticsAfter: count)
      return nil
    }
    return result
  }

  /// The types of a list of values, if all are tensors that a loop can carry.
  func tensors(_ values: [ONNXValue]) -> [Tensor]? {
    let made = values.compactMap { value -> Tensor? in
      switch value {
      case .tensor(let x, _): x
      case .constant(let x): x.array.map { trace.constant($0) }
      default: nil
      }
    }
    return made.count == values.count ? made : nil
  }
}

extension ONNXValue {
  /// A tensor of the trace with the element type of another value.
  static func like(_ type: ElementType?, _ tensor: Tensor) -> ONNXValue {
    .tensor(tensor, as: type.flatMap { $0.isNative ? nil : $0 })
  }
}
