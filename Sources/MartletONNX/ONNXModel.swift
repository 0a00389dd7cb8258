// The public face: a model of an ONNX file, its inputs and outputs, and what it compiles to.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps
import Synchronization

/// An extent of an input or output.
public enum ONNXDimension: Hashable, Sendable, CustomStringConvertible {
  /// A number.
  case fixed(Int)
  /// A name that stands for the same number wherever it appears.
  case symbolic(String)
  /// Any.
  case unknown

  /// `8`, `batch` or `?`.
  public var description: String {
    switch self {
    case .fixed(let x): "\(x)"
    case .symbolic(let x): printable(x)
    case .unknown: "?"
    }
  }
}

/// An input or output of a model.
public struct ONNXPort: Hashable, Sendable, CustomStringConvertible {
  /// What kind of value it is.
  public indirect enum Kind: Hashable, Sendable {
    /// A tensor, with its extents where the file says how many there are.
    case tensor(ElementType, [ONNXDimension]?)
    /// A list of values of a kind.
    case sequence(Kind)
    /// A value of a kind, or nothing.
    case optional(Kind)
    /// Anything else: maps and sparse tensors.
    case other
  }
  /// The name in the file.
  public var name: String
  /// What it is.
  public var kind: Kind

  /// `images FLOAT[batch,3,640,640]`
  public var description: String { "\(printable(name)) \(kind)" }
}

extension ONNXPort.Kind: CustomStringConvertible {
  /// `FLOAT[batch,3,640,640]`
  public var description: String {
    switch self {
    case .tensor(let type, let dimensions):
      type.name + (dimensions.map { "[\($0.map(\.description).joined(separator: ","))]" } ?? "[…]")
    case .sequence(let x): "sequence of \(x)"
    case .optional(let x): "optional \(x)"
    case .other: "unsupported"
    }
  }

  init(_ type: OnnxTypeProto) {
    switch type.value {
    case .tensorType(let x):
      guard let element = ElementType(rawValue: Int(x.elemType)) else {
        self = .other
        return
      }
      let dimensions =
        x.hasShape
        ? x.shape.dim.map { dim -> ONNXDimension in
          switch dim.value {
          // Some exporters write 0 or −1 for an extent that they do not know.
          case .dimValue(let n): n > 0 ? .fixed(Int(n)) : .unknown
          case .dimParam(let name): name.isEmpty ? .unknown : .symbolic(name)
          case nil: .unknown
          }
        } : nil
      self = .tensor(element, dimensions)
    case .sequenceType(let x): self = .sequence(ONNXPort.Kind(x.elemType))
    case .optionalType(let x): self = .optional(ONNXPort.Kind(x.elemType))
    default: self = .other
    }
  }
}

/// A model of an ONNX file.
///
///     let model = try ONNXModel(contentsOf: "model.onnx")
///     let outputs = try model.run(["images": images])
///
/// Shapes are static in a program. Symbolic dimensions are bound by `compile(dimensions:)` or taken
/// from the arrays given to `run`, and each set of shapes is a program of its own, kept for later
/// runs. Where a graph's shapes depend on the values of inputs, the program is one for these values.
public final class ONNXModel: @unchecked Sendable {
  // Sendable: the file is immutable, the cache is guarded by its lock.
  /// The inputs that a run has to give: those of the file without initializers.
  public let inputs: [ONNXPort]
  /// The outputs.
  public let outputs: [ONNXPort]
  /// The name of the graph.
  public var name: String { file.model.graph.name }
  /// The version of the default operator set.
  public let opset: Int
  /// The file's properties: pairs of texts that its author left.
  public var metadata: [String: String] {
    var pairs: [String: String] = [:]
    for entry in file.model.metadataProps { pairs[entry.key] = entry.value }
    return pairs
  }
  package let file: ModelFile
  private let cache = ProgramCache()

  /// Reads a file. Throws an ``ONNXError`` or a `DataError`.
  public convenience init(contentsOf path: String, limits: ONNXLimits = ONNXLimits()) throws {
    self.init(try ModelFile(path: path, limits: limits), opset: nil)
    try validate()
  }

  /// Reads a file's bytes; external data is looked for in `folder`.
  public convenience init(
    bytes: [UInt8], folder: String? = nil, limits: ONNXLimits = ONNXLimits()
  ) throws {
    self.init(try ModelFile(bytes: bytes, folder: folder, limits: limits), opset: nil)
    try validate()
  }

