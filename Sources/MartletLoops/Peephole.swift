// Superinstructions: two or three tile instructions that the runtime does in one pass.

import MartletIR

/// Merges neighbours into the runtime's superinstructions, for the tile form.
///
///     t3 = mul t0, t1                  t4 = fused mul_add t0, t1, t2
///     t4 = add t3, t2          →
///
/// An inner value disappears only when this is its one use, so no work is ever repeated; each
/// superinstruction equals, bit for bit, the primitives that it replaces. Vector operands must have
/// an element for each element of the result without further work; scalar operands must be one
/// number for the whole call, which a row's value is when a block is one row (`singleRowBlocks`).
package func fuseSuperinstructions(
  _ program: TileProgram, singleRowBlocks: Bool = false
) -> TileProgram {
  let matcher = Matcher(program, singleRowBlocks: singleRowBlocks)
  var replacements: [Int: TileProgram.Operation] = [:]
  var negated: [Int: Int] = [:]
  var absorbed: Set<Int> = []
  // Roots before the operands they could swallow: the last instruction of a chain chooses first.
  for index in program.instructions.indices.reversed()
  where matcher.isCandidate(index) && !absorbed.contains(index) {
    for pattern in patterns {
      guard let match = pattern.match(matcher, index), !matcher.absorbsTwice(match) else {
        continue
      }
      replacements[index] = .fused(pattern.name, match.operands)
      negated[index] = match.negatedPlace
      absorbed.formUnion(match.absorbed)
      break
    }
  }
  guard !replacements.isEmpty else { return program }

  var result = program
  result.instructions = []
  var places = [Int](repeating: 0, count: program.instructions.count)
  for (index, instruction) in program.instructions.enumerated() where !absorbed.contains(index) {
    var copy = instruction
    copy.operation = (replacements[index] ?? instruction.operation).mapOperands { places[$0] }
    if let place = negated[index], case .fused(let name, var operands) = copy.operation {
      operands[place] = result.appendNegated(operands[place])
      copy.operation = .fused(name, operands)
    }
    places[index] = result.instructions.count
    result.instructions.append(copy)
  }
  return result
}

extension TileProgram {
  /// The negative of a scalar: another literal, or one more scalar instruction.
  fileprivate mutating func appendNegated(_ value: Int) -> Int {
    let scalar = instructions[value]
    if case .literal(let number) = scalar.operation {
      return append(.literal(-number), scalar.dtype, .scalar)
    }
    return append(.unary(.neg, value), scalar.dtype, .scalar)
  }
}

/// Superinstructions by name: which operand places take one number (`s`), not a tile.
package func superinstructionScalarPlaces(_ name: String) -> Set<Int> {
  patterns.first { $0.name == name }?.scalarPlaces ?? []
}

/// Superinstructions by name: which operand places take one number a row, or one a column.
package func superinstructionPointerPlaces(_ name: String) -> Set<Int> {
  patterns.first { $0.name == name }?.pointerPlaces ?? []
}

/// What a superinstruction works over.
package enum SuperinstructionShape: Hashable, Sendable {
  /// So many elements.
  case elements
  /// Rows × columns.
  case rows
  /// Rows × columns, of which one element a row is the result.
  case rowResult
}

package func superinstructionShape(_ name: String) -> SuperinstructionShape {
  patterns.first { $0.name == name }?.shape ?? .elements
}

private struct Match {
  var operands: [Int]
  var absorbed: [Int]
  /// The place of a scalar operand that the superinstruction takes with the other sign.
  var negatedPlace: Int?
}

private struct Pattern {
  var name: String
  var scalarPlaces: Set<Int>
  var pointerPlaces: Set<Int> = []
  var shape = SuperinstructionShape.elements
  var match: @Sendable (Matcher, Int) -> Match?
}

