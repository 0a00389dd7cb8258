// Tile programs to tile code: which primitive computes each value, and in which shape its operands come.

import MartletIR
import MartletLoops

/// Chooses primitives instruction by instruction; tiles get their memory later (TileAllocation).
struct TileLowering {
  /// Where a value's elements can be found.
  enum Home {
    case literal(String)
    case buffer(Int, Place)
    case tile(Int)
    case none
  }

  /// An operand in the shape that a call at some level can take.
  private enum Form {
    case vector(Argument)
    case number(Argument)
    /// One number a row (column) of a block of several rows.
    case perRow(Argument)
    case perColumn(Argument)
  }

  let program: TileProgram
  let layout: TileLayout
  let levels: [TileProgram.Level]
  let live: [Bool]
  let aliasing: Aliasing
  /// Column sums whose operand is a product of two tiles that nothing else needs.
  private let products: [Int: (Int, Int)]

  private(set) var calls: [Call] = []
  private(set) var tiles: [Tile] = []
  private(set) var homes: [Home] = []
  /// Stores of whole tiles whose value may yet be computed in place: (buffer, tile, extent).
  private(set) var pendingStores: [(buffer: Int, value: Int, level: TileProgram.Level)] = []
  private var expanded: [Int: Int] = [:]
  private var repeated: [Int: Int] = [:]
  private var filled: [Int: [Extent: Int]] = [:]
  private var tableCount = 0

  init(
    _ program: TileProgram, layout: TileLayout, aliasing: Aliasing, usesSuperinstructions: Bool
  ) {
    self.program = program
    self.layout = layout
    self.aliasing = aliasing
    levels = program.effectiveLevels()
    var live = program.liveInstructions()
    var products: [Int: (Int, Int)] = [:]
    if usesSuperinstructions {
      let uses = program.useCounts()
      for (index, instruction) in program.instructions.enumerated() {
        guard case .reduceColumn(.sum, _, let value) = instruction.operation, uses[value] == 1,
          case .binary(.mul, let a, let b) = program.instructions[value].operation,
          levels[a] == .full, levels[b] == .full, instruction.dtype.isFloatingPoint
        else { continue }
        products[index] = (a, b)
        live[value] = false
      }
    }
    self.live = live
    self.products = products
  }

  mutating func run(name: String) throws(CodegenError) {
    for index in program.instructions.indices {
      homes.append(live[index] ? try lower(index, name: name) : .none)
    }
  }

  // MARK: - Tiles and places

  private func extent(_ level: TileProgram.Level) -> Extent {
    switch level {
    case .scalar: .one
    case .row: layout.hasSingleRowBlocks ? .one : .rows
    case .column: .columns
    case .full: .block
    }
  }

  private func start(_ level: TileProgram.Level) -> Argument {
    .start(level == .row ? .rows : extent(level))
  }

  private func region(_ level: TileProgram.Level) -> Region {
    switch level {
    case .scalar, .column: .entry
    case .row: layout.mode == .pieces ? .row : .body
    case .full: .body
    }
  }

  private func place(_ level: TileProgram.Level) -> Place {
    switch level {
    case .scalar: .zero(offset: 0)
    case .row: .row
    case .column: .column
    case .full: .flat
    }
  }

  private mutating func makeTile(_ dtype: DType, _ extent: Extent, _ region: Region) -> Int {
    tiles.append(Tile(dtype: dtype, extent: extent, region: region))
    return tiles.count - 1
  }

  /// A call whose result is a new tile at a level.
  private mutating func emit(
    _ callee: String, _ dtype: DType, _ level: TileProgram.Level, _ arguments: [Argument],
    elementwise: Bool, tables: [String] = []
  ) -> Home {
    let tile = makeTile(dtype, extent(level), region(level))
    calls.append(
      Call(
        region: region(level), callee: callee, result: .tile(tile), arguments: arguments,
        isElementwise: elementwise, tables: tables))
    return .tile(tile)
  }

  // MARK: - Operands

