// What an operator sees of its node: attributes, inputs, the trace.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

/// A node on its way into the graph. Everything that an operator asks for comes checked: what is
/// missing or of another kind is an error that names the node.
struct NodeContext {
  let node: OnnxNodeProto
  /// `Conv 'layer1/conv'`, for messages.
  let label: String
  /// The version of the operator set.
  let version: Int
  /// The inputs in order; nil where an optional one is left out.
  let inputs: [ONNXValue?]
  let importer: Importer
  let scope: Scope

  /// Where operations without an operand are recorded.
  var trace: Trace { importer.trace }
  /// How many outputs the node names.
  var outputCount: Int { node.output.count }
  /// Whether anybody may read output `index`.
  func wants(output index: Int) -> Bool {
    node.output.indices.contains(index) && !node.output[index].isEmpty
  }

  // MARK: Errors

  func invalid(_ why: String, hint: String = "") -> ONNXError {
    ONNXError(.type, why, node: label, hint: hint)
  }
  func unsupported(_ why: String, hint: String = "") -> ONNXError {
    ONNXError(.unsupported, why, node: label, hint: hint)
  }

  // MARK: Inputs

  func has(_ index: Int) -> Bool { inputs.indices.contains(index) && inputs[index] != nil }

  /// An input of any kind.
  func value(_ index: Int) throws -> ONNXValue {
    guard inputs.indices.contains(index), let value = inputs[index] else {
      throw invalid("input \(index) is missing")
    }
    return value
  }

  /// An input as a value of the trace.
  func tensor(_ index: Int) throws -> Tensor { try tensor(value(index), "input \(index)") }

  /// An input as a value of the trace; nil where it is left out.
  func optionalTensor(_ index: Int) throws -> Tensor? { has(index) ? try tensor(index) : nil }

  /// All inputs as values of the trace.
  func tensors() throws -> [Tensor] { try inputs.indices.map(tensor) }

  func tensor(_ value: ONNXValue, _ what: String) throws -> Tensor {
    switch value {
    case .tensor(let x, _): return x
    case .constant(let x):
      guard let array = x.array else { throw unsupported("\(what) holds strings") }
      return trace.constant(array)
    case .sequence, .optional: throw invalid("\(what) is a \(value.description), not a tensor")
    }
  }

  /// An input with its axes permuted; a constant (weights) is permuted here, once.
  func tensor(_ index: Int, permuted permutation: [Int]) throws -> Tensor {
    if let known = knownConstant(index), let array = try known.transposed(permutation).array {
      return literal(array)
    }
    return try tensor(index).transposed(permutation)
  }

  /// The ONNX element type of an input.
  func elementType(_ index: Int) throws -> ElementType {
    guard let type = try value(index).elementType else {
      throw invalid("input \(index) is no tensor")
    }
    return type
  }

  func shape(_ index: Int) throws -> Shape {
    guard let shape = try value(index).shape else { throw invalid("input \(index) is no tensor") }
    return shape
  }

  func rank(_ index: Int) throws -> Int { try shape(index).rank }

  /// The elements of an input, which have to be known now. Where they depend on inputs of the model
  /// whose values were given they are computed, and the program is one for those values.
  func constant(_ index: Int) throws -> HostTensor {
    let known = try constant(value(index), "input \(index)")
    if case .tensor = try value(index), node.input.indices.contains(index) {
      scope.refine(node.input[index], .constant(known))
    }
    return known
  }

  func constant(_ value: ONNXValue, _ what: String) throws -> HostTensor {
    switch value {
    case .constant(let x): return x
    case .tensor(let x, let type):
      guard let array = try importer.evaluated(x, node: label) else {
        throw ONNXError(
          .unknownValue, "\(what) has to be known when the model is compiled", node: label,
          hint: "give the inputs that it depends on (run, or compile with their values)")
      }
      return HostTensor(array, as: type)
    default: throw invalid("\(what) is a \(value.description), not a tensor")
    }
  }

  /// The elements of an input if they are known without any input's value.
  func knownConstant(_ index: Int) -> HostTensor? {
    if inputs.indices.contains(index), case .constant(let x)? = inputs[index] { return x }
    return nil
  }

  /// The elements of an input as integers, known now.
  func integers(_ index: Int) throws -> [Int] { try constant(index).integers.map { Int($0) } }

  /// The same; nil where the input is left out.
  func optionalIntegers(_ index: Int) throws -> [Int]? { has(index) ? try integers(index) : nil }

  /// The one element of an input as an integer, known now.
  func integer(_ index: Int) throws -> Int {
    let values = try integers(index)
    guard values.count == 1 else { throw invalid("input \(index) needs one element") }
    return values[0]
  }

  /// The one element of an input as a number, known now.
  func number(_ index: Int) throws -> Double {
    let values = try constant(index).doubles
    guard values.count == 1 else { throw invalid("input \(index) needs one element") }
    return values[0]
  }

