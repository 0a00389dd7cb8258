// The scalar form: the same tile program as plain loops, for a compiler that optimises.

import MartletIR
import MartletLoops

/// Prints a kernel as loops over single elements.
///
/// A row's reductions cut its loop into stages: what a stage computes for a later one is kept in a
/// row of scratch, and the reduction itself is the runtime's inline function over that row, so that
/// sums have the fixed order and the bits of the tile form.
///
///     for (long r = begin; r < end; ++r) {
///       const float t1 = mtm_row_max_f32(x + r * 10, 10);
///       for (long c = 0; c < 10; ++c) { … t3_row[c] = mtm_exp_f32(x[r * 10 + c] - t1); }
///       const float t4 = mtm_row_sum_f32(t3_row, 10);
///       for (long c = 0; c < 10; ++c) { … }
///     }
func emitScalarKernel(
  _ kernel: Schedule.Kernel, name: String, options: EmissionOptions, aliasing: Aliasing
) throws(CodegenError) -> EmittedKernel {
  let program = kernel.program.withCanonicalOperandOrder().withoutRepeats()
  var printer = ScalarPrinter(program, aliasing: aliasing)
  return try printer.print(kernel, name: name, options: options)
}

struct ScalarPrinter {
  let program: TileProgram
  let levels: [TileProgram.Level]
  let live: [Bool]
  let stages: ScalarStages
  let aliasing: Aliasing
  var bufferNames: [String] = []
  var usedBuffers: Set<Int> = []
  /// Rows of scratch by value: reduction operands, values kept for later stages, column values.
  private var arrays: [Int: (offset: Int, dtype: DType)] = [:]
  private var scratchBytes = 0

  init(_ program: TileProgram, aliasing: Aliasing) {
    self.program = program
    self.aliasing = aliasing
    levels = program.effectiveLevels()
    live = program.liveInstructions()
    stages = ScalarStages(program, levels: levels, live: live, aliasing: aliasing)
    var names = NameTable()
    for (index, buffer) in program.buffers.enumerated() {
      bufferNames.append(names.unique(buffer.label, fallback: "b\(index)"))
    }
  }

  /// Whether some output may lie in the memory of an input: read and written at one index only, so
  /// that iterations are independent all the same.
  private var sharesMemory: Bool { aliasing.pairs.map { !$0.isEmpty } ?? true }

  var isFlat: Bool { program.cols == 1 }
  var cols: Int { program.cols }
  private var colsText: String { program.lastCols == cols ? "\(cols)" : "cols" }

  mutating func print(
    _ kernel: Schedule.Kernel, name: String, options: EmissionOptions
  ) throws(CodegenError) -> EmittedKernel {
    for (index, instruction) in program.instructions.enumerated() where live[index] {
      if case .fused(let fused, _) = instruction.operation {
        throw CodegenError(kernel: name, "the scalar form has no '\(fused)'")
      }
      if case .store(_, let value) = instruction.operation,
        levels[value].joined(levels[index]) != levels[index]
      {
        throw CodegenError(
          kernel: name, "store of a \(levels[value]) value at level \(levels[index])")
      }
    }
    for value in stages.rowArrays.sorted() + stages.columnArrays { makeArray(value) }

    let entry = entryLines()
    let fills = fillLines()
    let units = unitLines()
    let exit = exitLines()
    var text = CText.comment(kernel.comment)
    text += options.staticKernels ? "static void " : "void "
    text += "\(name)(void *const *p, long begin, long end, void *scratch) {\n"
    text += declarations()
    var symbols: Set<String> = []
    text += options.rangeAssertion(name, &symbols)
    text += indent(entry, 1)
    let isChunked = program.chunkRows > 1 || !fills.isEmpty
    if !(fills + units).isEmpty {
      let variable = isFlat ? "i" : "r"
      if isFlat, sharesMemory, !isChunked { text += "  MTM_INDEPENDENT\n" }
      var lines = ["for (long \(variable) = begin; \(variable) < end; ++\(variable)) {"]
      if isChunked {
        let chunk = program.chunkRows
        lines = ["for (long u = begin; u < end; ++u) {"]
        lines.append(
          "  const long stop = u * \(chunk) + \(chunk) < \(program.rows)"
            + " ? u * \(chunk) + \(chunk) : \(program.rows);")
        lines += fills.map { "  " + $0 }
        lines.append(
          "  for (long \(variable) = u * \(chunk); \(variable) < stop; ++\(variable)) {")
        lines += units.map { "    " + $0 }
        lines += ["  }", "}"]
      } else {
        lines += units.map { "  " + $0 } + ["}"]
      }
      text += indent(lines, 1)
    }
    if !exit.isEmpty { text += indent(["if (begin == 0) {"] + exit.map { "  " + $0 } + ["}"], 1) }
    if (fills + units).isEmpty { text += "  (void)end;\n" }
    if arrays.isEmpty { text += "  (void)scratch;\n" }
    text += "}\n"
    return EmittedKernel(name: name, text: text, symbols: symbols, scratchBytes: scratchBytes)
  }

