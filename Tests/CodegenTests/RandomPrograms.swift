// Random tile programs with data: every operation, level, access and dtype, by seed.

import MartletCodegen
import MartletIR
import MartletLoops

/// SplitMix64: the same programs on every system.
struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
  mutating func pick<T>(_ items: [T]) -> T { items[Int.random(in: 0..<items.count, using: &self)] }
}

struct RandomKernel {
  enum Kind: CaseIterable { case flat, rows, pieces, chunks, cut }

  var program: TileProgram
  var rows: Int
  /// Elements of each buffer, and the bytes it begins with.
  var contents: [[UInt8]] = []
  /// Outputs that lie in the memory of an input.
  var inPlace: [(output: Int, input: Int)] = []
  /// Told to codegen; without, it must expect every possible pair.
  var aliasing = Aliasing.unknown

  private var dice: Dice
  private var counts: [Int] = []
  private let kind: Kind

  init(seed: UInt64) {
    dice = Dice(seed: seed)
    kind = Kind.allCases[Int(seed % UInt64(Kind.allCases.count))]
    switch kind {
    case .flat:
      rows = dice.pick([1, 5, 64, 511, 513, 1030])
      program = TileProgram(rows: 0, cols: 1)
    case .rows:
      rows = dice.pick([1, 2, 7, 60, 131])
      program = TileProgram(rows: 0, cols: dice.pick([2, 3, 10, 16, 63, 64, 100, 600]))
    case .pieces:
      rows = dice.pick([1, 3, 4])
      program = TileProgram(rows: 0, cols: dice.pick([1024, 1300]))
    case .chunks:
      rows = dice.pick([1, 40, 64, 200])
      program = TileProgram(rows: rows, cols: dice.pick([1, 6, 10, 64, 1100]))
      program.chunkRows = dice.pick([1, 16, 64, 256])
    case .cut:
      rows = dice.pick([1, 2, 5])
      program = TileProgram(rows: rows, cols: dice.pick([64, 512, 1100]))
      program.lastCols = Int.random(in: 1...program.cols, using: &dice)
    }
    build()
  }

  /// A given program over random data.
  init(_ program: TileProgram, rows: Int, seed: UInt64) {
    dice = Dice(seed: seed)
    kind = .flat
    self.rows = rows
    self.program = program
    for buffer in program.buffers.indices {
      var count = 1
      for instruction in program.instructions {
        switch instruction.operation {
        case .load(buffer, .flat), .load(buffer, .column), .store(buffer, _):
          count = elements(instruction.level)
        case .reduceColumn(_, buffer, _): count = program.units * program.cols
        default: break
        }
      }
      let dtype = program.buffers[buffer].dtype
      counts.append(count)
      contents.append(
        program.buffers[buffer].role == .output
          ? Memory(byteCount: count * dtype.byteCount).bytes : data(dtype, count))
    }
  }

  // MARK: - Program

  private mutating func build() {
    _ = loadScalar()
    for _ in 0..<Int.random(in: 2...4, using: &dice) { addLoad() }
    for _ in 0..<Int.random(in: 2...14, using: &dice) { addOperation() }
    let last = program.instructions.count
    for number in 0..<Int.random(in: 1...3, using: &dice) {
      // The newest value, so that most of the program is live, then any.
      let value = number == 0 ? last - 1 : Int.random(in: 0..<last, using: &dice)
      addStore(value)
    }
    if kind == .chunks {
      for _ in 0..<Int.random(in: 1...2, using: &dice) { addColumnReduction(last) }
    }
    chooseInPlace()
  }

  private func elements(_ level: TileProgram.Level) -> Int {
    switch level {
    case .scalar: 1
    case .row: rows
    case .column: program.cols
    case .full: (rows - 1) * program.cols + program.lastCols
    }
  }

