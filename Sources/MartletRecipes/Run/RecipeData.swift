// The data of a recipe: read, split, scaled.

import MartletData
import MartletExecution
import MartletIR
import MartletRecipeModels
import MartletTraining

/// The parts of a recipe's data.
package struct RecipeData: Sendable {
  package var name: String
  package var training: any Examples
  package var validation: (any Examples)?
  package var test: (any Examples)?
  /// The shape of one input.
  package var input: [Int]
  package var targets: [RecipeTarget]
  /// How pixels became numbers, to make pictures of inputs again; nil for tables.
  package var pixels: PixelScaling?
  /// How columns became numbers; nil for images and where nothing is scaled.
  package var columns: Scaling?
  package var columnNames: [String] = []
  /// How pictures of other sizes become inputs; nil for drawings, light on dark, and for tables.
  package var fit: ImageFolder.Fit?
  /// The columns of the table that the features come from, with their vocabularies; nil for images.
  package var table: [TabularInput.Column]?
}

extension RecipeData {
  /// Reads what the recipe's `data` says.
  ///
  /// - Parameter pixels: How pixels become numbers, for a model that knows; the recipe says if not
  ///   given.
  package static func read(
    _ recipe: Recipe, pixels: PixelScaling? = nil
  ) throws -> RecipeData {
    guard let data = recipe.root.fields("data"), let source = data.fields("source") else {
      throw RecipeError(file: recipe.file, "the recipe has no data")
    }
    do {
      switch source.name {
      case "mnist5k": return try images(Dataset.mnist5k(), data, recipe, pixels)
      case "digits": return try images(Dataset.digits(), data, recipe, pixels)
      case "fashionMNIST": return try images(Dataset.fashionMNIST(), data, recipe, pixels)
      case "idx":
        let folder = recipe.path(source.text("directory") ?? "")
        return try images(Dataset(directory: folder), data, recipe, pixels)
      case "images": return try imageFolder(source, data, recipe, pixels)
      case "npz": return try arrays(source, data, recipe)
      case "csv": return try table(csv(source, recipe), data, recipe)
      default: return try table(builtIn(source, recipe), data, recipe)
      }
    } catch let error as DataError {
      // The reader's error says what is wrong in the data's file; the place is the recipe's.
      throw recipe.error(
        "data.\(source.name): \(error.what), \(error.location)"
          + (error.got.map { ": got \($0)" } ?? "")
          + (error.expected.map { ", expected \($0)" } ?? "")
          + (error.hint.map { "; \($0)" } ?? ""), at: source.position)
    }
  }

  // MARK: - Images

  private static func images(
    _ set: Dataset, _ data: CheckedFields, _ recipe: Recipe, _ pixels: PixelScaling?
  ) throws -> RecipeData {
    let split = data.fields("split")
    let share = split?.number("validation") ?? 0.1
    let plain = try set.train.examples()
    var indices = Array(0..<set.train.count)
    var held: [Int] = []
    if share > 0 {
      let parts = try plain.split(
        [1 - share, share], seed: UInt64(split?.integer("seed") ?? 0),
        stratified: split?.boolean("stratified") ?? true)
      (indices, held) = (parts[0].indices, parts[1].indices)
    }
    let trained = try RecipeAugmentation.part(set.train, indices)
    let scaling = pixels ?? pixelScaling(trained, data.text("scaling") ?? "standard")
    let scaled = try set.train.examples(scaling: scaling)
    let augmented = try set.train.examples(
      scaling: scaling,
      augmentation: RecipeAugmentation.made(
        data.fields("augmentation"), recipe, channels: set.train.channels
      ) { trained })
    return RecipeData(
      name: set.name, training: try Subset(augmented, indices),
      validation: held.isEmpty ? nil : try Subset(scaled, held),
      test: try set.test.examples(scaling: scaling),
      input: [set.train.height, set.train.width, set.train.channels],
      targets: [RecipeTarget(name: "class", field: 1, classes: set.classNames, width: 1)],
      pixels: scaling)
  }