  private func form(_ value: Int, at level: TileProgram.Level) -> Form {
    let own = levels[value]
    switch homes[value] {
    case .literal(let text): return .number(.text(text))
    case .none: return .number(.text("0"))
    case .buffer(let buffer, let place):
      if own == level || (own == .column && level == .full && layout.blockRows == 1) {
        return .vector(.buffer(buffer, place))
      }
      if own == .row && !layout.hasSingleRowBlocks { return .perRow(.buffer(buffer, place)) }
      if own == .column { return .perColumn(.buffer(buffer, place)) }
      return .number(.bufferElement(buffer, place))
    case .tile(let tile):
      if own == level || (own == .column && level == .full && layout.blockRows == 1) {
        return .vector(.tile(tile))
      }
      if own == .row && !layout.hasSingleRowBlocks { return .perRow(.tile(tile)) }
      if own == .column { return .perColumn(.tile(tile)) }
      return .number(.element(tile))
    }
  }

  /// The operand as memory with one element for each element of the level.
  private mutating func vector(_ value: Int, at level: TileProgram.Level) -> Argument {
    let dtype = program.instructions[value].dtype
    switch form(value, at: level) {
    case .vector(let argument): return argument
    case .perRow(let argument):
      if let tile = expanded[value] { return .tile(tile) }
      let tile = makeTile(dtype, .block, .body)
      calls.append(
        Call(
          region: .body, callee: "mt_expand_\(dtype.suffix)", result: .tile(tile),
          arguments: [argument, .rowsAndColumns], isElementwise: false))
      expanded[value] = tile
      return .tile(tile)
    case .perColumn(let argument):
      if let tile = repeated[value] { return .tile(tile) }
      // The same in every block: done once, before the loop.
      let tile = makeTile(dtype, .block, .entry)
      calls.append(
        Call(
          region: .entry, callee: "mt_repeat_\(dtype.suffix)", result: .tile(tile),
          arguments: [argument, .most(.rows), .text("\(layout.cols)")],
          isElementwise: false))
      repeated[value] = tile
      return .tile(tile)
    case .number(let argument):
      // A literal, a scalar, or the only row of a block.
      let isInvariant = levels[value] == .scalar
      let extent = extent(level)
      if isInvariant, let tile = filled[value]?[extent] { return .tile(tile) }
      let region = isInvariant ? Region.entry : region(level)
      let tile = makeTile(dtype, extent, region)
      if extent == .one {
        calls.append(
          Call(
            region: region, callee: "", result: .tile(tile), arguments: [argument],
            isElementwise: false))
      } else {
        let count: Argument =
          switch extent {
          case .block where isInvariant: .most(.block)
          case .rows where isInvariant: .most(.rows)
          default: .count(extent)
          }
        calls.append(
          Call(
            region: region, callee: "mt_fill_\(dtype.suffix)", result: .tile(tile),
            arguments: [argument, count], isElementwise: false))
      }
      if isInvariant { filled[value, default: [:]][extent] = tile }
      return .tile(tile)
    }
  }

  /// The operand as one number, or nil when it has several elements in a call at the level.
  private func number(_ value: Int, at level: TileProgram.Level) -> Argument? {
    switch form(value, at: level) {
    case .number(let argument): argument
    case .vector(.tile(let tile)) where extent(level) == .one: .element(tile)
    case .vector(.buffer(let buffer, let place)) where extent(level) == .one:
      .bufferElement(buffer, place)
    default: nil
    }
  }

  /// The operand of a row or column where it lies.
  private func pointer(_ value: Int) -> Argument? {
    switch homes[value] {
    case .tile(let tile): .tile(tile)
    case .buffer(let buffer, let place): .buffer(buffer, place)
    case .literal, .none: nil
    }
  }

  // MARK: - Instructions

