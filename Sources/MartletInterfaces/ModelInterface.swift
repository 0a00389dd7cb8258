// What a model takes and gives, as far as a Swift type needs it.

import Foundation

/// A model file that has no interface to write.
struct InterfaceError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The inputs and outputs of a model.
struct ModelInterface {
  enum Extent: Hashable {
    case fixed(Int), named(String), place(String, Int), unknown

    /// What an open extent is called.
    var symbol: String? {
      switch self {
      case .named(let name): name
      case .place(let input, let axis): "\(input) \(axis)"
      case .fixed, .unknown: nil
      }
    }
  }
  struct Port {
    let name: String
    /// ONNX's number of the element type; nil for what is no tensor.
    let element: Int?
    /// Nil where the file does not say how many there are.
    let extents: [Extent]?
  }
  enum Kind { case onnx, classifier(classes: [String]) }

  /// The file with its ending.
  let file: String
  let kind: Kind
  let inputs: [Port]
  let outputs: [Port]

  /// A model directory, as `martlet train` saves it.
  init(directory: URL) throws {
    let manifest = directory.appendingPathComponent("model.json")
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: manifest))
    guard let object = json as? [String: Any], object["format"] as? String == "martlet-model",
      let classes = object["classes"] as? [String],
      let shape = (object["input"] as? [String: Any])?["shape"] as? [Int]
    else { throw InterfaceError("\(manifest.path): not a Martlet model") }
    let extents = [Extent.named("batch")] + shape.map(Extent.fixed)
    let rows: [Extent] = [.named("batch"), .fixed(classes.count)]
    file = directory.lastPathComponent
    kind = .classifier(classes: classes)
    inputs = [Port(name: shape.count == 3 ? "images" : "input", element: 1, extents: extents)]
    outputs = [
      Port(name: "logits", element: 1, extents: rows),
      Port(name: "probabilities", element: 1, extents: rows),
    ]
  }

  /// An ONNX file; only its graph's inputs and outputs are read.
  init(onnx url: URL) throws {
    let data = try Data(contentsOf: url, options: .mappedIfSafe)
    file = url.lastPathComponent
    kind = .onnx
    // ModelProto.graph is field 7; GraphProto: 5 initializers, 11 inputs, 12 outputs.
    guard let graph = try WireMessage(data).messages(7).last else {
      throw InterfaceError("\(url.path): no ONNX model")
    }
    let initialized = Set(try graph.messages(5).map { try $0.text(8) })
    // An extent without a name is called after its place.
    inputs = try graph.messages(11).map(ModelInterface.port).filter {
      !initialized.contains($0.name)
    }.map { port in
      let extents = port.extents?.enumerated().map { axis, extent in
        extent == .unknown ? .place(port.name, axis) : extent
      }
      return Port(name: port.name, element: port.element, extents: extents)
    }
    outputs = try graph.messages(12).map(ModelInterface.port)
  }

  private static func port(_ info: WireMessage) throws -> Port {
    let name = try info.text(1)
    // ValueInfoProto.type, TypeProto.tensor_type.
    guard let tensor = try info.messages(2).last?.messages(1).last else {
      return Port(name: name, element: nil, extents: nil)
    }
    let extents = try tensor.messages(2).last.map { shape in
      try shape.messages(1).map { dimension -> Extent in
        let symbol = try dimension.text(2)
        if !symbol.isEmpty { return .named(symbol) }
        return try dimension.number(1).map { .fixed(Int(truncatingIfNeeded: $0)) } ?? .unknown
      }
    }
    return Port(
      name: name, element: try tensor.number(1).map { Int(truncatingIfNeeded: $0) },
      extents: extents)
  }
}

/// A message in protocol buffers' wire format, read field by field; what is not asked for is skipped.
struct WireMessage {
  private let data: Data

  init(_ data: Data) { self.data = data }

  private enum Value { case number(UInt64), bytes(Data), other }

  private func forEach(_ body: (Int, Value) throws -> Void) throws {
    var position = data.startIndex
    func varint() throws -> UInt64 {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard position < data.endIndex else { break }
        let byte = data[position]
        position += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      throw InterfaceError("the file is cut off or no ONNX model")
    }
    while position < data.endIndex {
      let tag = try varint()
      guard tag >> 3 > 0, tag >> 3 < 1 << 29 else {
        throw InterfaceError("the file is no ONNX model")
      }
      let field = Int(tag >> 3)
      switch tag & 7 {
      case 0: try body(field, .number(try varint()))
      case 2:
        let count = try varint()
        guard count <= UInt64(data.endIndex - position) else {
          throw InterfaceError("the file is cut off or no ONNX model")
        }
        let end = position + Int(count)
        try body(field, .bytes(data[position..<end]))
        position = end
      case 1, 5:
        let count = tag & 7 == 1 ? 8 : 4
        guard count <= data.endIndex - position else {
          throw InterfaceError("the file is cut off or no ONNX model")
        }
        try body(field, .other)
        position += count
      default: throw InterfaceError("the file is no ONNX model")
      }
    }
  }

  func messages(_ field: Int) throws -> [WireMessage] {
    var found: [WireMessage] = []
    try forEach { number, value in
      if number == field, case .bytes(let bytes) = value { found.append(WireMessage(bytes)) }
    }
    return found
  }

  /// Empty where it is missing.
  func text(_ field: Int) throws -> String {
    var found = ""
    try forEach { number, value in
      if number == field, case .bytes(let bytes) = value {
        found = String(decoding: bytes, as: UTF8.self)
      }
    }
    return found
  }

  func number(_ field: Int) throws -> UInt64? {
    var found: UInt64?
    try forEach { number, value in
      if number == field, case .number(let x) = value { found = x }
    }
    return found
  }
}