  private func indent(_ lines: [String], _ depth: Int) -> String {
    let pad = String(repeating: "  ", count: depth)
    return lines.map { pad + $0 + "\n" }.joined()
  }

  private mutating func makeArray(_ value: Int) {
    let dtype = program.instructions[value].dtype
    arrays[value] = (scratchBytes, dtype)
    scratchBytes += (cols * dtype.byteCount + 63) / 64 * 64
  }

  private func declarations() -> String {
    var text = ""
    for (index, buffer) in program.buffers.enumerated() where usedBuffers.contains(index) {
      // Only the plan's word makes a pointer `restrict`.
      let isAlone = aliasing.pairs.map { pairs in
        !pairs.contains { $0.a == index || $0.b == index }
      }
      let qualifier = isAlone == true ? "restrict " : ""
      text += "  \(buffer.role == .input ? "const " : "")\(CText.type(buffer.dtype)) "
      text += "*\(qualifier)\(bufferNames[index]) = p[\(index)];\n"
    }
    for (value, array) in arrays.sorted(by: { $0.key < $1.key }) {
      let place = array.offset == 0 ? "scratch" : "(void *)((char *)scratch + \(array.offset))"
      text += "  \(CText.type(array.dtype)) *restrict t\(value)_row = \(place);\n"
    }
    return text
  }

  // MARK: - Regions

  private func isLevel(_ index: Int, _ level: TileProgram.Level) -> Bool {
    live[index] && levels[index] == level
  }

  /// Scalars as constants, then column values that are more than a load, each in a row of scratch.
  private mutating func entryLines() -> [String] {
    var lines: [String] = []
    for index in program.instructions.indices where isLevel(index, .scalar) {
      lines += definition(index)
    }
    guard !stages.columnArrays.isEmpty else { return lines }
    var needed = Set(stages.columnArrays)
    for index in program.instructions.indices.reversed() where needed.contains(index) {
      needed.formUnion(
        program.instructions[index].operation.operands.filter { levels[$0] == .column })
    }
    lines.append("for (long c = 0; c < \(cols); ++c) {")
    for index in program.instructions.indices where needed.contains(index) {
      lines += definition(index).map { "  " + $0 }
      if stages.columnArrays.contains(index) {
        lines.append("  t\(index)_row[c] = \(name(index));")
      }
    }
    lines.append("}")
    return lines
  }

  private mutating func fillLines() -> [String] {
    var lines: [String] = []
    for instruction in program.instructions {
      guard case .reduceColumn(let function, let buffer, _) = instruction.operation else {
        continue
      }
      usedBuffers.insert(buffer)
      let neutral = function.neutralText(instruction.dtype)
      lines.append(
        "for (long c = 0; c < \(cols); ++c) \(bufferNames[buffer])[u * \(cols) + c] = \(neutral);")
    }
    return lines
  }

