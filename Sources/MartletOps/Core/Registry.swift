// One line for each operation: parser, docs table, conformance tests and fuzz grammar derive from it.

import MartletIR

package enum Registry {
  package static let ops: [any Op.Type] = [
    Constant.self,
    Add.self, Multiply.self, Subtract.self, Tanh.self,
    Broadcast.self, Reshape.self, Transpose.self,
    ReduceSum.self, Dot.self,
  ]

  private static let byName = Dictionary(
    ops.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

  /// The operation that IR text names, or nil when there is none of that name.
  package static func make(
    _ name: String, _ attributes: AttributeReader
  ) throws(TypeError) -> (any Operation)? {
    guard let type = byName[name] else { return nil }
    return try type.init(attributes)
  }
}