  private mutating func addBuffer(_ dtype: DType, _ role: TileProgram.Buffer.Role, _ count: Int)
    -> Int
  {
    let labels = ["x", "w/b", "hidden/0", "", "float", "été", "t1", "n", "x"]
    let index = program.addBuffer(.init(dtype, role, label: dice.pick(labels)))
    counts.append(count)
    contents.append(
      role == .output
        ? Memory(byteCount: count * dtype.byteCount).bytes
        : data(dtype, count))
    return index
  }

  private mutating func anyDType() -> DType {
    dice.pick([.float32, .float32, .float32, .float64, .int32, .int64, .uint8, .bool])
  }

  private mutating func loadScalar() -> Int {
    let buffer = addBuffer(.int64, .input, 1)
    return program.append(.load(buffer: buffer, .scalar), .int64, .scalar)
  }

  private mutating func addLoad() {
    let dtype = anyDType()
    let hasRows = program.cols > 1 && kind != .cut
    switch Int.random(in: 0..<(kind == .cut ? 4 : 10), using: &dice) {
    case 0, 1, 2:
      let buffer = addBuffer(dtype, .input, elements(.full))
      _ = program.append(.load(buffer: buffer, .flat), dtype, .full)
    case 3:
      let buffer = addBuffer(dtype, .input, 1)
      _ = program.append(.load(buffer: buffer, .scalar), dtype, .scalar)
    case 4 where hasRows:
      let buffer = addBuffer(dtype, .input, elements(.column))
      _ = program.append(.load(buffer: buffer, .column), dtype, .column)
    case 5 where hasRows:
      let buffer = addBuffer(dtype, .input, elements(.row))
      _ = program.append(.load(buffer: buffer, .flat), dtype, .row)
    case 6 where hasRows: addView(dtype, .row)
    case 7: addPad(dtype)
    default: addView(dtype, .full)
    }
  }

  /// Random extents whose product is a count.
  private mutating func factors(_ count: Int) -> [Int] {
    var rest = count
    var dims: [Int] = []
    while rest > 1, dims.count < 3 {
      let divisors = (2...max(2, min(rest, 64))).filter { rest % $0 == 0 }
      guard !divisors.isEmpty else { break }
      let divisor = dice.pick(divisors)
      dims.insert(divisor, at: 0)
      rest /= divisor
    }
    dims.insert(rest, at: 0)
    return dims
  }

  private mutating func addView(_ dtype: DType, _ level: TileProgram.Level) {
    let dims = factors(elements(level))
    var strides = dims.map { _ in 0 }
    // A permuted dense array with gaps, some axes repeated, some backwards.
    var stride = 1
    var offset = dice.chance(30) ? 3 : 0
    for axis in dims.indices.shuffled(using: &dice) {
      if dice.chance(20) { continue }
      strides[axis] = stride
      stride *= dims[axis]
      if dice.chance(20) { stride += 1 }
      if dice.chance(20) {
        offset += strides[axis] * (dims[axis] - 1)
        strides[axis] = -strides[axis]
      }
    }
    let map = IndexMap(dims: dims, strides: strides, offset: offset)
    let buffer = addBuffer(dtype, .input, stride + offset + 4)
    _ = program.append(.load(buffer: buffer, .view(map)), dtype, level)
  }

  private mutating func addPad(_ dtype: DType) {
    let dims = factors(elements(.full))
    let source = dims.map { _ in Int.random(in: 1...4, using: &dice) }
    let identity = IndexMap.identity(source)
    let low = dims.map { _ in Int.random(in: -1...2, using: &dice) }
    let interior = dims.map { _ in dice.pick([0, 0, 1, 2]) }
    // The same map, but nothing outside: what a pad of nothing looks like.
    let fill = program.append(.literal(dice.pick([0.0, -1.0, 7.0])), dtype, .scalar)
    let buffer = addBuffer(dtype, .input, identity.count)
    let map = PadMap(
      dims: dims, sourceDims: source, strides: identity.strides, low: low, interior: interior)
    _ = program.append(.load(buffer: buffer, .pad(map, fill: fill)), dtype, .full)
  }

  private func values(_ condition: (TileProgram.Instruction) -> Bool) -> [Int] {
    program.instructions.indices.filter { condition(program.instructions[$0]) }
  }