  // MARK: Axes

  /// An axis counted from the front.
  func axis(_ axis: Int, rank: Int) throws -> Int {
    let counted = axis < 0 ? axis &+ rank : axis
    guard counted >= 0, counted < rank else {
      throw invalid("axis \(axis) is out of range for rank \(rank)")
    }
    return counted
  }

  /// Axes counted from the front, each once.
  func axes(_ axes: [Int], rank: Int) throws -> [Int] {
    let counted = try axes.map { try axis($0, rank: rank) }
    guard Set(counted).count == counted.count else { throw invalid("axes \(axes) repeat one") }
    return counted
  }

  /// A shape from numbers of the file.
  func checked(_ dimensions: [Int]) throws -> Shape {
    let shape = Shape(dimensions)
    guard dimensions.count <= 64, shape.isRepresentable else {
      throw invalid("the shape \(printable(shape.description)) is impossible")
    }
    return shape
  }

  /// Throws unless a value of so many elements stays within the limit.
  func checkSize(_ type: TensorType) throws {
    guard let count = type.shape.checkedCount,
      !count.multipliedReportingOverflow(by: 8).overflow,
      count * type.dtype.byteCount <= importer.limits.bytes
    else {
      throw ONNXError(
        .limit, "a value of type \(printable(type.description)) is too large", node: label,
        hint: "--max-bytes allows more")
    }
  }

  // MARK: Attributes

  private func attribute(
    _ name: String, _ kind: OnnxAttributeProto.AttributeType
  ) throws -> OnnxAttributeProto? {
    guard var found = node.attribute.first(where: { $0.name == name }) else { return nil }
    if !found.refAttrName.isEmpty {
      guard let bound = scope.attributes[found.refAttrName] else { return nil }
      found = bound
    }
    // Early files leave the type out.
    guard !found.hasType || found.type == .undefined || found.type == kind else {
      throw invalid("the attribute '\(name)' is of another type than expected")
    }
    return found
  }

  func hasAttribute(_ name: String) -> Bool {
    guard let found = node.attribute.first(where: { $0.name == name }) else { return false }
    return found.refAttrName.isEmpty || scope.attributes[found.refAttrName] != nil
  }

  func int(_ name: String) throws -> Int? { try attribute(name, .int).map { Int($0.i) } }
  func int(_ name: String, default value: Int) throws -> Int { try int(name) ?? value }
  func bool(_ name: String, default value: Bool = false) throws -> Bool {
    try int(name).map { $0 != 0 } ?? value
  }
  func ints(_ name: String) throws -> [Int]? {
    try attribute(name, .ints).map { $0.ints.map { Int($0) } }
  }
  func float(_ name: String) throws -> Double? { try attribute(name, .float).map { Double($0.f) } }
  func float(_ name: String, default value: Double) throws -> Double {
    try float(name) ?? Double(Float(value))
  }
  func floats(_ name: String) throws -> [Double]? {
    try attribute(name, .floats).map { $0.floats.map(Double.init) }
  }
  func string(_ name: String) throws -> String? {
    try attribute(name, .string).map { String(decoding: $0.s, as: UTF8.self) }
  }
  func string(_ name: String, default value: String) throws -> String {
    try string(name) ?? value
  }
  func strings(_ name: String) throws -> [String]? {
    try attribute(name, .strings).map { $0.strings.map { String(decoding: $0, as: UTF8.self) } }
  }
  func tensorAttribute(_ name: String) throws -> HostTensor? {
    try attribute(name, .tensor).map { try importer.file.tensor($0.t) }
  }
  func sparseAttribute(_ name: String) throws -> HostTensor? {
    try attribute(name, .sparseTensor).map { try importer.file.tensor($0.sparseTensor) }
  }
  func graph(_ name: String) throws -> OnnxGraphProto {
    guard let found = try attribute(name, .graph) else {
      throw invalid("the attribute '\(name)' is missing")
    }
    return found.g
  }
  func type(_ name: String) throws -> OnnxTypeProto? { try attribute(name, .typeProto)?.tp }

  /// An attribute that names an element type (`to`, `dtype`).
  func elementType(attribute name: String) throws -> ElementType? {
    guard let number = try int(name) else { return nil }
    guard let type = ElementType(rawValue: number) else {
      throw invalid("'\(name)' names the unknown element type \(number)")
    }
    return type
  }

  // MARK: Making values

  /// A literal scalar of a dtype.
  func scalar(_ value: Double, _ dtype: DType) -> Tensor { trace.constant(value, dtype) }

  /// A literal.
  func literal(_ array: HostArray) -> Tensor { trace.constant(array) }

  /// A literal vector of i64.
  func literal(_ integers: [Int]) -> Tensor {
    trace.constant(HostArray(TensorType(.int64, [integers.count]), integers.map(Int64.init)))
  }
}
