// The scalar form's statements: one for each instruction.

import MartletIR
import MartletLoops

extension ScalarPrinter {
  /// How a value is spelled where it is used.
  func name(_ value: Int) -> String {
    let instruction = program.instructions[value]
    switch instruction.operation {
    case .literal(let number): return CText.literal(number, instruction.dtype)
    case .integerLiteral(let number): return CText.literal(number, instruction.dtype)
    default: return "t\(value)"
    }
  }

  /// The statements that define a value; none for literals and stores.
  mutating func definition(_ index: Int) -> [String] {
    let instruction = program.instructions[index]
    let dtype = instruction.dtype
    let head = "const \(CText.type(dtype)) t\(index) = "
    let level = levels[index]
    switch instruction.operation {
    case .literal, .integerLiteral, .store, .reduceColumn, .fused: return []
    case .load(let buffer, let access):
      usedBuffers.insert(buffer)
      let name = bufferNames[buffer]
      switch access {
      case .flat, .column, .scalar: return ["\(head)\(name)[\(element(level))];"]
      case .view(let map):
        return ["\(head)\(name)[\(viewOffset(map.collapsed, level))];"]
      case .pad(let map, let fill):
        return padLines(index, head, name, map, self.name(fill), level)
      }
    case .unary(let function, let a):
      return ["\(head)\(unary(function, self.name(a), dtype));"]
    case .binary(let function, let a, let b):
      return ["\(head)\(binary(function, self.name(a), self.name(b), dtype));"]
    case .compare(let comparison, let a, let b):
      return ["\(head)\(self.name(a)) \(comparison.symbol) \(self.name(b));"]
    case .select(let c, let a, let b):
      return ["\(head)\(self.name(c)) ? \(self.name(a)) : \(self.name(b));"]
    case .convert(let a):
      let from = program.instructions[a].dtype
      if from == dtype { return ["\(head)\(self.name(a));"] }
      return ["\(head)mtm_convert_\(from.suffix)_\(dtype.suffix)(\(self.name(a)));"]
    case .reduceRow(let function, let a):
      return ["\(head)mtm_row_\(function.rawValue)_\(dtype.suffix)(\(rowArguments(a)));"]
    case .argRow(let function, let a):
      let from = program.instructions[a].dtype
      return ["\(head)mtm_row_arg\(function.rawValue)_\(from.suffix)(\(rowArguments(a)));"]
    case .iota(var inner, let size):
      if level == .row, instruction.level == .full { inner /= cols }
      var text = element(level)
      if inner != 1 { text += " / \(inner)" }
      if size != 1 { text += " % \(size)" } else { text = "0" }
      return ["\(head)(\(CText.type(dtype)))(\(text));"]
    case .random(let distribution, let seed, let step, let stream):
      let callee = "mtm_random_\(distribution.rawValue)_\(dtype.suffix)"
      let position = level == .scalar ? "0" : element(level)
      return [
        "\(head)\(callee)(\(self.name(seed)), \(self.name(step)), \(stream), \(position));"
      ]
    }
  }

  private mutating func rowArguments(_ value: Int) -> String {
    guard isFlat else { return "\(rowPointer(value)), \(rowCount)" }
    // A row of one element.
    let type = CText.type(program.instructions[value].dtype)
    return "(const \(type)[]){\(name(value))}, 1"
  }

  private func element(_ level: TileProgram.Level) -> String {
    switch level {
    case .scalar: "0"
    case .row: "r"
    case .column: "c"
    case .full: "i"
    }
  }

  // MARK: - Functions

  func unary(_ function: UnaryFunction, _ x: String, _ dtype: DType) -> String {
    switch function {
    case .neg where dtype.isFloatingPoint: "-\(x)"
    case .not: "!\(x)"
    default: "mtm_\(function.rawValue)_\(dtype.suffix)(\(x))"
    }
  }

