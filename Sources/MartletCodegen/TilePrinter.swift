// The tile form: allocated tile code as C text.

import MartletIR
import MartletLoops

/// Prints a kernel as calls of tile primitives.
func emitTileKernel(
  _ kernel: Schedule.Kernel, name: String, options: EmissionOptions, aliasing: Aliasing
) throws(CodegenError) -> EmittedKernel {
  let plain = kernel.program.withCanonicalOperandOrder().withoutRepeats()
  var elements = max(16, options.tileElements)
  while true {
    let layout = TileLayout(plain, tileElements: elements)
    let program =
      options.usesSuperinstructions
      ? fuseSuperinstructions(plain, singleRowBlocks: layout.hasSingleRowBlocks) : plain
    var lowering = TileLowering(
      program, layout: layout, aliasing: aliasing,
      usesSuperinstructions: options.usesSuperinstructions)
    try lowering.run(name: name)
    var allocation = TileAllocation(lowering)
    let code = allocation.run()
    // Many live tiles: shorter ones keep them, and the streams beside them, in the first cache.
    let isLarge = code.scratchBytes > 12_288 && elements > 128
    if isLarge, TileLayout(plain, tileElements: elements / 2) != layout {
      elements /= 2
      continue
    }
    var printer = TilePrinter(program, layout: layout, code: code)
    return printer.print(kernel, name: name, options: options)
  }
}

private struct TilePrinter {
  let program: TileProgram
  let layout: TileLayout
  let code: AllocatedTileCode
  private var bufferNames: [String] = []
  private var usedBuffers: Set<Int> = []
  private var slots: [(offset: Int, dtype: DType)] = []
  private var symbols: Set<String> = []
  // Whether the text names the block's first flat index and its element count.
  private var usesIndex = false
  private var usesCount = false
  private var usesRows = false
  private var usesCols = false
  private var usesMost = false

  init(_ program: TileProgram, layout: TileLayout, code: AllocatedTileCode) {
    self.program = program
    self.layout = layout
    self.code = code
    var names = NameTable()
    for (index, buffer) in program.buffers.enumerated() {
      bufferNames.append(names.unique(buffer.label, fallback: "b\(index)"))
    }
  }

  mutating func print(
    _ kernel: Schedule.Kernel, name: String, options: EmissionOptions
  ) -> EmittedKernel {
    let inner = layout.mode == .pieces ? 2 : 1
    if !code.ahead.isEmpty { usesIndex = true }
    let depth = usesChunks ? 1 : 0
    var tables: [String] = []
    for call in code.calls {
      tables += call.tables.map { "  static const long \($0);\n" }
    }
    let entry = lines(.entry, depth: 0)
    let row = lines(.row, depth: 1 + depth)
    let body = lines(.body, depth: inner + depth)
    let rowEnd = lines(.rowEnd, depth: 1 + depth)
    let exit = lines(.exit, depth: 1)
    let fills = unitFills()

    var text = CText.comment(kernel.comment)
    text += options.staticKernels ? "static void " : "void "
    text += "\(name)(void *const *p, long begin, long end, void *scratch) {\n"
    text += declarations()
    text += options.rangeAssertion(name, &symbols)
    text += tables.joined()
    if usesMost {
      // An epilogue sees a few rows at a time: no more is repeated than one call needs.
      let block = layout.mode == .flat ? layout.blockElements : layout.blockRows
      let units = usesChunks ? "\(program.chunkRows)" : "end - begin"
      text += "  const long most = \(units) < \(block) ? \(units) : \(block);\n"
    }
    text += entry
    if !(row + body + rowEnd + fills).isEmpty {
      text += loops(fills: fills, row: row, body: body, rowEnd: rowEnd)
    }
    if !exit.isEmpty { text += "  if (begin == 0) {\n" + exit + "  }\n" }
    let streams = ["mt_stream_", "mt_ahead_stream_"]
    if code.calls.contains(where: { call in streams.contains { call.callee.hasPrefix($0) } }) {
      symbols.insert("mt_stream_end")
      text += "  mt_stream_end();\n"
    }
    if row.isEmpty && body.isEmpty && rowEnd.isEmpty && fills.isEmpty { text += "  (void)end;\n" }
    if slots.isEmpty { text += "  (void)scratch;\n" }
    text += "}\n"
    return EmittedKernel(
      name: name, text: text, symbols: symbols, scratchBytes: code.scratchBytes)
  }

  // MARK: - Frame

  private var hasColumnReductions: Bool {
    program.instructions.contains {
      if case .reduceColumn = $0.operation { true } else { false }
    }
  }

  private var usesChunks: Bool { program.chunkRows > 1 || hasColumnReductions }

  private func declarations() -> String {
    var lines = DeclarationLines()
    for (index, buffer) in program.buffers.enumerated() where usedBuffers.contains(index) {
      let type = (buffer.role == .input ? "const " : "") + CText.type(buffer.dtype)
      lines.add(type, "*\(bufferNames[index]) = p[\(index)]")
    }
    lines.end()
    for (index, slot) in slots.enumerated() {
      let place = slot.offset == 0 ? "scratch" : "(void *)((char *)scratch + \(slot.offset))"
      lines.add(CText.type(slot.dtype), "*t\(index) = \(place)")
    }
    lines.end()
    return lines.text
  }

