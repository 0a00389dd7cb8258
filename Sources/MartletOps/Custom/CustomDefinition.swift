// What stands behind a custom operation: closures and C, compared by identity.

import MartletIR
import MartletLoops

/// What a gradient of the user's own sees: see ``customGradient(_:of:gradient:file:line:)`` and
/// `CustomOperation`.
public struct CustomBackward {
  /// The operands, in order.
  public let inputs: [Tensor]
  /// What the operation gave.
  public let results: [Tensor]
  /// The cotangent of each result, of its type; zeros where nothing depends on it.
  public let cotangents: [Tensor]
}

/// A gradient of the user's own: for each operand its cotangent, of the operand's type, or nil where
/// none flows. It runs while tracing; what it records can be differentiated again.
public typealias CustomGradientRule = @Sendable (CustomBackward) -> [Tensor?]

/// A user's rule as the engine calls rules, with what it returns looked at.
package func checkedRule(_ name: String, _ rule: @escaping CustomGradientRule, skipping: Int = 0)
  -> @Sendable (VJP) -> [Tensor?]
{
  { v in
    let inputs = Array(v.inputs.dropFirst(skipping))
    let found = rule(
      CustomBackward(
        inputs: inputs, results: v.results,
        cotangents: zip(v.results, v.cotangents).map { $1 ?? zerosLike($0) }))
    func refused(_ message: String) {
      v.x.trace.report(
        CompileError(
          .customOperation, operation: name, message, operandTypes: inputs.map(\.type),
          at: v.x.trace.place, hint: "nil stands for an operand to which no gradient flows"))
    }
    if found.count != inputs.count {
      refused("the gradient gives \(found.count) cotangents for \(inputs.count) operands")
    }
    let checked = zip(found, inputs).map { cotangent, input -> Tensor? in
      guard let cotangent, cotangent.type != input.type else { return cotangent }
      // A poisoned tensor was reported where it arose.
      if cotangent.value != nil {
        refused("the gradient gives \(cotangent.type) for an operand of \(input.type)")
      }
      return nil
    }
    return [Tensor?](repeating: nil, count: skipping) + checked
  }
}

/// A custom operation. A class, so that it is told from another of the same name: closures cannot be
/// compared, so that only nodes of one definition are ever merged.
package final class CustomDefinition: Sendable {
  package let name: String
  package let code: ForeignKernel.Code
  /// Result types for operand types, or an error that says what is wrong.
  package let results: @Sendable ([TensorType]) throws -> [TensorType]
  /// How many units the kernel's range has.
  package let units: @Sendable ([TensorType], [TensorType]) -> Int
  package let isParallel: Bool
  package let gradient: Gradient
  package let reference: @Sendable ([HostArray]) throws -> [HostArray]

  package init(
    name: String, code: ForeignKernel.Code,
    results: @escaping @Sendable ([TensorType]) throws -> [TensorType],
    units: @escaping @Sendable ([TensorType], [TensorType]) -> Int, isParallel: Bool,
    gradient: Gradient, reference: @escaping @Sendable ([HostArray]) throws -> [HostArray]
  ) {
    self.name = name
    self.code = code
    self.results = results
    self.units = units
    self.isParallel = isParallel
    self.gradient = gradient
    self.reference = reference
  }

  /// Why this text cannot be the inside of a function (or of parentheses), or nil. Only for better
  /// messages: the text is compiled apart from everything else.
  package var mistake: String? {
    switch code {
    case .function: nil
    case .expression(let text): Brackets.mistake(in: text, isExpression: true)
    case .body(let text, let preamble):
      Brackets.mistake(in: text, isExpression: false)
        ?? Brackets.mistake(in: preamble, isExpression: false).map { "preamble: " + $0 }
    }
  }
}

/// Looks for brackets without a partner in C text, outside of strings and comments.
private enum Brackets {
  static func mistake(in text: String, isExpression: Bool) -> String? {
    var open: [(bracket: UInt8, line: Int)] = []
    var line = 1
    let bytes = Array(text.utf8)
    let partners: [UInt8: UInt8] = [0x29: 0x28, 0x5D: 0x5B, 0x7D: 0x7B]
    func sign(_ byte: UInt8) -> String { "'\(Character(Unicode.Scalar(byte)))'" }
    var index = 0
    func next() -> UInt8 { index + 1 < bytes.count ? bytes[index + 1] : 0 }
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0: return "line \(line): a zero byte"
      case 0x0A: line += 1
      case UInt8(ascii: "/") where next() == UInt8(ascii: "/"):
        while index + 1 < bytes.count, bytes[index + 1] != 0x0A { index += 1 }
      case UInt8(ascii: "/") where next() == UInt8(ascii: "*"):
        let start = line
        index += 2
        while index < bytes.count, !(bytes[index] == UInt8(ascii: "*") && next() == 0x2F) {
          if bytes[index] == 0x0A { line += 1 }
          index += 1
        }
        if index >= bytes.count { return "line \(start): a comment that does not end" }
        index += 1
      case 0x22, 0x27:
        let start = line
        index += 1
        while index < bytes.count, bytes[index] != byte, bytes[index] != 0x0A {
          index += bytes[index] == 0x5C ? 2 : 1
        }
        if index >= bytes.count || bytes[index] != byte {
          return "line \(start): a literal that does not end"
        }
      case 0x28, 0x5B, 0x7B: open.append((byte, line))
      case 0x29, 0x5D, 0x7D:
        guard let last = open.popLast(), last.bracket == partners[byte] else {
          return "line \(line): \(sign(byte)) closes nothing"
        }
      case UInt8(ascii: ";") where isExpression && open.isEmpty:
        return "line \(line): ';' in an expression"
      default: break
      }
      index += 1
    }
    return open.last.map { "line \($0.line): \(sign($0.bracket)) is never closed" }
  }
}