/// The one table. Order matters: the first that fits wins.
private let patterns: [Pattern] = [
  // A sum of integers as what it stands for: a·b + c
  Pattern(name: "dequantize", scalarPlaces: []) { m, root in
    m.eitherOrder(.add, root) { x, c in
      m.eitherOrder(.mul, m.inner(x)) { y, b in
        guard case .convert(let a)? = m.inner(y).map(m.operation), m.dtype(a) == .int32,
          m.dtype(root) == .float32, m.areVectors(a, b, c)
        else { return nil }
        return Match(operands: [a, b, c], absorbed: [x, y])
      }
    }
  },
  // The byte that stands for a number: round(max(a, s)·t), round(a·s) + t, round(a·s)
  Pattern(name: "maxs_muls_round", scalarPlaces: [1, 2]) { m, root in
    guard let x = m.wholeByte(root), let y = m.rounded(x), let (z, t) = m.scaled(y),
      let (a, s) = m.withNumber(.max, m.inner(z))
    else { return nil }
    return Match(operands: [a, s, t], absorbed: [x, y, z])
  },
  Pattern(name: "muls_round_adds", scalarPlaces: [1, 2]) { m, root in
    guard let x = m.wholeByte(root), let (r, t) = m.withNumber(.add, x), let inner = m.inner(r),
      let y = m.rounded(inner), let (a, s) = m.scaled(y)
    else { return nil }
    return Match(operands: [a, s, t], absorbed: [x, inner, y])
  },
  Pattern(name: "muls_round", scalarPlaces: [1]) { m, root in
    guard let x = m.wholeByte(root), let y = m.rounded(x), let (a, s) = m.scaled(y)
    else { return nil }
    return Match(operands: [a, s], absorbed: [x, y])
  },
  // Σ (a − r)² of a row: a's difference is taken again where something else needs it too
  Pattern(name: "row_differences", scalarPlaces: [], pointerPlaces: [1], shape: .rowResult) {
    m, root in
    guard let x = m.rowSum(root), let (d, same) = m.binary(.mul, m.inner(x)), d == same,
      let (a, r) = m.binary(.sub, d), m.levels[a] == .full, m.levels[r] == .row
    else { return nil }
    return Match(operands: [a, r], absorbed: [x])
  },
  // Σ a·b of a row
  Pattern(name: "row_dot", scalarPlaces: [], shape: .rowResult) { m, root in
    guard let x = m.rowSum(root), let (a, b) = m.binary(.mul, m.inner(x)), m.areVectors(a, b) else {
      return nil
    }
    return Match(operands: [a, b], absorbed: [x])
  },
  // ((a − r)·q)·b + c, r and q of the row, b and c of the column
  Pattern(name: "row_normalise", scalarPlaces: [], pointerPlaces: [1, 2, 3, 4], shape: .rows) {
    m, root in
    m.eitherOrder(.add, root) { x, c in
      guard m.levels[c] == .column, let (u, b) = m.binary(.mul, m.inner(x)), m.levels[b] == .column,
        let (d, q) = m.binary(.mul, m.inner(u)), m.levels[q] == .row,
        let (a, r) = m.binary(.sub, d), m.levels[a] == .full, m.levels[r] == .row
      else { return nil }
      return Match(operands: [a, r, q, b, c], absorbed: [x, u])
    }
  },
  // w − m·s / (√v / u + ε)
  Pattern(name: "adam_step", scalarPlaces: [2, 4, 5]) { m, root in
    guard let (w, x) = m.binary(.sub, root), let (n, d) = m.binary(.div, m.inner(x)),
      let (first, s) = m.scaled(m.inner(n)), let (e, epsilon) = m.withNumber(.add, m.inner(d)),
      let (q, u) = m.binary(.div, m.inner(e)), m.isNumber(u),
      case .unary(.sqrt, let second)? = m.inner(q).map(m.operation), m.areVectors(w, second)
    else { return nil }
    return Match(operands: [w, first, s, second, u, epsilon], absorbed: [x, n, d, e, q])
  },
  // a·s·(erf(b·u) + t)
  Pattern(name: "muls_erf_mul", scalarPlaces: [1, 3, 4]) { m, root in
    m.eitherOrder(.mul, root) { x, y in
      guard let (a, s) = m.scaled(m.inner(x)), let (e, t) = m.withNumber(.add, m.inner(y)),
        case .unary(.erf, let f)? = m.inner(e).map(m.operation), let (b, u) = m.scaled(m.inner(f))
      else { return nil }
      return Match(operands: [a, s, b, u, t], absorbed: [x, y, e, f])
    }
  },
  // c < s ? a·v : t
  Pattern(name: "lts_muls_select", scalarPlaces: [1, 3, 4]) { m, root in
    guard case .select(let x, let y, let t) = m.operation(root), m.isNumber(t),
      let (a, v) = m.scaled(m.inner(y)), let condition = m.inner(x)
    else { return nil }
    switch m.operation(condition) {
    case .compare(.lt, let c, let s), .compare(.gt, let s, let c):
      guard m.isVector(c), m.isNumber(s), m.dtype(c) == m.dtype(root) else { return nil }
      return Match(operands: [c, s, a, v, t], absorbed: [x, y])
    default: return nil
    }
  },
  // a·s + b·c·t
  Pattern(name: "axpby_mul", scalarPlaces: [1, 4]) { m, root in
    m.eitherOrder(.add, root) { l, r in
      guard let (a, s) = m.scaled(m.inner(l)), let (z, t) = m.scaled(m.inner(r)),
        let (b, c) = m.binary(.mul, m.inner(z)), m.areVectors(b, c), l != r
      else { return nil }
      return Match(operands: [a, s, b, c, t], absorbed: [l, r, z])
    }
  },
  // max(a, s)·t + b
  Pattern(name: "maxs_muls_add", scalarPlaces: [1, 2]) { m, root in
    m.eitherOrder(.add, root) { x, b in
      guard let (y, t) = m.scaled(m.inner(x)), let (a, s) = m.withNumber(.max, m.inner(y)),
        m.isVector(b)
      else { return nil }
      return Match(operands: [a, s, t, b], absorbed: [x, y])
    }
  },
  // max(a, s)·b + c
  Pattern(name: "maxs_mul_add", scalarPlaces: [1]) { m, root in
    m.eitherOrder(.add, root) { x, c in
      m.eitherOrder(.mul, m.inner(x)) { y, b in
        guard let (a, s) = m.withNumber(.max, m.inner(y)), m.areVectors(b, c) else { return nil }
        return Match(operands: [a, s, b, c], absorbed: [x, y])
      }
    }
  },
  // a·s + b·t
  Pattern(name: "axpby", scalarPlaces: [1, 3]) { m, root in
    guard let (l, r) = m.binary(.add, root), let (a, s) = m.scaled(m.inner(l)),
      let (b, t) = m.scaled(m.inner(r)), l != r
    else { return nil }
    return Match(operands: [a, s, b, t], absorbed: [l, r])
  },
  // a·s + b
  Pattern(name: "muls_add", scalarPlaces: [1]) { m, root in
    m.eitherOrder(.add, root) { x, b in
      guard let (a, s) = m.scaled(m.inner(x)), m.isVector(b) else { return nil }
      return Match(operands: [a, s, b], absorbed: [x])
    }
  },
  // b − a·s = a·(−s) + b: every rounding is symmetric in the sign
  Pattern(name: "muls_add", scalarPlaces: [1]) { m, root in
    guard let (b, x) = m.binary(.sub, root), let (a, s) = m.scaled(m.inner(x)), m.isVector(b),
      m.levels[s] == .scalar
    else { return nil }
    return Match(operands: [a, s, b], absorbed: [x], negatedPlace: 1)
  },
  // a·b + c
  Pattern(name: "mul_add", scalarPlaces: []) { m, root in
    m.eitherOrder(.add, root) { x, c in
      guard let (a, b) = m.binary(.mul, m.inner(x)), m.areVectors(a, b, c) else { return nil }
      return Match(operands: [a, b, c], absorbed: [x])
    }
  },
  // max(a, s)·t
  Pattern(name: "maxs_muls", scalarPlaces: [1, 2]) { m, root in
    m.eitherOrder(.mul, root) { x, t in
      guard m.isNumber(t), let (a, s) = m.withNumber(.max, m.inner(x)) else { return nil }
      return Match(operands: [a, s, t], absorbed: [x])
    }
  },
  // logistic(a)·b
  Pattern(name: "logistic_mul", scalarPlaces: []) { m, root in
    m.eitherOrder(.mul, root) { x, b in
      guard case .unary(.logistic, let a)? = m.inner(x).map(m.operation), m.areVectors(a, b) else {
        return nil
      }
      return Match(operands: [a, b], absorbed: [x])
    }
  },
  // (a − b)·c
  Pattern(name: "sub_mul", scalarPlaces: []) { m, root in
    m.eitherOrder(.mul, root) { x, c in
      guard let (a, b) = m.binary(.sub, m.inner(x)), m.areVectors(a, b, c) else { return nil }
      return Match(operands: [a, b, c], absorbed: [x])
    }
  },
  // a·b·c
  Pattern(name: "mul_mul", scalarPlaces: []) { m, root in
    m.eitherOrder(.mul, root) { x, c in
      guard let (a, b) = m.binary(.mul, m.inner(x)), m.areVectors(a, b, c) else { return nil }
      return Match(operands: [a, b, c], absorbed: [x])
    }
  },
  // (a − s)·t
  Pattern(name: "subs_muls", scalarPlaces: [1, 2]) { m, root in
    guard let (x, t) = m.scaled(root), let (a, s) = m.binary(.sub, m.inner(x)), m.isVector(a),
      m.isNumber(s)
    else { return nil }
    return Match(operands: [a, s, t], absorbed: [x])
  },
  // exp(a − s)
  Pattern(name: "exp_subs", scalarPlaces: [1]) { m, root in
    guard case .unary(.exp, let x) = m.operation(root), let (a, s) = m.binary(.sub, m.inner(x)),
      m.isVector(a), m.isNumber(s)
    else { return nil }
    return Match(operands: [a, s], absorbed: [x])
  },
  // c > s ? a : t
  Pattern(name: "gts_select", scalarPlaces: [1, 3]) { m, root in
    guard case .select(let x, let a, let t) = m.operation(root), m.isVector(a), m.isNumber(t),
      let condition = m.inner(x)
    else { return nil }
    switch m.operation(condition) {
    case .compare(.gt, let c, let s), .compare(.lt, let s, let c):
      guard m.isVector(c), m.isNumber(s), m.dtype(c) == m.dtype(root) else { return nil }
      return Match(operands: [c, s, a, t], absorbed: [x])
    default: return nil
    }
  },
]