  private func loops(fills: String, row: String, body: String, rowEnd: String) -> String {
    var text = ""
    var pad = "  "
    var first = "begin"
    var stop = "end"
    if usesChunks {
      let chunk = program.chunkRows
      text += "  for (long u = begin; u < end; ++u) {\n"
      text += "    const long stop = u * \(chunk) + \(chunk) < \(program.rows)"
      text += " ? u * \(chunk) + \(chunk) : \(program.rows);\n"
      text += fills
      first = "u * \(chunk)"
      stop = "stop"
      pad = "    "
    }
    let block = layout.mode == .flat ? layout.blockElements : layout.blockRows
    let index = layout.mode == .flat ? "i" : "r"
    let step = block == 1 ? "++\(index)" : "\(index) += \(block)"
    text += "\(pad)for (long \(index) = \(first); \(index) < \(stop); \(step)) {\n"
    let left = "\(stop) - \(index) < \(block) ? \(stop) - \(index) : \(block)"
    var locals: [String] = []
    switch layout.mode {
    case .flat:
      if usesCount { locals.append("n = \(left)") }
    case .rows:
      if block > 1, usesRows || usesCount { locals.append("rows = \(left)") }
      if usesIndex { locals.append("i = r * \(layout.cols)") }
      if block > 1, usesCount { locals.append("n = rows * \(layout.cols)") }
      if usesCols {
        locals.append("cols = r == \(program.rows - 1) ? \(program.lastCols) : \(layout.cols)")
      }
    case .pieces:
      if layout.hasShortLastRow {
        locals.append("cols = r == \(program.rows - 1) ? \(program.lastCols) : \(layout.cols)")
      }
    }
    if !locals.isEmpty { text += "\(pad)  const long \(locals.joined(separator: ", "));\n" }
    text += row
    let next = code.ahead.map { "\(bufferNames[$0]) + i + \(layout.blockElements)" }
    let ahead =
      next.isEmpty ? "" : "  const void *const ahead[] = {\(next.joined(separator: ", "))};\n"
    if layout.mode == .pieces, !body.isEmpty {
      let cols = layout.hasShortLastRow ? "cols" : "\(layout.cols)"
      let size = layout.blockElements
      text += "\(pad)  for (long c = 0; c < \(cols); c += \(size)) {\n"
      locals = []
      if usesCount { locals.append("n = \(cols) - c < \(size) ? \(cols) - c : \(size)") }
      if usesIndex { locals.append("i = r * \(layout.cols) + c") }
      if !locals.isEmpty { text += "\(pad)    const long \(locals.joined(separator: ", "));\n" }
      text += (ahead.isEmpty ? "" : pad + "  " + ahead) + body + "\(pad)  }\n"
    } else {
      text += (ahead.isEmpty ? "" : pad + ahead) + body
    }
    text += rowEnd + "\(pad)}\n"
    if usesChunks { text += "  }\n" }
    return text
  }

  /// Accumulators of column reductions begin at the neutral element.
  private mutating func unitFills() -> String {
    var text = ""
    for instruction in program.instructions {
      guard case .reduceColumn(let function, let buffer, _) = instruction.operation else {
        continue
      }
      let dtype = instruction.dtype
      let callee = "mt_fill_\(dtype.suffix)"
      symbols.insert(callee)
      usedBuffers.insert(buffer)
      text += "    \(callee)(\(bufferNames[buffer]) + u * \(layout.cols), "
      text += "\(function.neutralText(dtype)), \(layout.cols));\n"
    }
    return text
  }

  // MARK: - Calls

  private mutating func lines(_ region: Region, depth: Int) -> String {
    let pad = String(repeating: "  ", count: depth + 1)
    var text = ""
    for call in code.calls where call.region == region {
      if call.callee.isEmpty {
        let value = call.arguments.first.map { self.text($0, in: call) } ?? "0"
        text += "\(pad)\(element(call.result, in: call)) = \(value);\n"
        continue
      }
      if let operation = scalarOperation(call) {
        var parts: [String] = []
        for argument in call.arguments.prefix(2) {
          if case .tile(let tile) = argument {
            parts.append(self.text(.element(tile), in: call))
          } else if case .buffer(let buffer, let place) = argument {
            parts.append(self.text(.bufferElement(buffer, place), in: call))
          } else {
            parts.append(self.text(argument, in: call))
          }
        }
        let value = parts.joined(separator: " \(operation) ")
        text += "\(pad)\(element(call.result, in: call)) = \(value);\n"
        continue
      }
      symbols.insert(call.callee)
      var parts = [self.text(call.result, in: call)]
      for argument in call.arguments { parts.append(self.text(argument, in: call)) }
      text += "\(pad)\(call.callee)(\(parts.joined(separator: ", ")));\n"
    }
    return text
  }

