// Sizes that a model's description gives.

import MartletExecution

/// Sizes in a manifest, each within the bounds that a program can build.
struct ManifestSizes {
  let layers: [JSONValue]
  let file: String

  /// The one layer of a type.
  func layer(_ type: String) throws(DataError) -> JSONValue {
    let found = layers.filter { $0["type"]?.string == type }
    guard found.count == 1 else {
      throw DataError(
        .wrongFormat, "the model's description has no layer '\(type)', or several", at: file,
        got: "\(found.count)", expected: "one")
    }
    return found[0]
  }

  static func integer(
    _ layer: JSONValue, _ name: String, _ range: ClosedRange<Int>, file: String
  ) throws(DataError) -> Int {
    guard let value = layer[name]?.integer, range.contains(value) else {
      throw DataError(
        .wrongFormat, "the model's description lacks a size", at: file,
        got: layer[name]?.integer.map { "\(name): \($0)" },
        expected: "\"\(name)\" from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
