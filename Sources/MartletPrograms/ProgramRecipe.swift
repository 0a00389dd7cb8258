// Values of a program's recipe by name, as `--set hidden=512` gives them.

import MartletExecution

/// A value of a recipe: where it is, and what it may be.
package enum ProgramField<Recipe> {
  case integer(WritableKeyPath<Recipe, Int>, ClosedRange<Int>)
  case number(WritableKeyPath<Recipe, Double>, ClosedRange<Double>)
}

/// Numbers that a run may be told.
package protocol ProgramRecipe {
  static var fields: [(name: String, field: ProgramField<Self>)] { get }
}

extension ProgramRecipe {
  /// Sets a value.
  ///
  /// - Throws: ``DataError`` for an unknown name, or a value that is no number of the range.
  package mutating func set(_ name: String, to text: String) throws(DataError) {
    guard let found = Self.fields.first(where: { $0.name == name }) else {
      throw DataError(
        .outOfRange, "the recipe has no such value", at: "--set", got: name,
        expected: "one of " + Self.fields.map(\.name).joined(separator: ", "))
    }
    func bad(_ expected: String) -> DataError {
      DataError(
        .outOfRange, "the value does not fit", at: "--set \(name)", got: text, expected: expected)
    }
    switch found.field {
    case .integer(let path, let range):
      guard let value = Int(text), range.contains(value) else {
        throw bad("an integer from \(range.lowerBound) to \(range.upperBound)")
      }
      self[keyPath: path] = value
    case .number(let path, let range):
      guard let value = Double(text), range.contains(value) else {
        throw bad("a number from \(range.lowerBound) to \(range.upperBound)")
      }
      self[keyPath: path] = value
    }
  }
}

extension CharacterRecipe: ProgramRecipe {
  package static var fields: [(name: String, field: ProgramField<CharacterRecipe>)] {
    [
      ("embedding", .integer(\.embedding, 1...4096)), ("hidden", .integer(\.hidden, 1...8192)),
      ("layers", .integer(\.layers, 1...16)), ("heads", .integer(\.heads, 1...256)),
      ("warmUp", .integer(\.warmUp, 1...1_000_000)), ("dropout", .number(\.dropout, 0...0.95)),
      ("batch", .integer(\.batch, 1...65_536)), ("length", .integer(\.length, 1...65_536)),
      ("epochs", .integer(\.epochs, 1...100_000)),
      ("learningRate", .number(\.learningRate, 1e-9...1e3)),
      ("clipping", .number(\.clipping, 1e-6...1e6)), ("heldOut", .number(\.heldOut, 0.001...0.9)),
    ]
  }
}

extension SentimentRecipe: ProgramRecipe {
  package static var fields: [(name: String, field: ProgramField<SentimentRecipe>)] {
    [
      ("embedding", .integer(\.embedding, 1...4096)), ("hidden", .integer(\.hidden, 1...8192)),
      ("dropout", .number(\.dropout, 0...0.95)), ("batch", .integer(\.batch, 1...65_536)),
      ("epochs", .integer(\.epochs, 1...100_000)),
      ("learningRate", .number(\.learningRate, 1e-9...1e3)),
    ]
  }
}

extension ForecastRecipe: ProgramRecipe {
  package static var fields: [(name: String, field: ProgramField<ForecastRecipe>)] {
    [
      ("window", .integer(\.window, 1...65_536)), ("horizon", .integer(\.horizon, 1...4096)),
      ("heldOut", .integer(\.heldOut, 1...1_000_000)), ("hidden", .integer(\.hidden, 1...8192)),
      ("dropout", .number(\.dropout, 0...0.95)), ("batch", .integer(\.batch, 1...65_536)),
      ("epochs", .integer(\.epochs, 1...100_000)),
      ("learningRate", .number(\.learningRate, 1e-9...1e3)), ("lag", .integer(\.lag, 0...65_536)),
    ]
  }
}
