// Kernels that the tests print and run.

import MartletIR
import MartletLoops

enum Samples {
  /// sigmoid(a·b + c)·a + 0.5·relu(c): the chain of the design.
  static let chain: TileProgram = {
    var p = TileProgram(rows: 0, cols: 1)
    let (a, b, c) = (p.input("a"), p.input("b"), p.input("c"))
    let y = p.output("y")
    let x = p.load(a), w = p.load(b), z = p.load(c)
    let product = p.binary(.mul, x, w)
    let sum = p.binary(.add, product, z)
    let gate = p.unary(.logistic, sum)
    let gated = p.binary(.mul, gate, x)
    let zero = p.literal(0), half = p.literal(0.5)
    let relu = p.binary(.max, z, zero)
    let scaled = p.binary(.mul, relu, half)
    p.store(y, p.binary(.add, gated, scaled))
    return p
  }()

  /// relu(x + bias) over rows of 10.
  static let biasReLU: TileProgram = {
    var p = TileProgram(rows: 0, cols: 10)
    let x = p.input("hidden/dot"), bias = p.input("hidden/bias"), y = p.output("hidden/relu")
    let b = p.append(.load(buffer: bias, .column), .float32, .column)
    let sum = p.binary(.add, p.load(x), b)
    p.store(y, p.binary(.max, sum, p.literal(0)))
    return p
  }()

  /// Softmax over rows.
  static func softmax(cols: Int) -> TileProgram {
    var p = TileProgram(rows: 0, cols: cols)
    let x = p.input("logits"), y = p.output("softmax")
    let value = p.load(x)
    let largest = p.append(.reduceRow(.max, value), .float32, .row)
    let e = p.unary(.exp, p.binary(.sub, value, largest))
    let sum = p.append(.reduceRow(.sum, e), .float32, .row)
    p.store(y, p.binary(.div, e, sum))
    return p
  }

  /// Layer normalisation over rows, and the gradient of its scale.
  static func layerNorm(cols: Int) -> TileProgram {
    var p = TileProgram(rows: 300, cols: cols)
    p.chunkRows = 128
    let x = p.input("x"), scale = p.input("scale"), bias = p.input("bias"), dy = p.input("dy")
    let y = p.output("y"), partial = p.output("partial")
    let value = p.load(x)
    let share = p.literal(1 / Double(cols))
    let sum = p.append(.reduceRow(.sum, value), .float32, .row)
    let mean = p.append(.binary(.mul, sum, share), .float32, .row)
    let centred = p.binary(.sub, value, mean)
    let squares = p.append(
      .reduceRow(.sum, p.binary(.mul, centred, centred)), .float32, .row)
    let variance = p.append(.binary(.mul, squares, share), .float32, .row)
    let inverse = p.append(.unary(.rsqrt, variance), .float32, .row)
    let unit = p.binary(.mul, centred, inverse)
    let factor = p.append(.load(buffer: scale, .column), .float32, .column)
    let shift = p.append(.load(buffer: bias, .column), .float32, .column)
    p.store(y, p.binary(.add, p.binary(.mul, unit, factor), shift))
    let product = p.binary(.mul, p.load(dy), unit)
    _ = p.append(.reduceColumn(.sum, buffer: partial, product), .float32, .column)
    return p
  }

  /// Column sums of dy·mask, in chunks of 128 rows, and the masked values themselves.
  static let biasGradient: TileProgram = {
    var p = TileProgram(rows: 300, cols: 10)
    p.chunkRows = 128
    let dy = p.input("dy"), x = p.input("x"), masked = p.output("masked")
    let partial = p.output("partial")
    let zero = p.literal(0)
    let positive = p.append(.compare(.gt, p.load(x), zero), .bool, .full)
    let g = p.append(.select(positive, p.load(dy), zero), .float32, .full)
    p.store(masked, g)
    _ = p.append(.reduceColumn(.sum, buffer: partial, g), .float32, .column)
    return p
  }()

  /// A transposed view plus a padded read with holes.
  static let views: TileProgram = {
    var p = TileProgram(rows: 0, cols: 1)
    let x = p.input("x"), small = p.input("small"), y = p.output("y")
    let transposed = IndexMap(dims: [6, 4], strides: [1, 6], offset: 2)
    let v = p.append(.load(buffer: x, .view(transposed)), .float32, .full)
    let fill = p.literal(-1)
    let pad = PadMap(
      dims: [6, 4], sourceDims: [2, 4], strides: [4, 1], low: [1, 0], interior: [2, 0])
    let padded = p.append(.load(buffer: small, .pad(pad, fill: fill)), .float32, .full)
    p.store(y, p.binary(.sub, v, padded))
    return p
  }()
}

extension TileProgram {
  mutating func input(_ label: String, _ dtype: DType = .float32) -> Int {
    addBuffer(Buffer(dtype, .input, label: label))
  }

  mutating func output(_ label: String, _ dtype: DType = .float32) -> Int {
    addBuffer(Buffer(dtype, .output, label: label))
  }

  mutating func load(_ buffer: Int) -> Int {
    append(.load(buffer: buffer, .flat), buffers[buffer].dtype, .full)
  }

  mutating func literal(_ value: Double, _ dtype: DType = .float32) -> Int {
    append(.literal(value), dtype, .scalar)
  }

  mutating func unary(_ function: UnaryFunction, _ a: Int) -> Int {
    append(.unary(function, a), instructions[a].dtype, instructions[a].level)
  }

  mutating func binary(_ function: BinaryFunction, _ a: Int, _ b: Int) -> Int {
    append(
      .binary(function, a, b), instructions[a].dtype,
      instructions[a].level.joined(instructions[b].level))
  }

  mutating func store(_ buffer: Int, _ value: Int) {
    _ = append(.store(buffer: buffer, value), buffers[buffer].dtype, .full)
  }
}
