// The meaning of a tile program, spelled out: every value as one whole array, every instruction as
// one call of a runtime primitive over it. No tiles, no levels, no memory reuse.

import CMartletRuntime
import MartletIR
import MartletJIT
import MartletLoops

/// Bytes of an array; 64-byte aligned, with canaries on both sides.
final class Memory {
  let byteCount: Int
  private let base: UnsafeMutableRawPointer
  private static let guardBytes = 64
  private static let canary: UInt8 = 0xA7

  init(byteCount: Int, fill: UInt8 = 0xFF) {
    self.byteCount = byteCount
    let whole = byteCount + 2 * Memory.guardBytes
    base = .allocate(byteCount: whole, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: Memory.canary, count: whole)
    pointer.initializeMemory(as: UInt8.self, repeating: fill, count: byteCount)
  }

  convenience init(_ bytes: [UInt8]) {
    self.init(byteCount: bytes.count)
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { pointer.copyMemory(from: start, byteCount: bytes.count) }
    }
  }

  deinit { base.deallocate() }

  var pointer: UnsafeMutableRawPointer { base + Memory.guardBytes }
  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: pointer, count: byteCount)) }

  var canariesAreIntact: Bool {
    let whole = UnsafeRawBufferPointer(start: base, count: byteCount + 2 * Memory.guardBytes)
    return whole.prefix(Memory.guardBytes).allSatisfy { $0 == Memory.canary }
      && whole.suffix(Memory.guardBytes).allSatisfy { $0 == Memory.canary }
  }
}

struct Reference {
  typealias Pointer = UnsafeMutableRawPointer
  typealias Unary = @convention(c) (Pointer, Pointer, Int) -> Void
  typealias Binary = @convention(c) (Pointer, Pointer, Pointer, Int) -> Void
  typealias Select = @convention(c) (Pointer, Pointer, Pointer, Pointer, Int) -> Void
  typealias Rows = @convention(c) (Pointer, Pointer, Int, Int) -> Void
  typealias Iota = @convention(c) (Pointer, Int, Int, Int, Int) -> Void
  typealias Random = @convention(c) (Pointer, Int, Int, Int, Int, Int) -> Void

  let program: TileProgram
  let rows: Int
  private var isa = mt_best_isa()
  private(set) var missing: Set<String> = []

  init(_ program: TileProgram, rows: Int, isa: InstructionSet) {
    _ = mt_isa_from_name(isa.rawValue, &self.isa)
    self.program = program.withCanonicalOperandOrder()
    self.rows = rows
  }

  /// Elements of a value of a level; the last row of a cut domain counts in full.
  func count(_ level: TileProgram.Level) -> Int {
    switch level {
    case .scalar: 1
    case .row: rows
    case .column: program.cols
    case .full: rows * program.cols
    }
  }

  private mutating func function<F>(_ name: String, as type: F.Type) -> F? {
    guard let symbol = mt_find_symbol(name),
      let address = mt_symbol_address(symbol, isa)
    else {
      missing.insert(name)
      return nil
    }
    return unsafeBitCast(address, to: type)
  }