private struct Matcher {
  let program: TileProgram
  let levels: [TileProgram.Level]
  let uses: [Int]
  let singleRowBlocks: Bool

  init(_ program: TileProgram, singleRowBlocks: Bool) {
    self.program = program
    self.singleRowBlocks = singleRowBlocks
    levels = program.effectiveLevels()
    uses = program.useCounts()
  }

  func operation(_ value: Int) -> TileProgram.Operation { program.instructions[value].operation }
  func dtype(_ value: Int) -> DType { program.instructions[value].dtype }

  func isCandidate(_ root: Int) -> Bool {
    (levels[root] == .full || rowSum(root) != nil) && uses[root] > 0
      && (dtype(root) == .float32 || dtype(root) == .float64 || wholeByte(root) != nil)
  }

  /// The tile of float32 that becomes bytes, for nobody else.
  func wholeByte(_ root: Int) -> Int? {
    guard dtype(root) == .uint8, case .convert(let x) = operation(root), dtype(x) == .float32
    else { return nil }
    return inner(x)
  }

  /// What a tile rounds.
  func rounded(_ value: Int) -> Int? {
    guard case .unary(.round, let x) = operation(value) else { return nil }
    return inner(x)
  }

  /// What a sum over a row adds up.
  func rowSum(_ root: Int) -> Int? {
    guard case .reduceRow(.sum, let value) = operation(root) else { return nil }
    return value
  }