  private mutating func lower(_ index: Int, name: String) throws(CodegenError) -> Home {
    let instruction = program.instructions[index]
    let dtype = instruction.dtype
    let level = levels[index]
    let count = Argument.count(extent(level))
    switch instruction.operation {
    case .literal(let value): return .literal(CText.literal(value, dtype))
    case .integerLiteral(let value): return .literal(CText.literal(value, dtype))
    case .load(let buffer, let access): return lowerLoad(buffer, access, dtype, level)
    case .unary(let function, let a):
      return emit(
        "mt_\(function.rawValue)_\(dtype.suffix)", dtype, level, [vector(a, at: level), count],
        elementwise: true)
    case .convert(let a):
      let from = program.instructions[a].dtype
      if from == dtype, level == levels[a] { return homes[a] }
      return emit(
        "mt_convert_\(from.suffix)_\(dtype.suffix)", dtype, level, [vector(a, at: level), count],
        elementwise: true)
    case .binary(let function, let a, let b):
      return lowerBinary(function, a, b, dtype, level)
    case .compare(let comparison, let a, let b):
      return lowerComparison(comparison, a, b, level)
    case .select(let c, let a, let b):
      let condition = vector(c, at: level)
      switch (form(a, at: level), form(b, at: level)) {
      case (.number(let x), .number(let y)):
        return emit(
          "mt_sselects_\(dtype.suffix)", dtype, level, [condition, x, y, count], elementwise: true)
      case (.number(let x), _):
        return emit(
          "mt_sselect_\(dtype.suffix)", dtype, level, [condition, x, vector(b, at: level), count],
          elementwise: true)
      case (_, .number(let y)):
        return emit(
          "mt_selects_\(dtype.suffix)", dtype, level, [condition, vector(a, at: level), y, count],
          elementwise: true)
      default:
        return emit(
          "mt_select_\(dtype.suffix)", dtype, level,
          [condition, vector(a, at: level), vector(b, at: level), count], elementwise: true)
      }
    case .reduceRow(let function, let a):
      return emit(
        "mt_row_\(function.rawValue)_\(dtype.suffix)", dtype, level,
        [vector(a, at: .full), .rowsAndColumns], elementwise: false)
    case .argRow(let function, let a):
      guard function == .max || function == .min, dtype == .int32 else {
        throw CodegenError(kernel: name, "argRow \(function.rawValue) with result \(dtype)")
      }
      let from = program.instructions[a].dtype
      return emit(
        "mt_row_arg\(function.rawValue)_\(from.suffix)", dtype, level,
        [vector(a, at: .full), .rowsAndColumns], elementwise: false)
    case .iota(var inner, let size):
      if level == .row, instruction.level == .full { inner /= layout.cols }
      return emit(
        "mt_iota_\(dtype.suffix)", dtype, level,
        [start(level), count, .text("\(inner)"), .text("\(size)")], elementwise: false)
    case .random(let distribution, let seed, let step, let stream):
      guard let seed = number(seed, at: .scalar), let step = number(step, at: .scalar) else {
        throw CodegenError(kernel: name, "a random draw whose seed or step is not a scalar")
      }
      return emit(
        "mt_random_\(distribution.rawValue)_\(dtype.suffix)", dtype, level,
        [seed, step, .text("\(stream)"), start(level), count],
        elementwise: false)
    case .store(let buffer, let value):
      guard levels[value].joined(level) == level else {
        throw CodegenError(kernel: name, "store of a \(levels[value]) value at level \(level)")
      }
      lowerStore(buffer, value, level)
      return .none
    case .reduceColumn(let function, let buffer, let value):
      if let (a, b) = products[index] {
        calls.append(
          Call(
            region: .body, callee: "mt_col_dot_\(dtype.suffix)", result: .buffer(buffer, .unit),
            arguments: [vector(a, at: .full), vector(b, at: .full), .rowsAndColumns],
            isElementwise: false))
        return .none
      }
      calls.append(
        Call(
          region: .body, callee: "mt_col_\(function.rawValue)_\(dtype.suffix)",
          result: .buffer(buffer, .unit),
          arguments: [vector(value, at: .full), .rowsAndColumns], isElementwise: false))
      return .none
    case .fused(let fusedName, let operands):
      let scalars = superinstructionScalarPlaces(fusedName)
      let pointers = superinstructionPointerPlaces(fusedName)
      let shape = superinstructionShape(fusedName)
      var arguments: [Argument] = []
      for (place, operand) in operands.enumerated() {
        if scalars.contains(place) {
          guard let argument = number(operand, at: level) else {
            throw CodegenError(kernel: name, "\(fusedName): operand \(place) is not one number")
          }
          arguments.append(argument)
        } else if pointers.contains(place) {
          guard let argument = pointer(operand) else {
            throw CodegenError(kernel: name, "\(fusedName): operand \(place) is not in memory")
          }
          arguments.append(argument)
        } else {
          arguments.append(vector(operand, at: .full))
        }
      }
      return emit(
        "mt_\(fusedName)_\(dtype.suffix)", dtype, level,
        arguments + [shape == .elements ? count : .rowsAndColumns], elementwise: shape != .rowResult
      )
    }
  }

