// What a recipe's model predicts.

import MartletExecution
import MartletTraining

/// What is predicted: a field of the examples.
package struct RecipeTarget: Sendable {
  /// The column's name.
  package var name: String
  /// The place among the examples' fields.
  package var field: Int
  /// The names of the classes; nil for numbers.
  package var classes: [String]?
  /// Numbers of one example: 1 for a class.
  package var width: Int
  /// How a number of the examples becomes one in the target's own unit, for each column:
  /// `x·divisor + offset`.
  package var scaling: Scaling?

  package init(
    name: String, field: Int, classes: [String]? = nil, width: Int, scaling: Scaling? = nil
  ) {
    (self.name, self.field, self.classes, self.width) = (name, field, classes, width)
    self.scaling = scaling
  }
}

extension RecipeTarget {
  /// As `model.json` spells it.
  package var json: JSONValue {
    var members: [JSONValue.Member] = [.init("name", .string(name))]
    if let classes {
      members.append(.init("classes", .array(classes.map { .string($0) })))
    } else {
      members.append(.init("width", .integer(width)))
    }
    if let scaling {
      members.append(.init("offsets", .array(scaling.offsets.map { .number($0) })))
      members.append(.init("divisors", .array(scaling.divisors.map { .number($0) })))
    }
    return .object(members)
  }

  /// What `model.json` says; nil where it says something else.
  package init?(_ json: JSONValue, field: Int) throws(DataError) {
    guard let name = json["name"]?.string else { return nil }
    var classes: [String]?
    var width = 1
    if let list = json["classes"] {
      let names = list.array?.compactMap(\.string) ?? []
      guard !names.isEmpty, names.count == list.array?.count else { return nil }
      classes = names
    } else {
      guard let number = json["width"]?.integer, (1...65_536).contains(number) else { return nil }
      width = number
    }
    var scaling: Scaling?
    if json["offsets"] != nil || json["divisors"] != nil {
      let offsets = json["offsets"]?.array?.compactMap(\.number) ?? []
      let divisors = json["divisors"]?.array?.compactMap(\.number) ?? []
      guard offsets.count == width, divisors.count == width, classes == nil else { return nil }
      scaling = try Scaling(offsets: offsets, divisors: divisors)
    }
    self.init(name: name, field: field, classes: classes, width: width, scaling: scaling)
  }
}
