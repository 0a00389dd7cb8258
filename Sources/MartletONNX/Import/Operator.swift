// The contract of an ONNX operator, and the table of them all.

/// An operator of ONNX: one file in `Operators/`, with a link to its specification, and one line in
/// the table of its area. `docs/onnx.md` tells how one is added.
protocol Operator {
  /// The operator's type, as nodes spell it.
  static var name: String { get }
  /// The domain; the default one if empty.
  static var domain: String { get }
  /// The first version of the operator set whose form `build` understands.
  static var since: Int { get }
  /// Whether the node is computed at once where all of its inputs are constants. Not for operators
  /// that draw random numbers, and needless for those that give constants anyway.
  static var folds: Bool { get }
  /// The node's outputs, in order; trailing ones that nobody reads may be left out.
  static func build(_ node: NodeContext) throws -> [ONNXValue]
}

extension Operator {
  static var domain: String { "" }
  static var since: Int { 1 }
  static var folds: Bool { true }
}

/// A row of the table.
struct OperatorEntry: Sendable {
  let name: String
  let domain: String
  let since: Int
  let folds: Bool
  let build: @Sendable (NodeContext) throws -> [ONNXValue]

  init(_ type: any Operator.Type) {
    name = type.name
    domain = type.domain
    since = type.since
    folds = type.folds
    build = { try type.build($0) }
  }

  /// An operator of a few words, for families of which each member is one expression.
  init(
    _ name: String, domain: String = "", since: Int = 1, folds: Bool = true,
    _ build: @escaping @Sendable (NodeContext) throws -> [ONNXValue]
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.folds = folds
    self.build = build
  }
}

/// All operators, from the tables of the areas.
enum OperatorTable {
  static let areas: [[OperatorEntry]] = [
    elementwiseOperators, shapeOperators, reductionOperators, linearOperators, windowOperators,
    controlOperators, movementOperators, sequenceOperators,
    quantizationOperators, textOperators, imageOperators, signalOperators, classicalOperators,
    bitwiseOperators, normalizationOperators, lossOperators, attentionOperators,
    recurrentOperators, randomOperators, trainingOperators,
  ]

  private static let entries: [String: OperatorEntry] = {
    var entries: [String: OperatorEntry] = [:]
    for entry in areas.joined() { entries[Importer.key(entry.domain, entry.name)] = entry }
    return entries
  }()

  static func entry(_ domain: String, _ name: String) -> OperatorEntry? {
    entries[Importer.key(domain, name)]
  }

  /// Names of the operators, those outside of the default domain with it.
  static var names: [String] {
    entries.values.map { $0.domain.isEmpty ? $0.name : "\($0.domain).\($0.name)" }.sorted()
  }
}