  private static func pixelScaling(_ images: Dataset.Split, _ kind: String) -> PixelScaling {
    switch kind {
    case "standard": return images.normalization()
    case "minMax":
      let (low, high) = (images.images.min() ?? 0, images.images.max() ?? 255)
      return PixelScaling(
        mean: Float(low) / 255, deviation: high > low ? Float(high - low) / 255 : 1)
    default: return .unit
    }
  }

  private static func imageFolder(
    _ source: CheckedFields, _ data: CheckedFields, _ recipe: Recipe, _ pixels: PixelScaling?
  ) throws -> RecipeData {
    let path = recipe.path(source.text("directory") ?? "")
    var size = source.integers("size") ?? []
    var channels = source.integer("channels")
    if size.count != 2 || channels == nil {
      // Those of the first picture, by its file's name.
      let probe = try ImageFolder(path, height: 1, width: 1)
      let first = probe.files.first ?? path
      let image =
        first.lowercased().hasSuffix(".png")
        ? try PixelImage(png: first) : try PixelImage(jpeg: first)
      if size.count != 2 { size = [image.height, image.width] }
      channels = channels ?? (image.channels < 3 ? 1 : 3)
    }
    let split = data.fields("split")
    let plain = try ImageFolder(
      path, height: size[0], width: size[1], channels: channels ?? 3)
    let test = split?.number("test") ?? 0.2
    let validation = (1 - test) * (split?.number("validation") ?? 0.1)
    let parts = try plain.split(
      [1 - test - validation, validation, test].filter { $0 > 0 },
      seed: UInt64(split?.integer("seed") ?? 0), stratified: split?.boolean("stratified") ?? true)
    let kind = data.text("scaling") ?? "standard"
    let scaling =
      try pixels
      ?? (kind == "none"
        ? .unit : pixelScaling(RecipeAugmentation.sample(plain, parts[0].indices), kind))
    var (scaled, augmented) = (plain, plain)
    scaled.scaling = scaling
    augmented.scaling = scaling
    augmented.augmentation = try RecipeAugmentation.made(
      data.fields("augmentation"), recipe, channels: channels ?? 3
    ) { try RecipeAugmentation.sample(plain, parts[0].indices) }
    return RecipeData(
      name: FileSystem.split(path).last, training: try Subset(augmented, parts[0].indices),
      validation: validation > 0 ? try Subset(scaled, parts[1].indices) : nil,
      test: test > 0 ? try Subset(scaled, parts[parts.count - 1].indices) : nil,
      input: [size[0], size[1], channels ?? 3],
      targets: [RecipeTarget(name: "class", field: 1, classes: plain.classNames, width: 1)],
      pixels: scaling, fit: plain.fit)
  }

  // MARK: - Tables

  /// Columns of numbers, some of which stand for classes.
  struct Columns {
    var name: String
    var names: [String]
    var values: [[Double]]
    var classes: [String: [String]] = [:]
    var features: [String]
    var targets: [String]
    /// The columns of the table that the features come from.
    var inputs: [TabularInput.Column]? = []
    /// The scaling where the recipe says none.
    var scaling = "standard"
  }

  private static func builtIn(_ source: CheckedFields, _ recipe: Recipe) throws -> Columns {
    let set = try TabularSet.named(source.name == "breastCancer" ? "breast-cancer" : source.name)
    var columns = Columns(
      name: set.name, names: set.featureNames + set.targetNames, values: [], features: [],
      targets: source.texts("target") ?? set.targetNames)
    for (values, width) in [(set.features, set.featureCount), (set.targets, set.targetNames.count)]
    {
      for column in 0..<width {
        columns.values.append((0..<set.count).map { values[$0 * width + column] })
      }
    }
    if let classes = set.classes { columns.classes[set.targetNames[0]] = classes.values }
    columns.features =
      source.texts("features") ?? columns.names.filter { !columns.targets.contains($0) }
    for name in columns.features + columns.targets where !columns.names.contains(name) {
      throw recipe.error(
        "data.\(source.name): no column '\(name)'; "
          + Checker.suggestion(name, columns.names), at: source.position)
    }
    columns.inputs = columns.features.map { TabularInput.Column(name: $0) }
    for name in columns.features where columns.classes[name] != nil {
      throw recipe.error(
        "data.\(source.name): '\(name)' is a class and no feature", at: source.position)
    }
    return columns
  }

