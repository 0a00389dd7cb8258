// What a recipe may say: a table that the checker reads, and from which docs/recipes.md is made.

/// The kind of value that a field takes.
package indirect enum FieldKind: Sendable {
  case integer(ClosedRange<Int>)
  /// A finite number; bounds are included unless said otherwise.
  case number(low: Double, high: Double, excludesLow: Bool = false, excludesHigh: Bool = false)
  case boolean
  case text
  /// A file or directory; a relative one is looked for beside the recipe.
  case path
  case word([String])
  case list(FieldKind, count: ClosedRange<Int>)
  /// The first kind that fits.
  case either([FieldKind])
  /// A mapping with the fields of a section, by the section's name.
  case section(String)
  /// A name, or a mapping with a name as its one key: by the choice's name.
  case choice(String)
  /// A mapping with keys of the user's own.
  case map(FieldKind)

  static let count = FieldKind.integer(1...1_048_576)
  static let positive = FieldKind.number(low: 0, high: 1e9, excludesLow: true)
  static let nonNegative = FieldKind.number(low: 0, high: 1e9)
  static let fraction = FieldKind.number(low: 0, high: 1, excludesHigh: true)
  static let rate = FieldKind.number(low: 0, high: 1e3, excludesLow: true)
}

package struct Field: Sendable {
  package var name: String
  package var kind: FieldKind
  package var isRequired: Bool
  /// What holds where the field is not given, for the reader.
  package var preset: String?
  package var summary: String

  static func required(_ name: String, _ kind: FieldKind, _ summary: String) -> Field {
    Field(name: name, kind: kind, isRequired: true, preset: nil, summary: summary)
  }
  static func optional(
    _ name: String, _ kind: FieldKind, _ preset: String?, _ summary: String
  ) -> Field {
    Field(name: name, kind: kind, isRequired: false, preset: preset, summary: summary)
  }
}

/// A mapping with known keys.
package struct Section: Sendable {
  package var name: String
  package var summary: String
  package var fields: [Field]
  /// The field that a bare value is for: `linear: 10` is `linear: {out: 10}`.
  package var shorthand: String?

  init(_ name: String, _ summary: String, shorthand: String? = nil, _ fields: [Field] = []) {
    self.name = name
    self.summary = summary
    self.fields = fields
    self.shorthand = shorthand
  }
}

/// One of several sections, by its name.
package struct Choice: Sendable {
  package var name: String
  package var summary: String
  package var cases: [Section]
}

package enum Schema {
  /// The root, then what it refers to, in the order of the documentation.
  package static let sections: [Section] =
    [recipeSection] + dataSections + modelSections + optimizerSections + runSections
  package static let choices: [Choice] =
    [sourceChoice, modelChoice, layerChoice, initializerChoice, lossChoice, optimizerChoice]
    + [scheduleChoice, axisChoice]

  package static func section(_ name: String) -> Section {
    sections.first { $0.name == name } ?? Section(name, "")
  }
  package static func choice(_ name: String) -> Choice {
    choices.first { $0.name == name } ?? Choice(name: name, summary: "", cases: [])
  }
}
