// Which loop over a row computes what: reductions cut a row into stages.

import MartletLoops

/// The stages of a program's rows.
///
/// Stage 0 is the first loop over a row's columns; a reduction of a stage's value belongs to the
/// next stage, and so does everything that needs it.
struct ScalarStages {
  private(set) var stage: [Int]
  private(set) var last = 0
  /// Full values with a row of scratch: operands of reductions, and values read by later stages.
  private(set) var rowArrays: Set<Int> = []
  /// Column values that are computed once, before the rows.
  private(set) var columnArrays: [Int] = []

  private let program: TileProgram
  private let levels: [TileProgram.Level]
  private let live: [Bool]
  private let aliasing: Aliasing

  init(
    _ program: TileProgram, levels: [TileProgram.Level], live: [Bool], aliasing: Aliasing
  ) {
    self.program = program
    self.levels = levels
    self.live = live
    self.aliasing = aliasing
    stage = [Int](repeating: 0, count: program.instructions.count)
    for (index, instruction) in program.instructions.enumerated() where live[index] {
      var own = 0
      for operand in instruction.operation.operands { own = max(own, stage[operand]) }
      if program.cols > 1 {
        switch instruction.operation {
        case .reduceRow, .argRow: own += 1
        default: break
        }
      }
      stage[index] = own
      last = max(last, own)
    }
    guard program.cols > 1 else { return }
    for (index, instruction) in program.instructions.enumerated() where live[index] {
      switch instruction.operation {
      case .reduceRow(_, let value), .argRow(_, let value):
        if directLoad(value) == nil { rowArrays.insert(value) }
      default:
        guard levels[index] == .full else { break }
        for value in instruction.operation.operands
        where levels[value] == .full && stage[value] < stage[index] && !isReloadable(value) {
          rowArrays.insert(value)
        }
      }
      if levels[index] == .column {
        switch instruction.operation {
        case .load(_, .column), .load(_, .flat), .iota, .store, .reduceColumn: break
        default: columnArrays.append(index)
        }
      }
    }
  }

  /// The buffer whose own row a reduction can read.
  func directLoad(_ value: Int) -> Int? {
    guard levels[value] == .full, program.cols > 1,
      case .load(let buffer, .flat) = program.instructions[value].operation,
      !sharesMemory(buffer)
    else { return nil }
    return buffer
  }

  /// Values that a later stage computes again rather than keeps.
  private func isReloadable(_ value: Int) -> Bool {
    switch program.instructions[value].operation {
    case .load(let buffer, .flat): !sharesMemory(buffer)
    case .iota: true
    default: false
    }
  }

  private func sharesMemory(_ buffer: Int) -> Bool {
    program.writesInPlace(of: buffer, except: -1, aliasing)
  }

  /// Values of level full and column that the loop of a stage names, found from what it writes.
  func needed(in wanted: Int) -> Set<Int> {
    var needed: Set<Int> = []
    func add(_ value: Int) {
      if levels[value] == .full || levels[value] == .column { needed.insert(value) }
    }
    for (index, instruction) in program.instructions.enumerated() where live[index] {
      switch instruction.operation {
      case .store(_, let value) where levels[index] == .full && stage[value] == wanted: add(value)
      case .reduceColumn(_, _, let value) where stage[value] == wanted: add(value)
      default: break
      }
    }
    for value in rowArrays where stage[value] == wanted { add(value) }
    for index in program.instructions.indices.reversed() where needed.contains(index) {
      // Read back, not computed again.
      if columnArrays.contains(index) { continue }
      if levels[index] == .full, stage[index] < wanted, rowArrays.contains(index) { continue }
      for operand in program.instructions[index].operation.operands { add(operand) }
    }
    return needed
  }
}