  func binary(_ function: BinaryFunction, _ a: String, _ b: String, _ dtype: DType) -> String {
    switch function {
    case .add where dtype.isFloatingPoint: "\(a) + \(b)"
    case .sub where dtype.isFloatingPoint: "\(a) - \(b)"
    case .mul where dtype.isFloatingPoint: "\(a) * \(b)"
    case .div where dtype.isFloatingPoint: "\(a) / \(b)"
    case .and where dtype == .bool: "\(a) & \(b)"
    case .or where dtype == .bool: "\(a) | \(b)"
    case .xor where dtype == .bool: "\(a) ^ \(b)"
    default: "mtm_\(function.rawValue)_\(dtype.suffix)(\(a), \(b))"
    }
  }

  // MARK: - Index arithmetic

  /// The row-major index of each axis, in terms of `r` and `c` where the axes split between them.
  private func axisIndices(_ dims: [Int], _ level: TileProgram.Level) -> [String] {
    var result = [String](repeating: "0", count: dims.count)
    func unflatten(_ axes: Range<Int>, _ index: String) {
      var inner = 1
      for axis in axes.reversed() {
        var text = inner == 1 ? index : "\(index) / \(inner)"
        if axis > axes.lowerBound {
          text += " % \(dims[axis])"
        }
        result[axis] = dims[axis] == 1 ? "0" : text
        inner *= max(1, dims[axis])
      }
    }
    if level == .full, !isFlat {
      var inner = 1
      for axis in dims.indices.reversed() {
        inner *= dims[axis]
        if inner == cols {
          unflatten(axis..<dims.count, "c")
          unflatten(0..<axis, "r")
          return result
        }
      }
    }
    unflatten(0..<dims.count, element(level))
    return result
  }

  private func viewOffset(_ map: IndexMap, _ level: TileProgram.Level) -> String {
    if level == .scalar { return "\(map.offset)" }
    var terms: [String] = map.offset == 0 ? [] : ["\(map.offset)"]
    for (index, stride) in zip(axisIndices(map.dims, level), map.strides) where stride != 0 {
      if index == "0" { continue }
      terms.append(product(index, stride))
    }
    return terms.isEmpty ? "0" : terms.joined(separator: " + ")
  }

  private func product(_ index: String, _ factor: Int) -> String {
    if factor == 1 { return index }
    let operand = index.contains("%") || index.contains("/") ? "(\(index))" : index
    return "\(operand) * \(factor < 0 ? "(\(factor))" : "\(factor)")"
  }

  /// A padded read: the source's index on each axis, then one guarded load.
  private func padLines(
    _ index: Int, _ head: String, _ buffer: String, _ map: PadMap, _ fill: String,
    _ level: TileProgram.Level
  ) -> [String] {
    var lines: [String] = []
    var conditions: [String] = []
    var terms: [String] = []
    for (axis, place) in axisIndices(map.dims, level).enumerated() {
      let step = map.interior[axis] + 1
      let low = map.low[axis]
      let name = "t\(index)_\(axis)"
      let shifted =
        low == 0 ? place : low < 0 ? "\(place) + \(-low)" : "\(place) - \(low)"
      // An axis that the map leaves alone needs no guard.
      let isWhole = low == 0 && step == 1 && map.dims[axis] <= map.sourceDims[axis]
      if !isWhole {
        conditions.append("\(name) >= 0")
        if step > 1 { conditions.append("\(name) % \(step) == 0") }
        conditions.append(
          step > 1
            ? "\(name) / \(step) < \(map.sourceDims[axis])" : "\(name) < \(map.sourceDims[axis])")
      }
      let needsName = !isWhole || map.strides[axis] != 0
      if needsName { lines.append("const long \(name) = \(shifted);") }
      if map.strides[axis] != 0 {
        terms.append(product(step > 1 ? "\(name) / \(step)" : name, map.strides[axis]))
      }
    }
    let offset = terms.isEmpty ? "0" : terms.joined(separator: " + ")
    if conditions.isEmpty { return lines + ["\(head)\(buffer)[\(offset)];"] }
    let guardText = conditions.joined(separator: " && ")
    return lines + ["\(head)\(guardText) ? \(buffer)[\(offset)] : \(fill);"]
  }
}

extension Comparison {
  var symbol: String {
    switch self {
    case .eq: "=="
    case .ne: "!="
    case .lt: "<"
    case .le: "<="
    case .gt: ">"
    case .ge: ">="
    }
  }
}
