// The schema as Markdown: the reference half of docs/recipes.md.

extension Schema {
  /// Every section and choice with its fields.
  package static var reference: String {
    var text = ""
    for (index, section) in sections.enumerated() {
      if index > 0 { text += "\n" }
      text += "### \(section.name)\n\n\(section.summary)\(note(section))\n\n"
      text += table(section.fields)
      let used = choices.filter { choice in
        !choice.cases.isEmpty && home(of: choice.name) == section.name
      }
      for choice in used { text += "\n" + markdown(choice) }
    }
    return text
  }

  /// Where a choice is explained: behind the first section that refers to it, or the root's.
  private static func home(of name: String) -> String {
    switch name {
    case "source": "erasing"
    case "layer", "initializer", "model": "head"
    case "optimizer", "schedule": "stage"
    case "axis": "search"
    default: "recipe"
    }
  }

  private static func markdown(_ choice: Choice) -> String {
    var text = "### \(choice.name)\n\n\(choice.summary)\n\n"
    text += "| name | meaning | fields |\n|---|---|---|\n"
    let common = shared(choice)
    for section in choice.cases {
      let own = section.fields.filter { field in !common.contains { $0.name == field.name } }
      let fields = own.map { field in
        "`\(field.name)`\(section.shorthand == field.name ? "¹" : ""): "
          + "\(field.kind.words)\(field.isRequired ? ", required" : "")"
          + "\(field.preset.map { " (\($0))" } ?? ""). \(field.summary)"
      }
      text +=
        "| `\(section.name)` | \(cell(section.summary)) "
        + "| \(cell(fields.joined(separator: "<br>"))) |\n"
    }
    if choice.cases.contains(where: { $0.shorthand != nil }) {
      text += "\n¹ or as the bare value: `NAME: VALUE`.\n"
    }
    if !common.isEmpty {
      text += "\nFields of each that has a learning rate or a time:\n\n" + table(common)
    }
    return text
  }

  /// Fields that most cases of a choice have.
  private static func shared(_ choice: Choice) -> [Field] {
    guard choice.name == "optimizer" || choice.name == "schedule" else { return [] }
    return (choice.cases.first?.fields ?? []).filter { $0.name != "learningRate" }
  }

  private static func note(_ section: Section) -> String {
    section.shorthand.map { " A bare value is its `\($0)`." } ?? ""
  }

  private static func table(_ fields: [Field]) -> String {
    guard !fields.isEmpty else { return "" }
    var text = "| key | value | if not given | meaning |\n|---|---|---|---|\n"
    for field in fields {
      let preset = field.isRequired ? "**required**" : field.preset ?? "–"
      text +=
        "| `\(field.name)` | \(cell(field.kind.words)) | \(preset) | \(cell(field.summary)) |\n"
    }
    return text
  }

  /// A bar inside of a cell would end it.
  private static func cell(_ text: String) -> String {
    text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
  }
}