  private mutating func lowerLoad(
    _ buffer: Int, _ access: TileProgram.Access, _ dtype: DType, _ level: TileProgram.Level
  ) -> Home {
    let start = start(level)
    let count = Argument.count(extent(level))
    switch access {
    case .flat: return .buffer(buffer, place(level))
    case .column: return .buffer(buffer, level == .scalar ? .zero(offset: 0) : .column)
    case .scalar: return .buffer(buffer, .zero(offset: 0))
    case .view(let map):
      let view = map.collapsed
      if level == .scalar { return .buffer(buffer, .zero(offset: view.offset)) }
      if view.isIdentity { return .buffer(buffer, place(level)) }
      tableCount += 1
      let suffix = "\(tableCount)"
      return emit(
        "mt_view_\(dtype.byteCount)", dtype, level,
        [
          .buffer(buffer, .zero(offset: view.offset)), start, count, .text("\(view.dims.count)"),
          .text("dims" + suffix), .text("strides" + suffix),
        ], elementwise: false,
        tables: [
          "dims\(suffix)[] = \(CText.table(view.dims))",
          "strides\(suffix)[] = \(CText.table(view.strides))",
        ])
    case .pad(let map, let fill):
      tableCount += 1
      let suffix = "\(tableCount)"
      return emit(
        "mt_pad_\(dtype.byteCount)", dtype, level,
        [
          .buffer(buffer, .zero(offset: 0)), start, count, .text("\(map.dims.count)"),
          .text("dims" + suffix), .text("source" + suffix), .text("strides" + suffix),
          .text("low" + suffix), .text("interior" + suffix), vector(fill, at: .scalar),
        ], elementwise: false,
        tables: [
          "dims\(suffix)[] = \(CText.table(map.dims))",
          "source\(suffix)[] = \(CText.table(map.sourceDims))",
          "strides\(suffix)[] = \(CText.table(map.strides))",
          "low\(suffix)[] = \(CText.table(map.low))",
          "interior\(suffix)[] = \(CText.table(map.interior))",
        ])
    }
  }

  private mutating func lowerBinary(
    _ function: BinaryFunction, _ a: Int, _ b: Int, _ dtype: DType, _ level: TileProgram.Level
  ) -> Home {
    let op = function.rawValue
    let suffix = dtype.suffix
    let count = Argument.count(extent(level))
    let hasRowForms = dtype.isFloatingPoint && [.add, .sub, .mul, .div].contains(function)
    switch (form(a, at: level), form(b, at: level)) {
    case (.vector(let x), .perRow(let y)) where hasRowForms:
      return emit(
        "mt_\(op)r_\(suffix)", dtype, level, [x, y, .rowsAndColumns], elementwise: true)
    case (.vector(let x), .perColumn(let y)) where hasRowForms && layout.cols >= 64:
      // Short columns are repeated once instead: a block then is one plain vector.
      return emit(
        "mt_\(op)c_\(suffix)", dtype, level, [x, y, .rowsAndColumns], elementwise: true)
    case (.perColumn, .perRow(let y)) where hasRowForms:
      return emit(
        "mt_\(op)r_\(suffix)", dtype, level, [vector(a, at: level), y, .rowsAndColumns],
        elementwise: true)
    case (_, .number(let y)):
      return emit(
        "mt_\(op)s_\(suffix)", dtype, level, [vector(a, at: level), y, count], elementwise: true)
    case (.number(let x), _):
      let y = vector(b, at: level)
      let callee = function.isCommutative ? "mt_\(op)s_\(suffix)" : "mt_s\(op)_\(suffix)"
      return emit(
        callee, dtype, level, function.isCommutative ? [y, x, count] : [x, y, count],
        elementwise: true)
    default:
      return emit(
        "mt_\(op)_\(suffix)", dtype, level, [vector(a, at: level), vector(b, at: level), count],
        elementwise: true)
    }
  }

  private mutating func lowerComparison(
    _ comparison: Comparison, _ a: Int, _ b: Int, _ level: TileProgram.Level
  ) -> Home {
    let suffix = program.instructions[a].dtype.suffix
    let count = Argument.count(extent(level))
    if case .number(let y) = form(b, at: level) {
      return emit(
        "mt_\(comparison.rawValue)s_\(suffix)", .bool, level, [vector(a, at: level), y, count],
        elementwise: true)
    }
    if case .number(let x) = form(a, at: level) {
      return emit(
        "mt_\(comparison.swapped.rawValue)s_\(suffix)", .bool, level,
        [vector(b, at: level), x, count], elementwise: true)
    }
    return emit(
      "mt_\(comparison.rawValue)_\(suffix)", .bool, level,
      [vector(a, at: level), vector(b, at: level), count], elementwise: true)
  }