  func isVector(_ value: Int) -> Bool { levels[value] == .full || levels[value] == .column }
  func areVectors(_ values: Int...) -> Bool { values.allSatisfy(isVector) }
  func isNumber(_ value: Int) -> Bool {
    levels[value] == .scalar || (singleRowBlocks && levels[value] == .row)
  }

  /// The value when it is a tile that only its one user needs.
  func inner(_ value: Int) -> Int? { levels[value] == .full && uses[value] == 1 ? value : nil }

  func binary(_ function: BinaryFunction, _ value: Int?) -> (Int, Int)? {
    guard let value, case .binary(function, let a, let b) = operation(value) else { return nil }
    return (a, b)
  }

  /// `vector op number`, in either order (`function` is commutative).
  func withNumber(_ function: BinaryFunction, _ value: Int?) -> (Int, Int)? {
    guard let (a, b) = binary(function, value) else { return nil }
    if isVector(a), isNumber(b) { return (a, b) }
    if isVector(b), isNumber(a) { return (b, a) }
    return nil
  }

  func scaled(_ value: Int?) -> (Int, Int)? { withNumber(.mul, value) }

  func eitherOrder(
    _ function: BinaryFunction, _ root: Int?, _ body: (Int, Int) -> Match?
  ) -> Match? {
    guard let (a, b) = binary(function, root) else { return nil }
    return body(a, b) ?? body(b, a)
  }

  /// True for a match that swallows one value twice (`x·x` with both factors the same inner value).
  func absorbsTwice(_ match: Match) -> Bool {
    Set(match.absorbed).count != match.absorbed.count
      || match.operands.contains { match.absorbed.contains($0) }
  }
}

extension TileProgram.Operation {
  /// The same operation over renumbered values.
  package func mapOperands(_ rename: (Int) -> Int) -> TileProgram.Operation {
    switch self {
    case .literal, .integerLiteral, .iota: self
    case .load(let buffer, .pad(let map, let fill)):
      .load(buffer: buffer, .pad(map, fill: rename(fill)))
    case .load: self
    case .unary(let function, let a): .unary(function, rename(a))
    case .binary(let function, let a, let b): .binary(function, rename(a), rename(b))
    case .compare(let comparison, let a, let b): .compare(comparison, rename(a), rename(b))
    case .select(let c, let a, let b): .select(rename(c), rename(a), rename(b))
    case .convert(let a): .convert(rename(a))
    case .reduceRow(let function, let a): .reduceRow(function, rename(a))
    case .argRow(let function, let a): .argRow(function, rename(a))
    case .random(let distribution, let seed, let step, let stream):
      .random(distribution, seed: rename(seed), step: rename(step), stream: stream)
    case .store(let buffer, let a): .store(buffer: buffer, rename(a))
    case .reduceColumn(let function, let buffer, let a):
      .reduceColumn(function, buffer: buffer, rename(a))
    case .fused(let name, let operands): .fused(name, operands.map(rename))
    }
  }
}
