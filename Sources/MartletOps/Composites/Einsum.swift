// Einstein summation: a string of axis letters becomes dots, products, sums and a transpose.

import MartletIR

/// Einstein summation: `einsum("bij,bjk->bik", x, y)`.
///
/// Each operand has a letter for each axis; letters of the result name the axes that stay, all
/// others are summed over. A letter twice in one operand takes its diagonal. Without `->` the
/// result has the letters that occur once, in alphabetical order. Several operands contract from
/// left to right, each pair by one general dot. Gradient: that of the products. Refused, with a
/// diagnostic: letters that do not fit the ranks, extents that differ under one letter, result
/// letters that are repeated or unknown.
public func einsum(
  _ equation: String, _ operands: Tensor..., file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  einsum(equation, operands, file: file, line: line)
}

/// The same over a list of operands.
public func einsum(
  _ equation: String, _ operands: [Tensor], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  guard let first = operands.first else {
    let trace = Trace.currentOrDetached
    trace.report(
      TypeError(op: "einsum", "needs at least one operand"), [], at: trace.location(file, line))
    return Tensor(trace: trace, value: nil, type: TensorType(.float32, []))
  }
  return composite(first, file, line) {
    do throws(TypeError) {
      let plan = try EinsumEquation(equation, operands.map(\.type))
      return plan.apply(operands)
    } catch {
      return refuse("einsum", error.message, operands, at: first.trace.place, hint: error.hint)
    }
  }
}

/// A parsed equation that fits its operands.
package struct EinsumEquation {
  package let inputs: [[Character]]
  package let output: [Character]

  package init(_ text: String, _ types: [TensorType]) throws(TypeError) {
    func fail(_ message: String, hint: String? = nil) -> TypeError {
      TypeError(op: "einsum", message, hint: hint)
    }
    let compact = text.filter { $0 != " " }
    var left = compact[...]
    var right: Substring?
    if let arrow = compact.firstIndex(of: "-") {
      let after = compact.index(after: arrow)
      guard after < compact.endIndex, compact[after] == ">" else {
        throw fail("'\(text)' has a '-' that begins no '->'")
      }
      left = compact[..<arrow]
      right = compact[compact.index(after: after)...]
    }
    inputs = left.split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    for letter in inputs.joined() + Array(right ?? "") {
      guard letter.isASCII, letter.isLetter else {
        throw fail("'\(letter)' in '\(text)' is no letter", hint: "write it like \"bij,bjk->bik\"")
      }
    }
    guard inputs.count == types.count else {
      throw fail("'\(text)' names \(inputs.count) operands, got \(types.count)")
    }
    var extents: [Character: Int] = [:]
    for (letters, type) in zip(inputs, types) {
      guard letters.count == type.shape.rank else {
        throw fail("'\(String(letters))' names \(letters.count) axes of \(type)")
      }
      guard type.dtype == types[0].dtype, type.dtype != .bool else {
        throw fail("the operands must have one dtype of numbers, got \(types[0]) and \(type)")
      }
      for (letter, extent) in zip(letters, type.shape.dimensions) {
        if let known = extents[letter], known != extent {
          throw fail("'\(letter)' stands for \(known) and for \(extent)")
        }
        extents[letter] = extent
      }
    }
    if let right {
      output = Array(right)
    } else {
      let all = Array(inputs.joined())
      output = Set(all).filter { letter in all.count { $0 == letter } == 1 }.sorted()
    }
    for (place, letter) in output.enumerated() {
      guard extents[letter] != nil else { throw fail("no operand has the result's '\(letter)'") }
      guard !output[..<place].contains(letter) else {
        throw fail("the result names '\(letter)' twice")
      }
    }
  }

  package func apply(_ operands: [Tensor]) -> Tensor {
    // Letters that later operands or the result still need.
    func needed(after index: Int) -> Set<Character> {
      Set(output).union(inputs[min(index + 1, inputs.count)...].joined())
    }
    var (total, letters) = diagonal(operands[0], inputs[0])
    (total, letters) = summed(total, letters, keeping: needed(after: 0))
    for index in operands.indices.dropFirst() {
      var (next, names) = diagonal(operands[index], inputs[index])
      let kept = needed(after: index)
      (next, names) = summed(next, names, keeping: kept.union(letters))
      (total, letters) = product(total, letters, next, names, keeping: kept)
    }
    let order = output.map { letters.firstIndex(of: $0) ?? 0 }
    return order == Array(letters.indices) ? total : total.transposed(order)
  }

  /// Takes the diagonal under each letter that stands twice: a select, then a sum over one of the
  /// axes.
  private func diagonal(_ x: Tensor, _ letters: [Character]) -> (Tensor, [Character]) {
    var (x, letters) = (x, letters)
    while let second = letters.indices.first(where: { letters[..<$0].contains(letters[$0]) }),
      let first = letters.firstIndex(of: letters[second])
    {
      let type = TensorType(.int32, x.shape)
      let isDiagonal = x.trace.iota(type, axis: first) .== x.trace.iota(type, axis: second)
      x = select(isDiagonal, x, 0).sum(axes: [second])
      letters.remove(at: second)
    }
    return (x, letters)
  }

  private func summed(
    _ x: Tensor, _ letters: [Character], keeping kept: Set<Character>
  ) -> (Tensor, [Character]) {
    let axes = letters.indices.filter { !kept.contains(letters[$0]) }
    return (x.sum(axes: axes), letters.filter { kept.contains($0) })
  }

  private func product(
    _ x: Tensor, _ a: [Character], _ y: Tensor, _ b: [Character], keeping kept: Set<Character>
  ) -> (Tensor, [Character]) {
    let shared = a.filter { b.contains($0) }
    let batch = shared.filter { kept.contains($0) }
    let contract = shared.filter { !kept.contains($0) }
    let (left, right) = (a.filter { !shared.contains($0) }, b.filter { !shared.contains($0) })
    let result = batch + left + right
    func axes(_ wanted: [Character], in letters: [Character]) -> [Int] {
      wanted.map { letters.firstIndex(of: $0) ?? 0 }
    }
    if contract.isEmpty {
      // Nothing is summed: a product with broadcasting, not a matrix product over one element.
      let shape = Shape(
        result.map { letter in
          a.firstIndex(of: letter).map { x.shape[$0] }
            ?? b.firstIndex(of: letter).map { y.shape[$0] } ?? 1
        })
      let spread = [(x, a), (y, b)].map { tensor, letters in
        record(Broadcast(shape: shape, axes: axes(letters, in: result)), tensor)
      }
      return (spread[0] * spread[1], result)
    }
    let dot = DotAxes(
      leftBatch: axes(batch, in: a), rightBatch: axes(batch, in: b),
      leftContract: axes(contract, in: a), rightContract: axes(contract, in: b))
    return (record(Dot(dot), x, y), result)
  }
}
