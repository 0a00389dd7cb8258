// Tile code: a kernel as a list of primitive calls over virtual tiles, between lowering and text.

import MartletIR
import MartletLoops

/// How a kernel walks over its domain.
struct TileLayout: Equatable {
  enum Mode: Equatable {
    /// One column: blocks of elements.
    case flat
    /// Blocks of whole rows.
    case rows
    /// Long rows without row reductions: one row at a time, in pieces of columns.
    case pieces
  }
  var mode: Mode
  var cols: Int
  /// Rows in a block (elements in a block of a flat kernel).
  var blockRows: Int
  /// Elements of a full tile.
  var blockElements: Int
  var hasShortLastRow: Bool

  init(_ program: TileProgram, tileElements: Int) {
    cols = program.cols
    hasShortLastRow = program.lastCols != program.cols
    let needsWholeRows = program.instructions.contains {
      switch $0.operation {
      case .reduceRow, .argRow: true
      default: false
      }
    }
    if cols == 1 {
      mode = .flat
      blockRows = tileElements
      blockElements = tileElements
    } else if !needsWholeRows && cols >= 2 * tileElements {
      mode = .pieces
      blockRows = 1
      blockElements = tileElements
    } else {
      mode = .rows
      blockRows = hasShortLastRow ? 1 : Swift.max(1, tileElements / cols)
      blockElements = blockRows * cols
    }
  }

  /// A row's value is one number for a whole call.
  var hasSingleRowBlocks: Bool { mode != .flat && blockRows == 1 }
}

/// The number of elements of a tile, which is also the `n` of a call.
enum Extent: Hashable {
  case one
  /// The rows of a block.
  case rows
  /// All columns.
  case columns
  /// A whole block.
  case block
}

/// Where a call stands in the kernel.
enum Region: Int {
  /// Before the loops: scalars and columns.
  case entry
  /// Once a row, before its pieces (`pieces` mode only; else rows' values are in the body).
  case row
  case body
  /// Once a row, after its pieces.
  case rowEnd
  /// After the loops, by the range that holds unit 0.
  case exit
}

struct Tile {
  var dtype: DType
  var extent: Extent
  var region: Region
  /// The output buffer that the tile's elements are computed into, if it needs no memory of its own.
  var output: Int?
  var offset = 0
  var lastUse = -1
}

enum Argument {
  case tile(Int)
  /// The first element, passed by value.
  case element(Int)
  /// The pointer of a buffer at the block's place (`Place`), or at an element offset.
  case buffer(Int, Place)
  /// One element of a buffer, passed by value.
  case bufferElement(Int, Place)
  case text(String)
  /// The `n` of an extent; `rows, cols` for the primitives over rows.
  case count(Extent)
  /// The flat index (or row, or 0) of the block's first element.
  case start(Extent)
  case rowsAndColumns
  /// The largest count of an extent in this call of the kernel, for what is done once before the loop.
  case most(Extent)
}

/// Where in a buffer the elements of a block begin.
enum Place: Hashable {
  case flat
  case row
  case column
  case zero(offset: Int)
  /// The partial of this unit.
  case unit
}

struct Call {
  var region: Region
  /// `mt_add_f32`; empty for the assignment `result[0] = argument`.
  var callee: String
  var result: Argument
  var arguments: [Argument]
  /// Elementwise over equal extents: the result may be in place of an argument.
  var isElementwise: Bool
  /// Lines that must precede the call (tables of a view).
  var tables: [String] = []
}

extension DType {
  var suffix: String { rawValue }
}

/// Primitives with a form whose result goes past the caches.
package let streamablePrimitives: Set<String> = [
  "mt_copy_f32", "mt_add_f32", "mt_sub_f32", "mt_mul_f32", "mt_div_f32", "mt_adds_f32",
  "mt_subs_f32", "mt_muls_f32", "mt_divs_f32", "mt_maxs_f32", "mt_mul_add_f32", "mt_muls_add_f32",
  "mt_axpby_f32", "mt_axpby_mul_f32", "mt_maxs_muls_add_f32", "mt_maxs_mul_add_f32",
  "mt_gts_select_f32", "mt_adam_step_f32", "mt_muls_erf_mul_f32", "mt_row_normalise_f32",
]

/// `mt_add_f32` → `mt_stream_add_f32`, where there is one.
func streamedPrimitive(_ name: String) -> String? {
  streamablePrimitives.contains(name) ? "mt_stream_" + name.dropFirst(3) : nil
}

/// Primitives that take longer than their operands' way from memory, slowest first; each has a form
/// that fetches the next tile meanwhile.
package let slowPrimitives = [
  "mt_stream_muls_erf_mul_f32", "mt_muls_erf_mul_f32", "mt_erf_f32", "mt_tanh_f32", "mt_log_f32",
  "mt_random_uniform_f32", "mt_logistic_mul_f32", "mt_logistic_f32", "mt_stream_adam_step_f32",
  "mt_adam_step_f32", "mt_exp_subs_f32", "mt_exp_f32",
]