  init(_ file: ModelFile, opset: Int?) {
    self.file = file
    let graph = file.model.graph
    let initialized = Set(graph.initializer.map(\.name))
    inputs = graph.input.filter { !initialized.contains($0.name) }.map {
      ONNXPort(name: $0.name, kind: ONNXPort.Kind($0.type))
    }
    outputs = graph.output.map { ONNXPort(name: $0.name, kind: ONNXPort.Kind($0.type)) }
    self.opset =
      file.model.opsetImport.first { Importer.canonical($0.domain).isEmpty }.map {
        Int($0.version)
      } ?? 1
  }

  private func validate() throws {
    let names = file.model.graph.input.map(\.name)
    guard Set(names).count == names.count, !names.contains("") else {
      throw ONNXError(.malformed, "two inputs have one name, or one has none")
    }
    for input in inputs where input.kind == .other {
      throw ONNXError(
        .unsupported, "the input '\(printable(input.name))' is a map or sparse tensor")
    }
  }

  /// The operators of the graph and its bodies with how often each stands there, the most frequent first.
  public var operatorCounts: [(name: String, count: Int)] {
    var counts: [String: Int] = [:]
    var stack = [file.model.graph.node] + file.model.functions.map(\.node)
    while let nodes = stack.popLast() {
      for node in nodes {
        let domain = Importer.canonical(node.domain)
        counts[printable(domain.isEmpty ? node.opType : "\(domain).\(node.opType)"), default: 0] +=
          1
        for attribute in node.attribute where attribute.hasG { stack.append(attribute.g.node) }
      }
    }
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  /// Elements of all initializers.
  public var parameterCount: Int {
    file.model.graph.initializer.reduce(0) {
      let count = Shape($1.dims.map { Int($0) }).checkedCount ?? 0
      return $0.addingReportingOverflow(count).overflow ? Int.max : $0 + count
    }
  }

  /// Compiles the model for certain dimensions.
  ///
  /// - Parameters:
  ///   - dimensions: numbers for symbolic dimensions, by name.
  ///   - values: arrays that are known already. They bind dimensions, and what has to be known of
  ///     them to make the graph (a shape that is an input) is taken from them.
  ///   - options: how to compile.
  ///
  /// Throws an ``ONNXError`` that names the node, or a `CompileError`.
  public func compile(
    dimensions: [String: Int] = [:], values: [String: NDArray] = [:],
    options: CompileOptions? = nil
  ) throws -> ONNXProgram {
    try compile(
      dimensions: dimensions,
      known: values.mapValues { .constant(HostTensor($0)) }, options: options)
  }

  package func compile(
    dimensions: [String: Int] = [:], known: [String: ONNXValue], options: CompileOptions? = nil
  ) throws -> ONNXProgram {
    var options = try options ?? CompileOptions()
    if options.name == "program" {
      options.name = name.isEmpty ? "onnx" : identifier(name)
    }
    return try ONNXProgram(self, dimensions: dimensions, known: known, options: options)
  }

  /// Runs the model once, compiling it first where no earlier run had these shapes. Inputs and
  /// results by name.
  public func run(
    _ inputs: [String: NDArray], options: CompileOptions? = nil
  ) throws -> [String: NDArray] {
    let values = inputs.mapValues { ONNXValue.constant(HostTensor($0)) }
    var results: [String: NDArray] = [:]
    for (name, value) in try run(values: values, options: options) {
      guard case .constant(let tensor) = value, let array = try tensor.ndArray() else {
        throw ONNXError(
          .unsupported, "the output '\(printable(name))' is no array of numbers")
      }
      results[name] = array
    }
    return results
  }

  /// The same for values of any kind.
  package func run(
    values: [String: ONNXValue], options: CompileOptions? = nil
  ) throws -> [String: ONNXValue] {
    try cache.locked { programs in
      if let index = programs.firstIndex(where: { $0.fits(values) }) {
        return try programs[index].run(values: values)
      }
      let program = try compile(known: values, options: options)
      // A model whose shapes change in each call must not keep all of its programs.
      if programs.count >= 16 { programs.removeFirst() }
      programs.append(program)
      return try program.run(values: values)
    }
  }
}

/// The programs of a model, one caller at a time.
///
/// `@unchecked Sendable`: the list is touched under the lock alone.
private final class ProgramCache: @unchecked Sendable {
  private let lock = Mutex(())
  private var programs: [ONNXProgram] = []
  func locked<T>(_ body: (inout [ONNXProgram]) throws -> T) throws -> T {
    var result: Result<T, any Error>?
    lock.withLock { _ in
      result = Result { try body(&programs) }
    }
    guard let result else { throw ONNXError(.input, "the model was not run") }
    return try result.get()
  }
}
