import MartletIR
import MartletOps

/// Einstein's sums. https://onnx.ai/onnx/operators/onnx__Einsum.html
struct Einsum: Operator {
  static let name = "Einsum"
  static let since = 12

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let operands = try node.tensors()
    let equation = try node.string("equation", default: "").filter { $0 != " " }
    return [.tensor(einsum(try spelledOut(equation, operands, node), operands))]
  }

  /// The equation with letters in the place of `...`, as many as an operand has axes left.
  private static func spelledOut(
    _ equation: String, _ operands: [Tensor], _ node: NodeContext
  ) throws -> String {
    guard equation.hasText("...") else { return equation }
    let sides = equation.replacing("...", with: ".").split(
      separator: "->", omittingEmptySubsequences: false)
    let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false)
    guard sides.count <= 2, terms.count == operands.count else {
      throw node.invalid("the equation '\(printable(equation))' for \(operands.count) operands")
    }
    let free = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".filter {
      !equation.contains($0)
    }
    var widest = 0
    for (term, operand) in zip(terms, operands) where term.utf8.contains(UInt8(ascii: ".")) {
      widest = max(widest, operand.rank - (term.count - 1))
    }
    guard widest <= free.count else { throw node.invalid("too many axes for letters") }
    let letters = String(free.prefix(widest))
    let inputs = zip(terms, operands).map { term, operand in
      String(term).replacing(".", with: letters.suffix(max(0, operand.rank - (term.count - 1))))
    }
    let output: String
    if sides.count == 2 {
      output = String(sides[1]).replacing(".", with: letters)
    } else {
      // Without a result: the axes of `...`, then the letters that occur once.
      let named = String(sides[0]).filter(\.isLetter)
      output =
        letters + String(named.filter { one in named.filter { $0 == one }.count == 1 }.sorted())
    }
    return inputs.joined(separator: ",") + "->" + output
  }
}
