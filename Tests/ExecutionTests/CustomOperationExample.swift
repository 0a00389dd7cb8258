// The code of docs/custom-operations.md, so that it compiles and runs as it stands there.

import Foundation
import MartletExecution
import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

// docs: expression
let softplusC = CustomOperation(
  "softplus", code: .expression("fmaxf(x0, 0) + log1pf(expf(-fabsf(x0)))"),
  gradient: .rule { b in [b.cotangents[0] * sigmoid(b.inputs[0])] },
  reference: { x in
    let y = x[0].floats.map { max($0, 0) + Float(log1p(exp(-abs(Double($0))))) }
    return [try NDArray(y, shape: x[0].shape)]
  })

// docs: kernel
let cumulativeMax = CustomOperation(
  "cumulativeMax",
  code: .kernel(
    """
    const long n = x0_shape[1];
    for (long row = begin; row < end; ++row) {
      long place = 0;
      for (long i = 0; i < n; ++i) {
        if (x0[row * n + i] > x0[row * n + place]) place = i;
        y0[row * n + i] = x0[row * n + place];
        y1[row * n + i] = (int)(row * n + place);
      }
    }
    """),
  results: { types in
    guard types.count == 1, types[0].dtype == .float32, types[0].shape.rank == 2 else {
      throw CumulativeMaxError.takesOneMatrix
    }
    return [types[0], TensorType(.int32, types[0].shape)]
  },
  units: { operands, _ in operands[0].shape[0] },
  gradient: .rule { b in
    // Each cotangent goes to the element that was the largest so far.
    let places = b.results[1].reshaped([b.inputs[0].count])
    let dy = b.cotangents[0].reshaped([b.inputs[0].count])
    return [scatterAdd(zerosLike(dy), places, dy).reshaped(b.inputs[0].shape)]
  },
  reference: { x in
    let (n, values) = (x[0].shape[1], x[0].floats)
    var places: [Int32] = []
    for index in values.indices {
      let last = index % n == 0 ? index : Int(places[index - 1])
      places.append(Int32(values[index] > values[last] ? index : last))
    }
    return [
      try NDArray(places.map { values[Int($0)] }, shape: x[0].shape),
      try NDArray(places, shape: x[0].shape),
    ]
  })

enum CumulativeMaxError: Error { case takesOneMatrix }

// docs: function
let reversedBits = CustomOperation(
  "reversedBits",
  code: .function { pointers, begin, end, _ in
    guard let x = pointers?[0], let y = pointers?[1] else { return }
    let source = x.assumingMemoryBound(to: UInt32.self)
    let target = y.assumingMemoryBound(to: UInt32.self)
    for index in begin..<end {
      var (bits, reversed) = (source[index], UInt32(0))
      for _ in 0..<32 {
        reversed = reversed << 1 | bits & 1
        bits >>= 1
      }
      target[index] = reversed
    }
  },
  gradient: .none(because: "bits do not move smoothly"),
  reference: { x in
    let y = try x[0].elements(as: Int32.self).map { value -> Int32 in
      let bits = UInt32(bitPattern: value)
      return Int32(bitPattern: (0..<32).reduce(0) { $0 | (bits >> $1 & 1) << (31 - $1) })
    }
    return [try NDArray(y, shape: x[0].shape)]
  })

// docs: composite
func roundStraightThrough(_ x: Tensor) -> Tensor {
  customGradient([x], of: { [round($0[0])] }, gradient: { b in [b.cotangents[0]] })[0]
}
// docs: end

@Suite struct CustomOperationExampleTests {
  @Test func theDocumentsCodeIsThisCode() throws {
    let file = URL(filePath: #filePath)
    let source = try String(contentsOf: file, encoding: .utf8)
    let root = file.deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(
      contentsOf: root.appending(path: "docs/custom-operations.md"), encoding: .utf8)
    let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    #expect(blocks.count == 4)
    for block in blocks { #expect(source.contains(block), "\(block)") }
  }

  @Test func theExamplesAgreeWithTheirReferences() throws {
    let options = try testOptions(threads: 2)
    let x = try NDArray((0..<60).map { Float(($0 * 37) % 41) / 4 - 5 }, shape: [5, 12])
    let f = try compile(TensorSpec([5, 12]), options: options) { x in
      softplusC(roundStraightThrough(x))
    }
    let rounded = try NDArray(x.floats.map { $0.rounded(.toNearestOrEven) }, shape: x.shape)
    let exact = try softplusC.definition.reference([rounded.hostArray])[0]
    #expect(difference(try f(x).hostArray, exact, ulp: 4) == nil)
    let slope = try compile(TensorSpec([5, 12]), options: options) { x in
      gradients(of: softplusC(roundStraightThrough(x)).sum(), wrt: [x])[0]
    }
    for (a, b) in zip(try slope(x).floats, rounded.floats) {
      #expect(abs(a - 1 / (1 + exp(-b))) < 1e-6)
    }
    let largest = try compile(TensorSpec([5, 12]), options: options) { x in
      gradients(of: cumulativeMax(x).sum(), wrt: [x])[0]
    }
    let places = try cumulativeMax.definition.reference([x.hostArray])[1].integers
    let counts = (0..<60).map { place in Float(places.count { Int($0) == place }) }
    #expect(try largest(x).floats == counts)
    let bits = try compile(TensorSpec([4], .int32), options: options) { reversedBits($0) }
    let values: [Int32] = [1, 2, -1, 0x1234_5678]
    #expect(
      try bits(try NDArray(values)).elements(as: Int32.self)
        == [Int32.min, 0x4000_0000, -1, 0x1E6A_2C48])
  }
}