  private func level(_ operands: Int...) -> TileProgram.Level {
    operands.map { program.instructions[$0].level }.reduce(.scalar) { $0.joined($1) }
  }

  /// A value, mostly one of the newest, so that chains grow.
  private mutating func anyValue(_ dtype: DType? = nil) -> Int {
    let all = values { dtype == nil || $0.dtype == dtype }
    if let dtype, all.isEmpty || dice.chance(12) {
      return program.append(.literal(dice.pick([0, 1, 0.5, -2, 3])), dtype, .scalar)
    }
    return dice.chance(60) ? dice.pick(Array(all.suffix(4))) : dice.pick(all)
  }

  private mutating func addOperation() {
    let hasRows = program.cols > 1
    let canReduce = hasRows && kind != .pieces
    let a = anyValue()
    let dtype = program.instructions[a].dtype
    switch Int.random(in: 0..<20, using: &dice) {
    case 0..<4:
      var functions: [UnaryFunction] = [.neg, .abs, .sign]
      if dtype == .bool { functions = [.not] }
      if dtype.isFloatingPoint {
        functions += [
          .exp, .log, .log1p, .expm1, .tanh, .logistic, .erf, .sqrt, .rsqrt, .exp2, .sin, .cos,
          .floor, .ceil, .round, .reciprocal, .logistic, .exp,
        ]
      }
      _ = program.append(.unary(dice.pick(functions), a), dtype, level(a))
    case 4..<11:
      let b = anyValue(dtype)
      var functions: [BinaryFunction] = [.add, .sub, .mul, .div, .rem, .max, .min, .pow]
      if dtype == .bool { functions = [.and, .or, .xor] }
      if dtype.isFloatingPoint { functions += [.add, .mul, .mul, .add, .sub, .max] }
      let (p, q) = dice.chance(50) ? (a, b) : (b, a)
      _ = program.append(.binary(dice.pick(functions), p, q), dtype, level(a, b))
    case 11, 12:
      let b = anyValue(dtype)
      _ = program.append(.compare(dice.pick(Comparison.allCases), a, b), .bool, level(a, b))
    case 13, 14:
      let b = anyValue(dtype)
      let c = anyValue(.bool)
      _ = program.append(.select(c, a, b), dtype, level(a, b, c))
    case 15:
      _ = program.append(.convert(a), anyDType(), level(a))
    case 16, 17:
      guard canReduce, dtype != .bool, dice.chance(60) else { return addLoad() }
      if dice.chance(25) {
        _ = program.append(.argRow(dice.pick([.max, .min]), a), .int32, .row)
      } else {
        _ = program.append(.reduceRow(dice.pick(ReduceFunction.allCases), a), dtype, .row)
      }
    case 18:
      let types: [DType] = [.float32, .float64, .int32, .int64, .uint8]
      let levels: [TileProgram.Level] = hasRows ? [.full, .full, .row, .column] : [.full]
      let periods = [(1, program.cols), (program.cols, 3), (2, 5), (1, 1), (1, 7), (3, 4)]
      let (inner, size) = dice.pick(periods)
      _ = program.append(.iota(inner: inner, size: size), dice.pick(types), dice.pick(levels))
    default:
      let seeds = values { $0.dtype == .int64 && $0.level == .scalar }
      let (seed, step) = (dice.pick(seeds), dice.pick(seeds))
      let isRow = hasRows && dice.chance(20)
      let (distribution, type): (RandomDistribution, DType) = dice.pick([
        (.bits, .int32), (.uniform, .float32), (.normal, .float32), (.uniform, .float64),
        (.normal, .float64),
      ])
      _ = program.append(
        .random(distribution, seed: seed, step: step, stream: 3), type, isRow ? .row : .full)
    }
  }