  private static func csv(_ source: CheckedFields, _ recipe: Recipe) throws -> Columns {
    let separators: [String: CSVSeparator] = [
      ",": .comma, ";": .semicolon, "tab": .tab, "space": .blanks,
    ]
    let path = recipe.path(source.text("file") ?? "")
    let table = try Table(
      csv: path,
      options: CSVOptions(
        separator: source.text("separator").flatMap { separators[$0] },
        hasHeader: source.boolean("header")))
    let targets = source.texts("target") ?? Array(table.columnNames.suffix(1))
    let categorical = source.texts("categorical") ?? []
    for name in targets + (source.texts("features") ?? []) + categorical
    where !table.columnNames.contains(name) {
      throw recipe.error(
        "data.csv: \(path) has no column '\(name)'; "
          + Checker.suggestion(name, table.columnNames), at: source.position)
    }
    var result = Columns(
      name: FileSystem.split(path).last, names: [], values: [], features: [], targets: targets)
    for (index, target) in targets.enumerated() {
      // Words make classes; numbers do where the recipe says so.
      var isClass = source.boolean("classes") ?? false
      if source.boolean("classes") == nil {
        isClass = try table.texts(target).contains { YAMLNode.number($0) == nil && !$0.isEmpty }
      }
      let features =
        index == 0
        ? source.texts("features") ?? table.columnNames.filter { !targets.contains($0) }
        : result.features.isEmpty ? [] : [table.columnNames.first { $0 != target } ?? target]
      let set = try TabularSet(
        table, features: index == 0 ? features : nil, targets: [target],
        task: isClass ? .classification() : .regression,
        categorical: index == 0
          ? Dictionary(
            categorical.filter(features.contains).map { ($0, .oneHot()) },
            uniquingKeysWith: { a, _ in a }) : textColumns(table, target))
      if index == 0 {
        result.features = set.featureNames
        result.inputs = set.columnNames.map {
          TabularInput.Column(name: $0, encoding: set.encodings[$0])
        }
        for column in 0..<set.featureCount {
          result.names.append(set.featureNames[column])
          result.values.append((0..<set.count).map { set.features[$0 * set.featureCount + column] })
        }
      }
      result.names.append(target)
      result.values.append(set.targets)
      if let classes = set.classes { result.classes[target] = classes.values }
    }
    return result
  }

  /// Columns that a set of another target would stumble over.
  private static func textColumns(
    _ table: Table, _ target: String
  ) -> [String: CategoricalEncoding] {
    var found: [String: CategoricalEncoding] = [:]
    for name in table.columnNames where name != target && (try? table.numbers(name)) == nil {
      found[name] = .index()
    }
    return found
  }

  private static func table(
    _ columns: Columns, _ data: CheckedFields, _ recipe: Recipe
  ) throws -> RecipeData {
    if let augmentation = data.fields("augmentation") {
      throw recipe.error("data.augmentation: is for images", at: augmentation.position)
    }
    func values(_ name: String) -> [Double] {
      columns.names.firstIndex(of: name).map { columns.values[$0] } ?? []
    }
    let rows = values(columns.targets[0]).count
    let features = columns.features.map(values)
    var flat: [Float] = []
    flat.reserveCapacity(rows * features.count)
    for row in 0..<rows { for column in features { flat.append(Float(column[row])) } }
    var arrays = [NamedArray("features", try NDArray(flat, shape: [rows, features.count]))]
    var targets: [RecipeTarget] = []
    let isJoined = recipe.root.values["heads"] == nil && columns.targets.count > 1
    if isJoined, let word = columns.targets.first(where: { columns.classes[$0] != nil }) {
      throw recipe.error(
        "data: the target '\(word)' is a class: several targets need `heads`", at: data.position)
    }
    if isJoined {
      let all = columns.targets.map(values)
      let joined = (0..<rows).flatMap { row in all.map { Float($0[row]) } }
      arrays.append(NamedArray("targets", try NDArray(joined, shape: [rows, all.count])))
      targets = [
        RecipeTarget(
          name: columns.targets.joined(separator: ", "), field: 1, classes: nil, width: all.count)
      ]
    } else {
      for (index, name) in columns.targets.enumerated() {
        if let classes = columns.classes[name] {
          let isFirst = !targets.contains { $0.classes != nil }
          arrays.append(
            NamedArray(
              isFirst ? "labels" : "labels \(name)",
              try NDArray(values(name).map { Int32($0) }, shape: [rows])))
          targets.append(RecipeTarget(name: name, field: index + 1, classes: classes, width: 1))
        } else {
          arrays.append(
            NamedArray(
              "target \(name)", try NDArray(values(name).map { Float($0) }, shape: [rows, 1])))
          targets.append(RecipeTarget(name: name, field: index + 1, classes: nil, width: 1))
        }
      }
    }
    return try divided(
      ArrayExamples(arrays), columns, targets, data)
  }

