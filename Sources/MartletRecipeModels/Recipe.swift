// A recipe: what is trained on what, as a file that a person writes, checked.

import MartletExecution
import MartletNN

/// A checked recipe; what it says of shapes is checked when its data is there.
package struct Recipe: Sendable {
  /// The file, or the name of a built-in recipe: what messages begin with.
  package let file: String
  /// The folder that relative paths start from.
  package let folder: String
  package let document: YAMLNode
  package let root: CheckedFields

  /// - Throws: ``RecipeError`` with all problems of the file.
  package init(
    _ document: YAMLNode, file: String, folder: String, overrides: [Override] = []
  ) throws(RecipeError) {
    var document = document
    for override in overrides { try override.apply(to: &document, file: file) }
    var checker = Checker()
    let root = checker.check(document, as: "recipe")
    if let root { Recipe.checkSense(root, &checker) }
    guard let root, checker.problems.isEmpty else {
      throw RecipeError(file: file, checker.problems)
    }
    self.file = file
    self.folder = folder
    self.document = document
    self.root = root
  }

  /// What no single field can know.
  private static func checkSense(_ root: CheckedFields, _ checker: inout Checker) {
    if root.values["model"] == nil, root.values["heads"] == nil,
      !root.order.contains("model"), !root.order.contains("heads")
    {
      checker.report("the recipe: 'model' is missing: a list of layers, or a name", root.position)
    }
    if root.values["heads"] != nil, root.fields("model") != nil {
      checker.report(
        "heads: need a trunk of layers, not a model by its name",
        root.values["heads"]?.position ?? root.position)
    }
    if root.values["heads"] != nil, let loss = root.fields("loss") {
      checker.report("loss: each of the heads has its own", loss.position)
    }
    for (index, stage) in (root.fields("schedule")?.sections("stages") ?? []).enumerated() {
      let last = (root.fields("schedule")?.sections("stages")?.count ?? 0) - 1
      if index < last, stage.values["until"] == nil {
        checker.report("schedule.chain.\(index): 'until' is missing: a number", stage.position)
      }
    }
    if root.fields("optimizer")?.name == "lbfgs", root.text("weights") ?? "float32" != "float32" {
      checker.report(
        "weights: lbfgs takes float32", root["weights"]?.position ?? root.position)
    }
    if let clipping = root.fields("optimizer")?.fields("clipping"), clipping.values.count != 1 {
      checker.report("optimizer: clipping takes one of value, norm, globalNorm", clipping.position)
    }
    if let erasing = root.fields("data")?.fields("augmentation")?.fields("erasing"),
      let area = erasing.numbers("area"), area.count == 2, area[0] > area[1]
    {
      checker.report(
        "data.augmentation.erasing.area: the range must begin below its end",
        erasing["area"]?.position ?? erasing.position)
    }
    for (path, axis) in root.fields("search")?.fields("space")?.values ?? [:] {
      guard case .fields(let fields) = axis.value, let range = fields.list("range"),
        range.count == 2
      else { continue }
      func number(_ value: Checked) -> Double {
        switch value.value {
        case .integer(let x): Double(x)
        case .number(let x): x
        default: 0
        }
      }
      if number(range[0]) >= number(range[1]) {
        checker.report(
          "search.space.\(path): the range must begin below its end", axis.position)
      }
      if fields.name == "integer", fields.boolean("log") == true, number(range[0]) < 1 {
        checker.report("search.space.\(path): a log range begins at 1 or above", axis.position)
      }
    }
  }

  // MARK: - What it says

  package var name: String {
    root.text("name") ?? Recipe.stem(FileSystem.split(file).last)
  }
  package var summary: String { root.text("description") ?? "" }
  package var epochs: Int { root.integer("epochs") ?? 10 }
  /// nil for the whole training set.
  package var batch: Int? { root.text("batch") == "all" ? nil : root.integer("batch") ?? 32 }
  /// How weights are stored.
  package var storage: WeightStorage {
    root.text("weights").flatMap { WeightStorage(rawValue: $0) } ?? .float32
  }
  package var seed: UInt64 { UInt64(root.integer("seed") ?? 0) }

  /// A path of the recipe, from the folder of its file.
  package func path(_ text: String) -> String {
    text.hasPrefix("/") ? text : FileSystem.join(folder, text)
  }

  /// An error at a place of the file.
  package func error(_ message: String, at position: TextPosition) -> RecipeError {
    RecipeError(file: file, message, at: position)
  }

  /// `digits` from `digits.yaml`
  private static func stem(_ name: String) -> String {
    for suffix in [".yaml", ".yml"] where name.hasSuffix(suffix) {
      return String(name.dropLast(suffix.count))
    }
    return name
  }
}

/// A value for a path of a recipe: `optimizer.adam.learningRate=0.01`.
package struct Override: Hashable, Sendable {
  package var path: [String]
  package var value: YAMLNode.Content

  package init(_ path: String, _ value: YAMLNode.Content) {
    self.path = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    self.value = value
  }

  /// `PATH=VALUE`; nil without a path.
  package init?(_ text: String) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
    self.init(
      String(text[..<equals]),
      .scalar(String(text[text.index(after: equals)...]), isPlain: true))
  }

  /// Replaces the value in a document. A key that is not there yet is added; a name in the place of
  /// a mapping (`optimizer: adam`) becomes one (`optimizer: {adam: {…}}`).
  package func apply(to document: inout YAMLNode, file: String) throws(RecipeError) {
    try set(&document, path[...], file)
  }

  private func set(
    _ node: inout YAMLNode, _ rest: ArraySlice<String>, _ file: String
  ) throws(RecipeError) {
    guard let step = rest.first else {
      node.content = value
      return
    }
    let name = path.joined(separator: ".")
    guard !step.isEmpty else { throw RecipeError(file: file, "'\(name)' is no path") }
    switch node.content {
    case .mapping(var entries):
      let index: Int
      if let found = entries.firstIndex(where: { $0.key == step }) {
        index = found
      } else {
        index = entries.count
        entries.append(
          .init(
            key: step, keyPosition: node.position,
            value: YAMLNode(.scalar("", isPlain: true), at: node.position)))
      }
      try set(&entries[index].value, rest.dropFirst(), file)
      node.content = .mapping(entries)
    case .sequence(var nodes):
      guard let index = Int(step), nodes.indices.contains(index) else {
        throw RecipeError(
          file: file, "\(name): '\(step)' is none of the list's \(nodes.count) elements (from 0)",
          at: node.position)
      }
      try set(&nodes[index], rest.dropFirst(), file)
      node.content = .sequence(nodes)
    case .scalar(let text, _):
      // `adam` becomes `adam: {…}`; `adam: 0.1` becomes `adam: {'': 0.1, …}`, where the checker takes
      // the empty name for the field that a bare value is for.
      var entries: [YAMLNode.Entry] = []
      if !text.isEmpty, text != step {
        entries.append(.init(key: "", keyPosition: node.position, value: node))
      }
      entries.append(
        .init(
          key: step, keyPosition: node.position,
          value: YAMLNode(.scalar("", isPlain: true), at: node.position)))
      node.content = .mapping(entries)
      try set(&node, rest, file)
    }
  }
}
