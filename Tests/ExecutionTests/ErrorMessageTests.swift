// The exact text of the messages that users meet most: what, where, got, expected, hint.

import MartletExecution
import MartletIR
import MartletJIT
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The message of the error that `body` throws, with line numbers of test files replaced.
private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    let text = "\(error)".split(separator: "\n", omittingEmptySubsequences: false).map { line in
      guard let colon = line.range(of: ".swift:") else { return String(line) }
      return line[..<colon.upperBound] + "LINE" + line[colon.upperBound...].drop { $0.isNumber }
    }
    #expect(text.count <= 6, "\(text.count) lines")
    return text.joined(separator: "\n")
  }
}

extension Substring {
  fileprivate func range(of text: String) -> Range<Index>? {
    indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
  }
}

private struct Mismatched: Layer {
  let hidden = Linear(784, 128)
  let output = Linear(64, 10)
  func callAsFunction(_ x: Tensor) -> Tensor { output(relu(hidden(x))) }
}

@Test func innerSizesInALayer() throws {
  let model = Mismatched()
  _ = model.parameters
  let text = message {
    _ = try compile(TensorSpec([32, 784]), options: testOptions()) { softmax(model($0)) }
  }
  #expect(
    text == """
      dot: inner sizes differ: f32[32,128] · f32[64,10]   (128 ≠ 64)
        in output
        hint: Linear(128, 10) takes this input
      """)
}

@Test func innerSizesOutsideOfLayers() throws {
  let text = message {
    _ = try compile(TensorSpec([32, 784]), TensorSpec([10, 5]), options: testOptions()) {
      matmul($0, $1)
    }
  }
  #expect(
    text == """
      dot: inner sizes differ: f32[32,784] · f32[10,5]   (784 ≠ 10)
        ExecutionTests/ErrorMessageTests.swift:LINE
        hint: the last extent of the left side must equal the first of the right side
      """)
}

@Test func mixedDTypes() throws {
  let text = message {
    _ = try compile(TensorSpec([4]), TensorSpec([4], .int32), options: testOptions()) { $0 + $1 }
  }
  #expect(
    text == """
      add: dtypes differ: f32[4] and i32[4]
        hint: convert one of them: x.converted(to: .float32)
      """)
}

@Test func shapesThatDoNotBroadcast() throws {
  let text = message {
    _ = try compile(TensorSpec([4, 3]), TensorSpec([4]), options: testOptions()) { a, b in
      let sum = a + b
      return sum * (a - b)
    }
  }
  #expect(
    text == """
      add: shapes [4,3] and [4] do not broadcast — got f32[4,3], f32[4]
        hint: trailing extents must be equal or 1
        and 1 more
      """)
}

@Test func unknownPassName() throws {
  let text = message {
    var options = try CompileOptions()
    try options.disable(["fusion"], source: "MARTLET_DISABLE")
  }
  #expect(
    text == """
      MARTLET_DISABLE: unknown value 'fusion'
        hint: expected one of dce, loops, canonicalize, stabilize, fold, simplify, cse, fuse, winograd, schedule, plan
      """)
}

@Test func labelOutOfRange() throws {
  let step = try smallStep(Small())
  let text = message { _ = try step(try smallInput(4), try NDArray([0 as Int32, 1, 7, 0])) }
  let lines = text.split(separator: "\n")
  #expect(lines.count == 3 && lines[0] == "input 'labels': 7 at position 2 is outside of 0 ..< 2")
  // The program, and the line that reads the labels.
  #expect(lines[1].hasPrefix("  in Small   ExecutionTests/"))
  #expect(lines[2] == "  hint: labels and indices count from 0")
}

@Test func wrongBatchAtCall() throws {
  let step = try smallStep(Small())
  let text = message { _ = try step(try smallInput(3), try smallLabels(4)) }
  #expect(
    text == """
      input 'x': got f32[3,3], expected f32[4,3]
        in Small
        hint: another batch size is another program: see resized(batch:)
      """)
}

@Test func wrongDTypeAtCall() throws {
  let step = try smallStep(Small())
  let text = message { _ = try step(try NDArray(zeros: [4, 3], .float64), try smallLabels(4)) }
  #expect(
    text == """
      input 'x': got f64[4,3], expected f32[4,3]
        in Small
        hint: no dtype is converted silently: pass an array of f32
      """)
}

@Test func wrongNumberOfInputs() throws {
  let step = try smallStep(Small())
  let text = message { _ = try step(try smallInput(4)) }
  #expect(
    text == """
      the program takes 3 inputs, got 2
        in Small
        hint: inputs: x f32[4,3], labels i32[4], learningRate f32[]
      """)
}

@Test func shapeThatOverflows() throws {
  let text = message {
    _ = try compile(
      TensorSpec([1 << 40, 1 << 40], name: "images"), options: testOptions()
    ) { $0 + 1 }
  }
  #expect(
    text == """
      argument: the shape [1099511627776,1099511627776] has a negative extent or too many elements
        in images
      """)
}

@Test func tensorOfATraceThatEnded() throws {
  var kept: Tensor?
  _ = try compile(TensorSpec([2]), options: testOptions()) {
    kept = $0
    return $0
  }
  let stale = try #require(kept)
  let text = message { _ = try compile(TensorSpec([2]), options: testOptions()) { $0 + stale } }
  #expect(
    text == """
      add: an operand belongs to another trace — got f32[2], f32[2]
        hint: a Tensor lives in the closure given to compile; pass data in as an argument
      """)
}

@Test func busyState() throws {
  let model = Small()
  let step = try smallStep(model)
  let block = try #require(model.hidden.weight.variable.block)
  try block.beginReading()
  defer { block.endReading() }
  let text = message { _ = try step(try smallInput(4), try smallLabels(4)) }
  #expect(
    text == """
      the model's state is in use by another session
        hint: train from one session at a time; predictions may run together
      """)
}

@Test func refusedCNamesItsLines() throws {
  let jit = JITError(
    .compileFailed, "libtcc: martlet.c:12:5: error: ';' expected",
    lines: [
      JITError.Line(number: 12, text: "  float x = 1", function: "k07"),
      JITError.Line(number: 13, text: "}", function: nil),
    ], hint: "the emitted C is wrong: please report it with the text of MARTLET_DUMP=dir")
  let text = message { throw CompileError(.machineCode, jit) }
  #expect(
    text == """
      libtcc: martlet.c:12:5: error: ';' expected
        line 12 in k07: float x = 1
        line 13: }
        hint: the emitted C is wrong: please report it with the text of MARTLET_DUMP=dir
      """)
}

@Test func notDifferentiable() throws {
  let text = message {
    let model = Small()
    _ = try compile(
      training: model, with: SGD(), TensorSpec([4, 3]), TensorSpec([4, 2]), options: testOptions()
    ) { x, y in model(x) - y }
  }
  #expect(text.hasPrefix("gradient"), "\(text)")
}
