import MartletIR
import MartletLoops

/// Where the integer products read their weights: panels of 16 columns, in each the runs of the
/// filter, in each groups of four elements, `[16 columns][4]`; zeros where the filter ends.
///
/// A run is what lies side by side in an image: a row of the window with all its channels, or the
/// channels of one element of it, where the window is dilated. A matrix `[K, N]` is one run of K.
///
/// Few channels leave most of a panel empty. `share` outputs of a row then are columns of one product
/// over a longer run: each has the same weights, `shift` elements further down than the one before,
/// and zeros around them.
package struct PackedFilter: Hashable, Sendable {
  /// The runs, the elements of one and the columns, as the kernels see them.
  package var runs: Int
  package var run: Int
  package var columns: Int
  package var share: Int
  package var shift: Int

  /// The layout of weights `[runs, run, columns]`.
  package init(runs: Int, run: Int, columns: Int, share: Int = 1, shift: Int = 0) {
    self.runs = runs
    self.share = share
    self.shift = shift
    let (further, overflow) = (share - 1).multipliedReportingOverflow(by: shift)
    let (wider, tooWide) = run.addingReportingOverflow(further)
    let (all, tooMany) = columns.multipliedReportingOverflow(by: share)
    // No size fits numbers below zero.
    self.run = overflow || tooWide ? -1 : wider
    self.columns = tooMany ? -1 : all
  }

  /// What a convolution reads.
  package init(_ geometry: Conv2DGeometry, channels: Int, columns: Int, share: Int = 1) {
    let isDilated = geometry.dilations[1] != 1
    // Extents of files are below 2³¹, their channels may be any number: no size fits those.
    let isCountable = (0...Int(Int32.max)).contains(channels)
    self.init(
      runs: geometry.kernelHeight * (isDilated ? geometry.kernelWidth : 1),
      run: isCountable ? channels * (isDilated ? 1 : geometry.kernelWidth) : -1,
      columns: columns, share: share,
      shift: share == 1 || !isCountable ? 0 : geometry.strides[1] * channels)
  }

  /// How many outputs of a row best share the columns of a product: fewest loads and products an
  /// output, of tiles of eight rows, and the addressing of a run of each.
  package static func bestShare(
    _ geometry: Conv2DGeometry, channels: Int, columns: Int
  ) -> Int {
    guard geometry.dilations[1] == 1, columns > 0, columns <= 32, channels > 0 else { return 1 }
    var best = (share: 1, cost: Double.infinity)
    for share in 1...(64 / columns) where geometry.outputWidth % share == 0 {
      let layout = PackedFilter(geometry, channels: channels, columns: columns, share: share)
      guard let count = layout.count, share == 1 || count <= 16 << 10 else { break }
      let (groups, panels) = ((layout.run + 3) / 4, (layout.columns + 15) / 16)
      let cost = Double(groups * max(8 * panels, 8 + panels) + 8) / Double(share)
      if cost < best.cost { best = (share, cost) }
    }
    return best.share
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

  /// The bytes of the weights `[runs, run, columns]`, of one output, at their places.
  package func packed(_ weights: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count ?? 0)
    let (own, length, groups) = (columns / share, run - (share - 1) * shift, (run + 3) / 4)
    weights.withUnsafeBufferPointer { from in
      result.withUnsafeMutableBufferPointer { to in
        for output in 0..<share {
          // One panel after the other: what is written stays in the cache.
          var start = 0
          while start < own {
            let column = output * own + start
            let some = min(16 - column % 16, own - start)
            for t in 0..<runs {
              for k in 0..<length {
                let line = (t * length + k) * own + start
                let down = output * shift + k
                let panel = (column / 16 * runs + t) * groups
                let place = (panel + down / 4) * 64 + column % 16 * 4 + down % 4
                for c in 0..<some { to[place + 4 * c] = from[line + c] }
              }
            }
            start += some
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
  /// ``PackedFilter``'s.
  package var share: Int
  package var shift: Int
  package init(share: Int = 1, shift: Int = 0) {
    self.share = share
    self.shift = shift
  }
  package static let name = "packFilter"
  package var attributes: [Attribute] {
    [Attribute("share", .integer(share)), Attribute("shift", .integer(shift))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["share", "shift"])
    share = try attributes.integer("share")
    shift = try attributes.integer("shift")
  }
  package static let samples: [OpSample] = {
    let cases: [(Shape, PackFilter)] = [
      ([1, 4, 16], PackFilter()), ([3, 6, 5], PackFilter()), ([2, 9, 33], PackFilter()),
      ([1, 0, 3], PackFilter()), ([5, 5, 6], PackFilter(share: 4, shift: 1)),
      ([2, 6, 5], PackFilter(share: 7, shift: 3)), ([1, 3, 20], PackFilter(share: 2, shift: 6)),
    ]
    return cases.map {
      OpSample($1, [TensorType(.int8, $0)], [-128...127], isSmooth: false, ulp: 0)
    }
  }()

  private func layout(_ shape: Shape) -> PackedFilter {
    PackedFilter(
      runs: shape[0], run: shape[1], columns: shape[2], share: share, shift: shift)
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    let w = operands[0]
    guard w.dtype == .int8, w.shape.rank == 3 else {
      throw TypeError(op: name, "takes weights i8[runs, run, columns], got \(w)")
    }
    guard share >= 1, shift >= 0 else {
      throw TypeError(op: name, "no layout of \(share) outputs, \(shift) elements apart")
    }
    guard let count = layout(w.shape).count else {
      throw TypeError(op: name, "too many weights: \(w)")
    }
    return [TensorType(.int8, [count])]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer([inputs[0].type], [])[0]
    return [HostArray(type, bytes: layout(inputs[0].shape).packed(inputs[0].bytePatterns))]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      [
        RuntimeCall(
          "mt_integer_pack",
          [.table(operands[0].shape.dimensions + [share, shift]), .operand(0), .result(0)])
      ]
    }
  }
  package var gradient: Gradient { .none(because: "its elements are integers") }
}

extension Tensor {
  /// The weights `[…, K, N]` of an integer product as the kernels read them; `runs` of them.
  package func packedFilter(
    runs: Int, share: Int = 1, shift: Int = 0, at place: SourceLocation
  ) -> Tensor {
    let columns = shape.dimensions.last ?? 1
    let run = columns == 0 || runs == 0 ? 0 : count / columns / runs
    let layout = PackedFilter(
      runs: runs, run: run, columns: columns, share: share, shift: shift)
    let definition = value.flatMap { trace.graph.values[$0.id].node }
    let literal = definition.flatMap { (trace.graph.nodes[$0].op as? Constant)?.array }
    if let literal, literal.dtype == .int8, let count = layout.count {
      return trace.constant(
        HostArray(TensorType(.int8, [count]), bytes: layout.packed(literal.bytePatterns)))
    }
    return record(
      PackFilter(share: share, shift: shift), reshaped([runs, run, columns]), at: place)
  }
}