  // MARK: - Stores

  private mutating func lowerStore(_ buffer: Int, _ value: Int, _ level: TileProgram.Level) {
    // A value read from a buffer that another output may overwrite is saved while it is there.
    let own = levels[value]
    if case .buffer(let source, let place) = homes[value], own == .full || own == .row,
      program.writesInPlace(of: source, except: buffer, aliasing)
    {
      let dtype = program.instructions[value].dtype
      homes[value] = emit(
        "mt_copy_\(dtype.suffix)", dtype, own, [.buffer(source, place), .count(extent(own))],
        elementwise: true)
    }
    pendingStores.append((buffer, value, level))
  }

  /// The call that writes a value to its buffer when it was not computed there.
  mutating func appendCopy(
    of store: (buffer: Int, value: Int, level: TileProgram.Level), skip: Bool
  ) {
    guard !skip else { return }
    let dtype = program.instructions[store.value].dtype
    let region: Region =
      switch store.level {
      case .scalar, .column: .exit
      case .row: layout.mode == .pieces ? .rowEnd : .body
      case .full: .body
      }
    let target = Argument.buffer(store.buffer, place(store.level))
    let count = Argument.count(extent(store.level))
    let isOne = extent(store.level) == .one
    var callee = "mt_copy_\(dtype.suffix)"
    var arguments: [Argument]
    switch form(store.value, at: store.level) {
    case .number(let argument):
      callee = isOne ? "" : "mt_fill_\(dtype.suffix)"
      arguments = isOne ? [argument] : [argument, count]
    case .vector(let argument):
      if isOne, let element = number(store.value, at: store.level) {
        callee = ""
        arguments = [element]
      } else {
        arguments = [argument, count]
      }
    case .perRow(let argument):
      callee = "mt_expand_\(dtype.suffix)"
      arguments = [argument, .rowsAndColumns]
    case .perColumn(let argument):
      callee = "mt_repeat_\(dtype.suffix)"
      arguments = [argument, .rowsAndColumns]
    }
    calls.append(
      Call(
        region: region, callee: callee, result: target, arguments: arguments,
        isElementwise: callee == "" || callee.hasPrefix("mt_copy")))
  }

  /// Lets a store's value be computed in the buffer itself.
  mutating func bind(tile: Int, to buffer: Int) { tiles[tile].output = buffer }

  mutating func update(tile: Int, _ change: (inout Tile) -> Void) { change(&tiles[tile]) }
}

extension Comparison {
  /// The comparison with its operands exchanged.
  var swapped: Comparison {
    switch self {
    case .eq: .eq
    case .ne: .ne
    case .lt: .gt
    case .le: .ge
    case .gt: .lt
    case .ge: .le
    }
  }
}

extension TileProgram {
  /// Whether two buffers of this kernel may lie in the same memory.
  func mayAlias(_ a: Int, _ b: Int, _ aliasing: Aliasing) -> Bool {
    if a == b { return true }
    if let pairs = aliasing.pairs { return pairs.contains(Aliasing.Pair(a, b)) }
    // Only an output can take an input's place, and only where both are accessed alike.
    switch (buffers[a].role, buffers[b].role) {
    case (.input, .output), (.output, .input):
      return buffers[a].dtype.byteCount == buffers[b].dtype.byteCount
        && flatLevel(of: a) != nil && flatLevel(of: a) == flatLevel(of: b)
    default: return false
    }
  }

  /// The level at which a buffer is accessed when every access is at the domain's own index.
  func flatLevel(of buffer: Int) -> Level? {
    var result: Level?
    for instruction in instructions {
      switch instruction.operation {
      case .load(buffer, let access):
        guard access == .flat else { return nil }
      case .store(buffer, _): break
      case .reduceColumn(_, buffer, _): return nil
      default: continue
      }
      guard instruction.level == .full || instruction.level == .row,
        result == nil || result == instruction.level
      else { return nil }
      result = instruction.level
    }
    return result
  }

  /// Whether a store to any buffer but one may overwrite elements of `source`.
  func writesInPlace(of source: Int, except target: Int, _ aliasing: Aliasing) -> Bool {
    instructions.contains { instruction in
      guard case .store(let buffer, _) = instruction.operation, buffer != target else {
        return false
      }
      return mayAlias(buffer, source, aliasing)
    }
  }
}
