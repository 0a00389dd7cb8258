// The kernel language: straight-line programs over tiles, printed as tiles or as scalars.

import MartletIR

/// One kernel: a straight-line program over a domain of `rows × cols` elements.
///
/// A kernel works on whole rows, a block of them at a time, so a value of level `full` is a dense
/// tile of (rows in the block) × cols elements, `row` one element a row of the block, `column` one
/// a column (computed once a call), `scalar` a single one (once a call). A chain without rows of
/// its own has `cols == 1`: units are then flat elements and the tile length is the printer's choice.
///
///     rows 64, cols 10                         softmax over the last axis
///     t0 = load b0 flat          full
///     t1 = reduceRow max t0      row
///     t2 = sub t0 (expand t1)    full
package struct TileProgram: Hashable, Sendable {
  package enum Level: UInt8, Hashable, Sendable {
    case scalar, row, column, full

    /// The level of an elementwise result over operands of these levels.
    package func joined(_ other: Level) -> Level {
      if self == other || other == .scalar { return self }
      if self == .scalar { return other }
      return .full
    }
  }

  package enum Access: Hashable, Sendable {
    /// Domain index i lies at element i (`full`), or row r at element r (`row`).
    case flat
    /// Column c of every row lies at element c (level `column`).
    case column
    /// One element (level `scalar`).
    case scalar
    /// Through an index map over the flat domain (`full`) or over the rows (`row`).
    case view(IndexMap)
    /// A padded read over the flat domain; the fill is a scalar-level value.
    case pad(PadMap, fill: Int)
  }

  package enum Operation: Hashable, Sendable {
    case literal(Double)
    case integerLiteral(Int64)
    case load(buffer: Int, Access)
    case unary(UnaryFunction, Int)
    case binary(BinaryFunction, Int, Int)
    case compare(Comparison, Int, Int)
    case select(Int, Int, Int)
    case convert(Int)
    /// Combines the elements of each row, in the runtime's fixed order: full → row.
    case reduceRow(ReduceFunction, Int)
    /// The column index of each row's first maximum (or minimum): full → row, i32.
    case argRow(ReduceFunction, Int)
    /// `((flat index) / inner) % size` at level full (over the domain), row (over rows) or column.
    case iota(inner: Int, size: Int)
    /// A draw at the flat index (level full; level row: at the row). Seed and step are i64 scalars.
    case random(RandomDistribution, seed: Int, step: Int, stream: Int)
    /// Writes a value: full at its flat index, row at its row, column at its column, scalar at 0.
    /// Column and scalar stores are done once, by the range that holds unit 0.
    case store(buffer: Int, Int)
    /// Combines rows of a block's value into `cols` accumulators, rows ascending, one set for each
    /// unit of `chunkRows` rows; written to row `unit` of the buffer (partials [units, cols]).
    case reduceColumn(ReduceFunction, buffer: Int, Int)
    /// A superinstruction of the runtime; operands in its order. Made by the peephole only.
    case fused(String, [Int])
  }

  package struct Instruction: Hashable, Sendable {
    package var operation: Operation
    package var dtype: DType
    package var level: Level
    package init(_ operation: Operation, _ dtype: DType, _ level: Level) {
      self.operation = operation
      self.dtype = dtype
      self.level = level
    }
  }

  package struct Buffer: Hashable, Sendable {
    package enum Role: Hashable, Sendable { case input, output, inout_ }
    package var dtype: DType
    package var role: Role
    /// An output larger than the caches, which its stores should go past.
    package var isStreamed = false
    /// For the comment and the C name; not part of a kernel's identity.
    package var label: String
    package init(_ dtype: DType, _ role: Role, label: String) {
      self.dtype = dtype
      self.role = role
      self.label = label
    }
    package static func == (a: Buffer, b: Buffer) -> Bool {
      a.dtype == b.dtype && a.role == b.role && a.isStreamed == b.isStreamed
    }
    package func hash(into hasher: inout Hasher) {
      hasher.combine(dtype)
      hasher.combine(role)
      hasher.combine(isStreamed)
    }
  }

  /// Columns of the domain; 1 for a flat chain.
  package var cols: Int
  /// With column reductions: rows in one unit (partials are per unit). Otherwise 1: a unit is a row.
  package var chunkRows: Int
  /// Rows of the domain. Printed only where `chunkRows > 1` or `lastCols` needs it.
  package var rows: Int
  /// Columns of the last row when the domain is a cut flat array (`cols` otherwise); only reductions
  /// of long flat arrays use it, with one row in a block.
  package var lastCols: Int
  /// Inputs come from memory: the next tile's are asked for while this one is computed.
  package var fetchesAhead = false
  package var buffers: [Buffer]
  /// SSA: instruction i defines value i (stores define nothing readable).
  package var instructions: [Instruction]

  package init(rows: Int, cols: Int) {
    self.rows = rows
    self.cols = cols
    chunkRows = 1
    lastCols = cols
    buffers = []
    instructions = []
  }

  package mutating func append(_ operation: Operation, _ dtype: DType, _ level: Level) -> Int {
    instructions.append(Instruction(operation, dtype, level))
    return instructions.count - 1
  }

  package mutating func addBuffer(_ buffer: Buffer) -> Int {
    buffers.append(buffer)
    return buffers.count - 1
  }

  /// Units that the schedule splits over threads.
  package var units: Int { (rows + chunkRows - 1) / max(1, chunkRows) }
}
extension TileProgram.Operation {
  /// The values that this reads, in order.
  package var operands: [Int] {
    switch self {
    case .literal, .integerLiteral, .iota: []
    case .load(_, .pad(_, let fill)): [fill]
    case .load: []
    case .unary(_, let a), .convert(let a), .reduceRow(_, let a), .argRow(_, let a): [a]
    case .binary(_, let a, let b), .compare(_, let a, let b): [a, b]
    case .select(let c, let a, let b): [c, a, b]
    case .random(_, let seed, let step, _): [seed, step]
    case .store(_, let a), .reduceColumn(_, _, let a): [a]
    case .fused(_, let operands): operands
    }
  }
}