  /// Runs the program on buffers (bytes by buffer index); outputs are written in place.
  mutating func run(_ buffers: [Memory]) {
    var values: [(memory: Memory, level: TileProgram.Level)?] = []
    var writes: [(buffer: Int, offset: Int, memory: Memory, byteCount: Int)] = []
    // Elements of a full array that exist: the last row may be cut.
    let fullCount = (rows - 1) * program.cols + program.lastCols

    func spread(_ value: Int, to level: TileProgram.Level) -> Memory {
      guard let (memory, own) = values[value] else { return Memory(byteCount: 0) }
      if own == level { return memory }
      let size = program.instructions[value].dtype.byteCount
      let result = Memory(byteCount: count(level) * size)
      for i in 0..<count(level) {
        let source =
          switch (own, level) {
          case (.scalar, _): 0
          case (.row, .full): i / program.cols
          case (.column, .full): i % program.cols
          default: 0
          }
        (result.pointer + i * size).copyMemory(
          from: memory.pointer + source * size, byteCount: size)
      }
      return result
    }

    for instruction in program.instructions {
      let dtype = instruction.dtype
      let level = instruction.level
      let size = dtype.byteCount
      let n = count(level)
      let result = Memory(byteCount: n * size)
      let y = result.pointer
      switch instruction.operation {
      case .literal(let number): Reference.write(number, dtype, to: y)
      case .integerLiteral(let number):
        if dtype.isFloatingPoint {
          Reference.write(Double(number), dtype, to: y)
        } else {
          Reference.write(number, dtype, to: y)
        }
      case .load(let buffer, let access):
        let x = buffers[buffer].pointer
        func copy(_ i: Int, from element: Int) {
          (y + i * size).copyMemory(from: x + element * size, byteCount: size)
        }
        switch access {
        case .flat, .column, .scalar:
          for i in 0..<(level == .full ? fullCount : n) { copy(i, from: i) }
        case .view(let map): for i in 0..<n { copy(i, from: map.offset(at: i)) }
        case .pad(let map, let fill):
          let fill = spread(fill, to: .scalar)
          for i in 0..<n {
            if let element = Reference.element(of: map, at: i) {
              copy(i, from: element)
            } else {
              (y + i * size).copyMemory(from: fill.pointer, byteCount: size)
            }
          }
        }
      case .unary(let name, let a):
        let f = function("mt_\(name.rawValue)_\(dtype)", as: Unary.self)
        f?(y, spread(a, to: level).pointer, n)
      case .convert(let a):
        let x = spread(a, to: level)
        if program.instructions[a].dtype == dtype {
          y.copyMemory(from: x.pointer, byteCount: n * size)
        } else {
          let name = "mt_convert_\(program.instructions[a].dtype)_\(dtype)"
          function(name, as: Unary.self)?(y, x.pointer, n)
        }
      case .binary(let name, let a, let b):
        let f = function("mt_\(name.rawValue)_\(dtype)", as: Binary.self)
        let (p, q) = (spread(a, to: level), spread(b, to: level))
        f?(y, p.pointer, q.pointer, n)
      case .compare(let name, let a, let b):
        let name = "mt_\(name.rawValue)_\(program.instructions[a].dtype)"
        let (p, q) = (spread(a, to: level), spread(b, to: level))
        function(name, as: Binary.self)?(y, p.pointer, q.pointer, n)
      case .select(let c, let a, let b):
        let (o, p, q) = (spread(c, to: level), spread(a, to: level), spread(b, to: level))
        function("mt_select_\(dtype)", as: Select.self)?(y, o.pointer, p.pointer, q.pointer, n)
      case .reduceRow(let name, let a), .argRow(let name, let a):
        var symbol = "mt_row_\(name.rawValue)_\(dtype)"
        if case .argRow = instruction.operation {
          symbol = "mt_row_arg\(name.rawValue)_\(program.instructions[a].dtype)"
        }
        let x = spread(a, to: .full)
        let step = program.instructions[a].dtype.byteCount
        let f = function(symbol, as: Rows.self)
        for r in 0..<rows {
          let cols = r == rows - 1 ? program.lastCols : program.cols
          f?(y + r * size, x.pointer + r * program.cols * step, 1, cols)
        }
      case .iota(let inner, let extent):
        function("mt_iota_\(dtype)", as: Iota.self)?(y, 0, n, inner, extent)
      case .random(let name, let seed, let step, let stream):
        let (s, t) = (spread(seed, to: .scalar), spread(step, to: .scalar))
        let f = function("mt_random_\(name.rawValue)_\(dtype)", as: Random.self)
        f?(y, s.pointer.load(as: Int.self), t.pointer.load(as: Int.self), stream, 0, n)
      case .store(let buffer, let a):
        let byteCount = (level == .full ? fullCount : n) * size
        writes.append((buffer, 0, spread(a, to: level), byteCount))
      case .reduceColumn(let name, let buffer, let a):
        let x = spread(a, to: .full)
        let f = function("mt_col_\(name.rawValue)_\(dtype)", as: Rows.self)
        for unit in 0..<program.units {
          let partial = Memory(byteCount: program.cols * size)
          for c in 0..<program.cols {
            Reference.write(Reference.neutral(name, dtype), dtype, to: partial.pointer + c * size)
          }
          let first = unit * program.chunkRows
          let count = min(program.chunkRows, rows - first)
          f?(partial.pointer, x.pointer + first * program.cols * size, count, program.cols)
          writes.append((buffer, unit * program.cols * size, partial, program.cols * size))
        }
      case .fused: missing.insert("fused")
      }
      values.append((result, level))
    }
    // All reads see the inputs: outputs may lie in their memory.
    for write in writes {
      (buffers[write.buffer].pointer + write.offset).copyMemory(
        from: write.memory.pointer, byteCount: write.byteCount)
    }
  }

  static func element(of map: PadMap, at flatIndex: Int) -> Int? {
    var rest = flatIndex
    var element = 0
    for axis in map.dims.indices.reversed() {
      let t = rest % map.dims[axis] - map.low[axis]
      rest /= map.dims[axis]
      let step = map.interior[axis] + 1
      guard t >= 0, t % step == 0, t / step < map.sourceDims[axis] else { return nil }
      element += t / step * map.strides[axis]
    }
    return element
  }

  static func neutral(_ function: ReduceFunction, _ dtype: DType) -> Double {
    switch function {
    case .sum: 0
    case .prod: 1
    case .max: -Double.infinity
    case .min: Double.infinity
    }
  }

  static func write(_ number: Double, _ dtype: DType, to y: Pointer) {
    switch dtype {
    case .float32: y.storeBytes(of: Float(number), as: Float.self)
    case .float64: y.storeBytes(of: number, as: Double.self)
    case .int32:
      let limit = Double(Int32.max)
      write(Int64(max(-limit - 1, min(limit, number))), dtype, to: y)
    case .int64:
      write(number >= 0x1p63 ? .max : number <= -0x1p63 ? .min : Int64(number), dtype, to: y)
    case .bool: y.storeBytes(of: number != 0 ? 1 : 0, as: UInt8.self)
    default: y.storeBytes(of: UInt8(max(0, min(255, number))), as: UInt8.self)
    }
  }

  static func write(_ number: Int64, _ dtype: DType, to y: Pointer) {
    switch dtype {
    case .int32: y.storeBytes(of: Int32(truncatingIfNeeded: number), as: Int32.self)
    case .int64: y.storeBytes(of: number, as: Int64.self)
    case .bool: y.storeBytes(of: number != 0 ? 1 : 0, as: UInt8.self)
    default: y.storeBytes(of: UInt8(truncatingIfNeeded: number), as: UInt8.self)
    }
  }
}
