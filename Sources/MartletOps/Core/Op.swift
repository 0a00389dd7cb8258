// The contract of an operation. Forgetting a rule does not compile.

import MartletIR
import MartletLoops

/// An operation: type rule, oracle, lowering, gradient and samples, all in one file.
package protocol Op: Operation {
  /// Operand types and value ranges that drive conformance, gradient and fuzz tests.
  static var samples: [OpSample] { get }
  /// The oracle: slow, obvious, exact to the dtype (floats round once an operation).
  /// Called only with operands that `infer` accepted.
  func evaluate(_ inputs: [HostArray], _ regions: [Graph]) throws(TypeError) -> [HostArray]
  /// How fusion and code generation see the operation.
  var lowering: Lowering { get }
  /// The reverse-mode derivative, or why there is none.
  var gradient: Gradient { get }
  /// How tangents pass through; by default what the lowering says of it.
  var forward: ForwardRule { get }
}

/// How forward mode takes tangents through an operation.
package enum ForwardRule: Hashable, Sendable {
  /// The Jacobian is diagonal, hence its own transpose: the gradient rule, given an operand's
  /// tangent for the cotangent, gives that operand's share of the result's tangent.
  case elementwise
  /// Linear in these operands together: the operation itself over their tangents, with zeros for
  /// those that have none; the other operands as they are.
  case linear(in: Range<Int>)
  /// Linear in each operand: the sum of the operation with one operand replaced by its tangent.
  case multilinear
  /// The gradient rule, which is linear in the cotangents, transposed by differentiating it.
  case transposed
}

extension Op {
  package var forward: ForwardRule {
    switch lowering {
    case .elementwise: .elementwise
    case .view, .reduction(.sum, _): .linear(in: 0..<1)
    case .pad: .linear(in: 0..<2)
    case .contraction: .multilinear
    default: .transposed
    }
  }
}

/// Fusion looks only at the case, never at an operation's name.
package enum Lowering: Sendable {
  /// Element i of the one result from elements i of the operands (all of the result's shape).
  case elementwise(ScalarExpr)
  /// Element i of the one result is an element of the one operand.
  case view(@Sendable (_ operand: TensorType, _ result: TensorType) -> IndexMap)
  /// Operand 0 padded with the scalar operand 1.
  case pad(@Sendable (_ operand: TensorType, _ result: TensorType) -> PadMap)
  /// Combines over these axes, which the result lacks.
  case reduction(ReduceFunction, axes: [Int])
  /// The i32 index of the first extreme along an axis, which the result lacks.
  case argReduction(ReduceFunction, axis: Int)
  /// Contracts two operands; the runtime's GEMM or convolution, with an epilogue.
  case contraction(Contraction)
  /// The index along an axis of the result.
  case iota(axis: Int)
  /// A draw at each flat index from operands (seed, step), both i64 scalars.
  case random(RandomDistribution, stream: Int)
  /// A literal array.
  case constant(HostArray)
  /// The operand itself.
  case identity
  /// Calls of the runtime, in order. Operands and results are dense.
  case call(@Sendable (_ operands: [TensorType], _ results: [TensorType]) -> [RuntimeCall])
  /// The body graph in region 0, applied to the operands.
  case inlined
  /// Body graphs that become regions of the schedule: loops and branches.
  case region(RegionForm)
}

/// How body graphs run.
package enum RegionForm: Hashable, Sendable {
  /// Region 0 for each of `length` steps. Operands: carries, scanned inputs, constants.
  case scan(length: Int, carries: Int, scanned: Int, isReversed: Bool)
  /// Region 1 as long as region 0 gives true. Operands: carries, constants.
  case whileLoop(maximum: Int, carries: Int)
  /// Region 0 where operand 0 is true, else region 1; both over the other operands.
  case conditional
}

/// A contraction that the runtime knows.
package enum Contraction: Hashable, Sendable {
  /// General dot: batch and contracted axes of both sides; result axes are batch, left, right.
  case dot(DotAxes)
  /// NHWC input, HWIO filter → NHWC output.
  case conv2d(Conv2DGeometry)
  /// Cotangent of the output, filter → cotangent of the input.
  case conv2dInputGradient(Conv2DGeometry)
  /// Input, cotangent of the output → cotangent of the filter.
  case conv2dFilterGradient(Conv2DGeometry)
  /// u8 by packed i8 → i32.
  case integerDot(columns: Int)
  /// NHWC u8 by packed i8 → i32; `zero` stands around the images. The largest sums of windows.
  case integerConv2d(Conv2DGeometry, columns: Int, zero: Int, share: Int, windows: [Int])
}

