// The values of a category: which number stands for which text.

import MartletExecution

/// Different texts in an order: a text's index is its number. Texts are compared byte by byte.
public struct Vocabulary: Hashable, Sendable {
  /// The texts, all different.
  public let values: [String]
  private let places: [ByteString: Int]

  /// A vocabulary of these texts.
  ///
  /// - Throws: ``DataError`` when two are equal.
  public init(_ values: [String]) throws(DataError) {
    var places: [ByteString: Int] = [:]
    for (index, value) in values.enumerated() {
      guard places.updateValue(index, forKey: ByteString(value)) == nil else {
        throw DataError(
          .mismatch, "a vocabulary holds a text twice", at: "vocabulary", got: "\"\(value)\"")
      }
    }
    self.values = values
    self.places = places
  }

  /// The different texts among `texts`, sorted by their Unicode scalars; numbers by their value.
  public init(collecting texts: some Sequence<String>) {
    let different = Set(texts.map { ByteString($0) }).map(\.text)
    let numbers = different.compactMap { text in Double(text).map { ($0, text) } }
    if numbers.count == different.count, numbers.allSatisfy({ $0.0.isFinite }) {
      values = numbers.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.1)
    } else {
      values = different.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    }
    places = Vocabulary.places(values)
  }

  // Different values in the order wanted.
  init(sorted values: [String]) {
    self.values = values
    places = Vocabulary.places(values)
  }

  private static func places(_ values: [String]) -> [ByteString: Int] {
    var places: [ByteString: Int] = [:]
    for (index, value) in values.enumerated() { places[ByteString(value)] = index }
    return places
  }

  /// The number of texts.
  public var count: Int { values.count }

  /// The text's number; nil for a text that is not here.
  public func index(of value: String) -> Int? { places[ByteString(value)] }
}