  private mutating func addStore(_ value: Int) {
    let dtype = program.instructions[value].dtype
    let own = program.instructions[value].level
    var level = TileProgram.Level.full
    if dice.chance(70), own == .row { level = .row }
    if dice.chance(40), own == .column, program.chunkRows == 1 { level = .column }
    if dice.chance(40), own == .scalar { level = .scalar }
    // An update in place of an input: one buffer, read and written.
    let candidates = program.buffers.indices.filter {
      program.buffers[$0].dtype == dtype && program.buffers[$0].role == .input
        && flatLevel($0) == level
    }
    if dice.chance(25), !candidates.isEmpty {
      let buffer = dice.pick(candidates)
      program.buffers[buffer].role = .inout_
      _ = program.append(.store(buffer: buffer, value), dtype, level)
      return
    }
    let buffer = addBuffer(dtype, .output, elements(level))
    _ = program.append(.store(buffer: buffer, value), dtype, level)
  }

  private mutating func addColumnReduction(_ last: Int) {
    let candidates = (0..<last).filter {
      program.instructions[$0].dtype != .bool
    }
    let value = dice.pick(candidates)
    let dtype = program.instructions[value].dtype
    let buffer = addBuffer(dtype, .output, program.units * program.cols)
    _ = program.append(
      .reduceColumn(dice.pick(ReduceFunction.allCases), buffer: buffer, value), dtype, .column)
  }

  // MARK: - Memory and data

  private func flatLevel(_ buffer: Int) -> TileProgram.Level? {
    var level: TileProgram.Level?
    for instruction in program.instructions {
      switch instruction.operation {
      case .load(buffer, let access):
        guard access == .flat else { return nil }
      case .store(buffer, _): break
      case .reduceColumn(_, buffer, _): return nil
      default: continue
      }
      guard level == nil || level == instruction.level else { return nil }
      level = instruction.level
    }
    return level == .full || level == .row ? level : nil
  }

  private mutating func chooseInPlace() {
    var taken: Set<Int> = []
    for output in program.buffers.indices where program.buffers[output].role == .output {
      guard let level = flatLevel(output), dice.chance(70) else { continue }
      let inputs = program.buffers.indices.filter {
        program.buffers[$0].role == .input && flatLevel($0) == level && !taken.contains($0)
          && program.buffers[$0].dtype.byteCount == program.buffers[output].dtype.byteCount
      }
      guard !inputs.isEmpty else { continue }
      let input = dice.pick(inputs)
      taken.insert(input)
      inPlace.append((output, input))
    }
    if dice.chance(70) {
      aliasing = Aliasing(pairs: Set(inPlace.map { .init($0.output, $0.input) }))
    }
  }

  private mutating func data(_ dtype: DType, _ count: Int) -> [UInt8] {
    let memory = Memory(byteCount: count * dtype.byteCount)
    for i in 0..<count {
      let y = memory.pointer + i * dtype.byteCount
      switch dtype {
      case .float32, .float64:
        var number = Double.random(in: -4...4, using: &dice)
        if dice.chance(15) { number = number.rounded() }
        if dice.chance(1) { number = dice.pick([.infinity, -.infinity, .nan, -0.0, 1e30]) }
        Reference.write(number, dtype, to: y)
      case .bool: Reference.write(Int64(dice.chance(50) ? 1 : 0), dtype, to: y)
      default:
        var number = Int64.random(in: -6...6, using: &dice)
        if dice.chance(3) { number = dice.pick([.min, .max, Int64(Int32.min), 1 << 31]) }
        Reference.write(number, dtype, to: y)
      }
    }
    return memory.bytes
  }

  /// Units of the schedule: rows, or chunks of rows.
  var units: Int { (rows + program.chunkRows - 1) / program.chunkRows }

  /// Ranges that cover all units, in an order of their own.
  mutating func ranges() -> [Range<Int>] {
    var cuts: Set<Int> = [0, units]
    if dice.chance(70) { for _ in 0..<3 { cuts.insert(Int.random(in: 0...units, using: &dice)) } }
    let sorted = cuts.sorted()
    return zip(sorted, sorted.dropFirst()).map { $0..<$1 }.shuffled(using: &dice)
  }
}
