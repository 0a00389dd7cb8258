// What both printers and the peephole ask about a tile program before they print it.

import MartletIR

extension TileProgram {
  /// The level at which each value is worth computing: the lowest that its operands allow.
  ///
  ///     cols 10                                    declared   computed
  ///     t0 = iota inner 1 size 10                  full       column
  ///     t1 = load b0 view(dims 640, stride 0)      full       scalar
  ///
  /// A program of one column has no rows of its own: its rows are its elements (`full`) and its
  /// column is a scalar. Stores and column reductions keep the level that says where they write.
  package func effectiveLevels() -> [Level] {
    var levels: [Level] = []
    levels.reserveCapacity(instructions.count)
    for instruction in instructions {
      let joined = instruction.operation.operands.reduce(Level.scalar) { level, operand in
        level.joined(operand < levels.count ? levels[operand] : .scalar)
      }
      var level: Level
      switch instruction.operation {
      case .literal, .integerLiteral, .load(_, .scalar): level = .scalar
      case .load(_, .flat), .random: level = instruction.level
      case .load(_, .column): level = .column
      case .load(_, .view(let map)): level = map.isScalar ? .scalar : instruction.level
      case .load(_, .pad): level = instruction.level
      case .fused(let name, _) where superinstructionShape(name) == .rowResult: level = .row
      case .unary, .binary, .compare, .select, .convert, .fused: level = joined
      case .reduceRow, .argRow: level = .row
      case .iota(let inner, let size):
        level = instruction.level
        if level == .full, lastCols == cols {
          if cols % max(1, inner &* size) == 0 { level = .column }
          if inner % max(1, cols) == 0, cols > 1 { level = .row }
        }
      case .store, .reduceColumn: level = instruction.level
      }
      if cols == 1 {
        if level == .row { level = .full }
        if level == .column { level = .scalar }
      }
      levels.append(level)
    }
    return levels
  }

  /// Instructions that some store or column reduction needs.
  package func liveInstructions() -> [Bool] {
    var live = [Bool](repeating: false, count: instructions.count)
    for index in instructions.indices.reversed() {
      switch instructions[index].operation {
      case .store, .reduceColumn: live[index] = true
      default: break
      }
      guard live[index] else { continue }
      for operand in instructions[index].operation.operands where operand < index {
        live[operand] = true
      }
    }
    return live
  }

  /// How often each value is read, by live instructions only.
  package func useCounts() -> [Int] {
    let live = liveInstructions()
    var counts = [Int](repeating: 0, count: instructions.count)
    for index in instructions.indices where live[index] {
      for operand in instructions[index].operation.operands { counts[operand] += 1 }
    }
    return counts
  }

  /// The same program with the operands of commutative functions in one order: the operand of more
  /// elements first, a literal last. Both printers start from it, so that they agree on the order
  /// even where bits show it (the sign of zero of a maximum, the payload of a NaN).
  package func withCanonicalOperandOrder() -> TileProgram {
    let levels = effectiveLevels()
    func rank(_ value: Int) -> Int {
      switch instructions[value].operation {
      case .literal, .integerLiteral: return 0
      default: break
      }
      switch levels[value] {
      case .scalar: return 1
      case .row: return 2
      case .column: return 3
      case .full: return 4
      }
    }
    var result = self
    for (index, instruction) in instructions.enumerated() {
      guard case .binary(let function, let a, let b) = instruction.operation,
        function.isCommutative, rank(a) < rank(b)
      else { continue }
      result.instructions[index].operation = .binary(function, b, a)
    }
    return result
  }

  /// The same program with every value computed once: fusion clones cheap scalars into each user.
  ///
  ///     t2 = add t0, t1            t2 = add t0, t1
  ///     t3 = add t0, t1     →
  ///     t4 = mul t2, t3            t4 = mul t2, t2
  ///
  /// All loads read what was there before the kernel, so equal loads are equal values.
  package func withoutRepeats() -> TileProgram {
    var result = self
    result.instructions = []
    var first: [Instruction: Int] = [:]
    var places: [Int] = []
    for instruction in instructions {
      var copy = instruction
      copy.operation = instruction.operation.mapOperands { places[$0] }
      switch copy.operation {
      case .store, .reduceColumn: break
      default:
        if let place = first[copy] {
          places.append(place)
          continue
        }
        first[copy] = result.instructions.count
      }
      places.append(result.instructions.count)
      result.instructions.append(copy)
    }
    return result
  }
}