/// One call of the runtime: `symbol(cx, arguments…)`.
package struct RuntimeCall: Hashable, Sendable {
  package enum Argument: Hashable, Sendable {
    case table([Int])
    case operand(Int)
    case result(Int)
    case integer(Int)
  }
  /// A kernel of the user's over all operands and results, in place of a runtime function.
  package struct Foreign: Hashable, Sendable {
    package var kernel: ForeignKernel
    package var units: Int
    /// Units below which the range is not split.
    package var grain: Int
  }
  package var symbol: String
  package var arguments: [Argument]
  package var foreign: Foreign?
  /// Multiply-adds × 2, for the reports.
  package var flops = 0
  /// Whether the call copies the whole of operand 0 to result 0.
  package var copiesBase: Bool {
    guard symbol == "mt_copy_rows", arguments.count == 3, case .table(let s) = arguments[0] else {
      return false
    }
    return arguments[1...] == [.operand(0), .result(0)] && s.count == 5 && s[0] == 1 && s[4] == 0
  }
  package init(_ symbol: String, _ arguments: [Argument]) {
    self.symbol = symbol
    self.arguments = arguments
  }
  package init(foreign kernel: ForeignKernel, units: Int, grain: Int) {
    self.init("", [])
    foreign = Foreign(kernel: kernel, units: units, grain: grain)
    arguments =
      kernel.operands.indices.map { .operand($0) } + kernel.results.indices.map { .result($0) }
  }
}

/// How an operation differentiates.
package enum Gradient: Sendable {
  /// Cotangents of the operands from those of the results; nil where none flows.
  case rule(@Sendable (VJP) -> [Tensor?])
  case none(because: String)
  /// The derivative of the body graph in region 0.
  case inlined
}

/// What a gradient rule sees. All tensors live in the trace that is being extended.
package struct VJP {
  package let inputs: [Tensor]
  package let results: [Tensor]
  /// One for each result; nil where nothing depends on it.
  package let cotangents: [Tensor?]
  package let regions: [Graph]
  /// The engine itself, for operations with bodies: cotangents of `wrt` for those of `outputs`.
  package let pullback: Pullback
  package typealias Pullback =
    @Sendable (_ outputs: [Tensor], _ cotangents: [Tensor], _ wrt: [Tensor]) -> [Tensor]

  package init(
    inputs: [Tensor], results: [Tensor], cotangents: [Tensor?], regions: [Graph],
    pullback: @escaping Pullback
  ) {
    self.inputs = inputs
    self.results = results
    self.cotangents = cotangents
    self.regions = regions
    self.pullback = pullback
  }

  package var x: Tensor { inputs[0] }
  package var y: Tensor { results[0] }
  /// The cotangent of the first result (zeros if nothing depends on it).
  package var dy: Tensor { cotangents[0] ?? zerosLike(results[0]) }
}

/// Operand types for an operation, with ranges from which tests draw values.
package struct OpSample: Sendable {
  package var op: any Op
  package var operands: [TensorType]
  /// One for each operand; integers and bools are drawn from it too.
  package var ranges: [ClosedRange<Double>]
  package var regions: [Graph] = []
  /// False where the result jumps inside the range (sign, comparison), so that differences lie.
  package var isSmooth = true
  /// Largest allowed error of the compiled result against the oracle, in units of the last place
  /// of the result's largest magnitude (contractions, sums) or of each element (elementwise).
  package var ulp: Double = 4

  package init(
    _ op: any Op, _ operands: [TensorType], _ ranges: [ClosedRange<Double>], regions: [Graph] = [],
    isSmooth: Bool = true, ulp: Double = 4
  ) {
    self.op = op
    self.operands = operands
    self.ranges = ranges
    self.regions = regions
    self.isSmooth = isSmooth
    self.ulp = ulp
  }
}