  /// Split, then scaled by what the training part says.
  static func divided(
    _ whole: ArrayExamples, _ columns: Columns, _ targets: [RecipeTarget], _ data: CheckedFields
  ) throws -> RecipeData {
    let split = data.fields("split")
    let test = split?.number("test") ?? 0.2
    let validation = (1 - test) * (split?.number("validation") ?? 0.1)
    let shares = [1 - test - validation, validation, test].filter { $0 > 0 }
    let hasClasses = targets.contains { $0.classes != nil }
    let parts = try whole.split(
      shares, seed: UInt64(split?.integer("seed") ?? 0),
      stratified: hasClasses && split?.boolean("stratified") ?? true)
    var sets: [any Examples] = parts
    var targets = targets
    var scaling: Scaling?
    switch data.text("scaling") ?? columns.scaling {
    case "standard": scaling = try Scaling.standard(fitting: parts[0])
    case "minMax": scaling = try Scaling.minMax(fitting: parts[0])
    default: break
    }
    if let scaling { sets = try sets.map { try scaled($0, scaling, nil) } }
    if data.boolean("scaleTargets") ?? true {
      for index in targets.indices where targets[index].classes == nil {
        let name = whole.fields[targets[index].field].name
        let own = try Scaling.standard(fitting: parts[0], field: name)
        targets[index].scaling = own
        sets = try sets.map { try scaled($0, own, name) }
      }
    }
    return RecipeData(
      name: columns.name, training: sets[0], validation: validation > 0 ? sets[1] : nil,
      test: test > 0 ? sets.last : nil, input: whole.fields[0].type.shape.dimensions,
      targets: targets,
      columns: scaling, columnNames: columns.features, table: columns.inputs)
  }

  private static func scaled<E: Examples>(
    _ set: E, _ scaling: Scaling, _ field: String?
  ) throws(DataError) -> any Examples { try set.scaled(scaling, field: field) }
}

extension RecipeData {
  /// A part as a table: inputs as the model gets them, then targets; a class as its number.
  package func csv(_ part: any Examples) throws -> String {
    let width = input.reduce(1, *)
    var names =
      columnNames.count == width ? columnNames : (0..<width).map { "x\($0)" }
    names += targets.flatMap { target in
      target.width == 1 ? [target.name] : (0..<target.width).map { "\(target.name) \($0)" }
    }
    func quoted(_ name: String) -> String {
      "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        + "\""
    }
    var text = names.map(quoted).joined(separator: ",") + "\n"
    for start in stride(from: 0, to: part.count, by: 64) {
      let rows = min(64, part.count - start)
      let batch = try part.batch(Array(start..<(start + rows)))
      let columns = ([0] + targets.map(\.field)).map { field in
        let values = batch[field].doubles
        let isInteger = batch[field].dtype == .int32
        return (values, values.count / rows, isInteger)
      }
      for row in 0..<rows {
        text +=
          columns.flatMap { values, width, isInteger in
            values[(row * width)..<((row + 1) * width)].map {
              isInteger ? "\(Int($0))" : "\(Float($0))"
            }
          }.joined(separator: ",") + "\n"
      }
    }
    return text
  }
}

extension RecipeProblem {
  /// Model and tasks for a recipe's own data.
  ///
  /// - Throws: ``RecipeError`` with every impossible shape that can be found.
  package init(_ recipe: Recipe, _ data: RecipeData) throws(RecipeError) {
    try self.init(recipe, input: data.input, targets: data.targets)
  }
}