  /// The C operator of one sum, difference, product or quotient of floats: even libtcc's code for it
  /// is faster than a call (2 ns against 6).
  private func scalarOperation(_ call: Call) -> String? {
    guard call.arguments.count == 3, case .count(.one) = call.arguments[2],
      case .tile(let result) = call.result, code.tiles[result].dtype.isFloatingPoint
    else { return nil }
    let name = call.callee.dropFirst(3).prefix { $0 != "_" }
    switch name {
    case "add", "adds": return "+"
    case "sub", "subs", "ssub": return "-"
    case "mul", "muls": return "*"
    case "div", "divs", "sdiv": return "/"
    default: return nil
    }
  }

  private mutating func slot(_ tile: Tile) -> String {
    if let index = slots.firstIndex(where: { $0.offset == tile.offset && $0.dtype == tile.dtype }) {
      return "t\(index)"
    }
    slots.append((tile.offset, tile.dtype))
    return "t\(slots.count - 1)"
  }

  /// The target of an assignment to one element.
  private mutating func element(_ target: Argument, in call: Call) -> String {
    switch target {
    case .tile(let tile): text(.element(tile), in: call)
    case .buffer(let buffer, let place): text(.bufferElement(buffer, place), in: call)
    default: text(target, in: call)
    }
  }

  private mutating func text(_ argument: Argument, in call: Call) -> String {
    let isPiece = layout.mode == .pieces && call.region == .body
    switch argument {
    case .text(let text): return text
    case .tile(let index):
      let tile = code.tiles[index]
      if let output = tile.output {
        return text(.buffer(output, tile.extent == .block ? .flat : .row), in: call)
      }
      return slot(tile) + (isPiece && tile.extent == .columns ? " + c" : "")
    case .element(let index):
      let tile = code.tiles[index]
      if let output = tile.output {
        return text(.bufferElement(output, tile.extent == .block ? .flat : .row), in: call)
      }
      return slot(tile) + "[0]"
    case .buffer(let buffer, let place):
      usedBuffers.insert(buffer)
      let offset = offset(place, isPiece: isPiece)
      return bufferNames[buffer] + (offset.isEmpty ? "" : " + \(offset)")
    case .bufferElement(let buffer, let place):
      usedBuffers.insert(buffer)
      let offset = offset(place, isPiece: isPiece)
      return "\(bufferNames[buffer])[\(offset.isEmpty ? "0" : offset)]"
    case .count(let extent): return count(extent, region: call.region)
    case .start(let extent):
      switch extent {
      case .one, .columns: return "0"
      case .rows: return "r"
      case .block:
        usesIndex = true
        return "i"
      }
    case .most(let extent):
      if layout.mode == .flat {
        usesMost = true
        return "most"
      }
      if layout.blockRows == 1 { return extent == .rows ? "1" : "\(layout.blockElements)" }
      usesMost = true
      return extent == .rows ? "most" : "most * \(layout.cols)"
    case .rowsAndColumns:
      switch layout.mode {
      case .flat: return "\(count(.block, region: call.region)), 1"
      case .pieces: return "1, \(count(.block, region: call.region))"
      case .rows:
        if layout.blockRows == 1 { return "1, \(count(.block, region: call.region))" }
        usesRows = true
        return "rows, \(layout.cols)"
      }
    }
  }

  private mutating func offset(_ place: Place, isPiece: Bool) -> String {
    switch place {
    case .flat:
      usesIndex = true
      return "i"
    case .row: return "r"
    case .column: return isPiece ? "c" : ""
    case .zero(let offset): return offset == 0 ? "" : "\(offset)"
    case .unit: return "u * \(layout.cols)" + (isPiece ? " + c" : "")
    }
  }

  private mutating func count(_ extent: Extent, region: Region) -> String {
    switch extent {
    case .one: return "1"
    case .rows:
      usesRows = true
      return "rows"
    case .columns: return "\(layout.cols)"
    case .block:
      if layout.mode == .rows, layout.blockRows == 1 {
        usesCols = usesCols || (layout.hasShortLastRow && region == .body)
        return layout.hasShortLastRow && region == .body ? "cols" : "\(layout.cols)"
      }
      usesCount = true
      return "n"
    }
  }
}

/// Declarations, those of one type on one line as far as it goes.
private struct DeclarationLines {
  private(set) var text = ""
  private var type = ""
  private var width = 0

  mutating func add(_ newType: String, _ declarator: String) {
    let length = declarator.utf8.count + 2
    if newType == type, width + length < 98 {
      text += ", \(declarator)"
    } else {
      end()
      text += "  \(newType) \(declarator)"
      width = newType.utf8.count + 2
      type = newType
    }
    width += length
  }

  mutating func end() {
    if !type.isEmpty { text += ";\n" }
    type = ""
  }
}

extension ReduceFunction {
  /// The element that changes nothing.
  func neutralText(_ dtype: DType) -> String {
    switch self {
    case .sum: CText.literal(0.0, dtype)
    case .prod: CText.literal(1.0, dtype)
    case .max: dtype == .bool ? "0" : CText.literal(-Double.infinity, dtype)
    case .min: CText.literal(Double.infinity, dtype)
    }
  }
}
