import MartletIR
import MartletLoops

/// Where the integer products read their weights: panels of 16 columns, in each the runs of the
/// filter, in each groups of four elements, `[16 columns][4]`; zeros where the filter ends.
///
/// A run is what lies side by side in an image: a row of the window with all its channels, or the
/// channels of one element of it, where the window is dilated. A matrix `[K, N]` is one run of K.
package struct PackedFilter: Hashable, Sendable {
  package var runs: Int
  package var run: Int
  package var columns: Int

  package init(runs: Int, run: Int, columns: Int) {
    self.runs = runs
    self.run = run
    self.columns = columns
  }

  /// What a convolution reads.
  package init(_ geometry: Conv2DGeometry, channels: Int, columns: Int) {
    let isDilated = geometry.dilations[1] != 1
    runs = geometry.kernelHeight * (isDilated ? geometry.kernelWidth : 1)
    run = channels * (isDilated ? 1 : geometry.kernelWidth)
    self.columns = columns
  }

  /// The number of bytes; nil where it overflows.
  package var count: Int? {
    guard runs >= 0, run >= 0, columns >= 0 else { return nil }
    let panels = columns / 16 + (columns % 16 == 0 ? 0 : 1)
    let groups = run / 4 + (run % 4 == 0 ? 0 : 1)
    var total = 64
    for factor in [panels, runs, groups] {
      let (product, overflow) = total.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      total = product
    }
    return total
  }

  /// The place of an element of a run.
  package func place(_ t: Int, _ k: Int, _ column: Int) -> Int {
    let groups = (run + 3) / 4
    return (((column / 16 * runs + t) * groups + k / 4) * 16 + column % 16) * 4 + k % 4
  }

  /// The bytes of `[runs, run, columns]` at their places.
  package func packed(_ weights: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count ?? 0)
    let panel = runs * ((run + 3) / 4) * 64
    weights.withUnsafeBufferPointer { from in
      result.withUnsafeMutableBufferPointer { to in
        // One panel after the other: what is written stays in the cache.
        for start in stride(from: 0, to: columns, by: 16) {
          for t in 0..<runs {
            for k in 0..<run {
              let line = (t * run + k) * columns + start
              let place = start / 16 * panel + (t * ((run + 3) / 4) + k / 4) * 64 + k % 4
              for c in 0..<min(16, columns - start) { to[place + 4 * c] = from[line + c] }
            }
          }
        }
      }
    }
    return result
  }
}

/// The weights of an integer product, `[runs, run, columns]` of i8, as the kernels read them:
/// ``PackedFilter``. Literal weights are packed while tracing.
///
/// No gradient: the elements are integers.
package struct PackFilter: Op {
  package init() {}
  package static let name = "packFilter"
  package init(_ attributes: AttributeReader) throws(TypeError) { try attributes.allow([]) }
  package static let samples: [OpSample] =
    ([[1, 4, 16], [3, 6, 5], [2, 9, 33], [1, 0, 3]] as [Shape])
    .map { OpSample(PackFilter(), [TensorType(.int8, $0)], [-128...127], isSmooth: false, ulp: 0) }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    let w = operands[0]
    guard w.dtype == .int8, w.shape.rank == 3 else {
      throw TypeError(op: name, "takes weights i8[runs, run, columns], got \(w)")
    }
    guard
      let count = PackedFilter(runs: w.shape[0], run: w.shape[1], columns: w.shape[2]).count
    else { throw TypeError(op: name, "too many weights: \(w)") }
    return [TensorType(.int8, [count])]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let shape = inputs[0].shape
    let type = try infer([inputs[0].type], [])[0]
    let layout = PackedFilter(runs: shape[0], run: shape[1], columns: shape[2])
    return [HostArray(type, bytes: layout.packed(inputs[0].bytePatterns))]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      [
        RuntimeCall(
          "mt_integer_pack", [.table(operands[0].shape.dimensions), .operand(0), .result(0)])
      ]
    }
  }
  package var gradient: Gradient { .none(because: "its elements are integers") }
}

extension Tensor {
  /// The weights `[…, K, N]` of an integer product as the kernels read them; `runs` of them.
  package func packedFilter(runs: Int, at place: SourceLocation) -> Tensor {
    let columns = shape.dimensions.last ?? 1
    let layout = PackedFilter(
      runs: runs, run: columns == 0 || runs == 0 ? 0 : count / columns / runs, columns: columns)
    let definition = value.flatMap { trace.graph.values[$0.id].node }
    let literal = definition.flatMap { (trace.graph.nodes[$0].op as? Constant)?.array }
    if let literal, literal.dtype == .int8, let count = layout.count {
      return trace.constant(
        HostArray(TensorType(.int8, [count]), bytes: layout.packed(literal.bytePatterns)))
    }
    return record(
      PackFilter(), reshaped([layout.runs, layout.run, layout.columns]), at: place)
  }
}