  /// The body of the loop over rows (or over elements).
  private mutating func unitLines() -> [String] {
    if isFlat {
      let needed = stages.needed(in: 0)
      var lines: [String] = []
      for index in program.instructions.indices where needed.contains(index) {
        lines += definition(index)
      }
      return lines + storeLines(stage: 0)
    }
    var lines: [String] = []
    for stage in 0...stages.last {
      for index in program.instructions.indices
      where isLevel(index, .row) && stages.stage[index] == stage {
        lines += definition(index)
      }
      var loop: [String] = []
      let needed = stages.needed(in: stage)
      for index in program.instructions.indices where needed.contains(index) {
        switch levels[index] {
        case .full: loop += loopDefinition(index, stage: stage)
        case .column: loop += columnDefinition(index)
        default: break
        }
      }
      for value in stages.rowArrays.sorted() where stages.stage[value] == stage {
        loop.append("t\(value)_row[c] = \(name(value));")
      }
      loop += storeLines(stage: stage)
      guard !loop.isEmpty else { continue }
      if CText.mentions(loop, "i") { loop.insert("const long i = r * \(cols) + c;", at: 0) }
      if sharesMemory { lines.append("MTM_INDEPENDENT") }
      lines.append("for (long c = 0; c < \(colsText); ++c) {")
      lines += loop.map { "  " + $0 } + ["}"]
    }
    for index in program.instructions.indices where isLevel(index, .row) {
      guard case .store(let buffer, let value) = program.instructions[index].operation else {
        continue
      }
      usedBuffers.insert(buffer)
      lines.append("\(bufferNames[buffer])[r] = \(name(value));")
    }
    if program.lastCols != cols, CText.mentions(lines, "cols") {
      lines.insert(
        "const long cols = r == \(program.rows - 1) ? \(program.lastCols) : \(cols);", at: 0)
    }
    return lines
  }

  /// Full stores and column accumulations of a stage: after everything that the stage reads.
  private mutating func storeLines(stage: Int) -> [String] {
    var lines: [String] = []
    for (index, instruction) in program.instructions.enumerated() where live[index] {
      switch instruction.operation {
      case .store(let buffer, let value)
      where levels[index] == .full && stages.stage[value] == stage:
        usedBuffers.insert(buffer)
        lines.append("\(bufferNames[buffer])[i] = \(name(value));")
      case .reduceColumn(let function, let buffer, let value) where stages.stage[value] == stage:
        usedBuffers.insert(buffer)
        let target = "\(bufferNames[buffer])[u * \(cols)\(isFlat ? "" : " + c")]"
        let sum = binary(function.combiner, target, name(value), instruction.dtype)
        lines.append("\(target) = \(sum);")
      default: break
      }
    }
    return lines
  }

  private mutating func exitLines() -> [String] {
    var lines: [String] = []
    var columnLines: [String] = []
    for index in program.instructions.indices where live[index] {
      guard case .store(let buffer, let value) = program.instructions[index].operation else {
        continue
      }
      if levels[index] == .scalar {
        usedBuffers.insert(buffer)
        lines.append("\(bufferNames[buffer])[0] = \(name(value));")
      } else if levels[index] == .column {
        usedBuffers.insert(buffer)
        var body: [String] = []
        if levels[value] == .column { body = columnDefinition(value) }
        body.append("\(bufferNames[buffer])[c] = \(name(value));")
        columnLines += ["for (long c = 0; c < \(cols); ++c) {"] + body.map { "  " + $0 } + ["}"]
      }
    }
    return lines + columnLines
  }

  /// A full value in the loop of a stage: computed in its own stage, read back in a later one.
  private mutating func loopDefinition(_ index: Int, stage: Int) -> [String] {
    if stages.stage[index] < stage, stages.rowArrays.contains(index) {
      let type = CText.type(program.instructions[index].dtype)
      return ["const \(type) t\(index) = t\(index)_row[c];"]
    }
    return definition(index)
  }

  private mutating func columnDefinition(_ index: Int) -> [String] {
    guard stages.columnArrays.contains(index) else { return definition(index) }
    let type = CText.type(program.instructions[index].dtype)
    return ["const \(type) t\(index) = t\(index)_row[c];"]
  }

  /// A reduction's operand as a pointer to the row's elements.
  mutating func rowPointer(_ value: Int) -> String {
    if let buffer = stages.directLoad(value) {
      usedBuffers.insert(buffer)
      return "\(bufferNames[buffer]) + r * \(cols)"
    }
    return "t\(value)_row"
  }

  var rowCount: String { colsText }
}
