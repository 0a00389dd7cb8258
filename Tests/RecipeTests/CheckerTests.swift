// What a recipe may say, and what is said of one that does not.

import Foundation
import Testing

import MartletRecipes

private func problems(_ text: String) -> [String] {
  do {
    _ = try Recipe(
      YAMLNode.parse(Array(text.utf8), file: "r.yaml"), file: "r.yaml", folder: ".")
    return []
  } catch {
    return error.problems.map { problem in
      (problem.position.map { "\($0.line):\($0.column): " } ?? "") + problem.message
    }
  }
}

private let good = """
  data:
    source: {csv: {file: a.csv, target: y}}
    split: {test: 0.25}
  model:
    - linear: 16
    - relu
    - dropout: 0.5
    - residual:
        body: [{linear: {out: 16, initializer: heNormal}}, tanh]
    - linear: targets
  loss: {huber: 2}
  optimizer: {momentum: {learningRate: 1e-2, clipping: 1, groups: [{of: "0", times: 0}]}}
  schedule: {chain: [{schedule: {linear: {from: 0, to: 1}}, until: 3}, {schedule: cosine}]}
  regularization: {l2: 1e-4, maxNorm: 3}
  batch: all
  callbacks: {earlyStopping: 5, checkpoints: {keepLast: 3}}
  search: {space: {epochs: {integer: [1, 5]}, optimizer.momentum.learningRate: {log: [1e-4, 1]}}}
  """

@Test func goodRecipesHaveNoProblems() {
  #expect(problems(good) == [])
  #expect(problems("data: iris\nmodel: {mlp: [8]}") == [])
  #expect(problems("data: iris\nmodel: mlp\noptimizer:\n  adam:\n") == [])
}

@Test func allProblemsAreReportedWithTheirPlaces() {
  let text = """
    data: irsi
    model:
      - linear: 0
      - rellu
      - conv2d: {kernel: 3}
      - dropout: 1
      - flatten: {axis: 1}
    optimizer: {adam: {learning_rate: 0.1, beta1: yes}}
    epoch: 3
    batch: some
    metrics: accuracy
    search: {space: {epochs: {linear: [3, 1]}}}
    """
  #expect(
    problems(text) == [
      "1:7: data: unknown source 'irsi'; did you mean 'iris'?",
      "3:13: model.0.linear: expected an integer from 1 to 1048576, or classes | targets, got 0",
      "4:5: model.1: unknown layer 'rellu'; did you mean 'relu'?",
      "5:13: model.2.conv2d: 'out' is missing: an integer from 1 to 1048576",
      "6:14: model.3.dropout: expected a number from 0 and below 1, got 1",
      "7:15: model.4.flatten: unknown key 'axis'; it takes no fields",
      "8:20: optimizer.adam: unknown key 'learning_rate'; did you mean 'learningRate'?",
      "8:47: optimizer.adam.beta1: expected a number from 0 and below 1, got yes",
      "9:1: the recipe: unknown key 'epoch'; did you mean 'epochs'?",
      "10:8: batch: expected an integer from 1 to 65536, or all, got some",
      "11:10: metrics: expected a list of (accuracy | top5 | precision | recall | f1 | auc | r2 | "
        + "rmse | mae), got accuracy",
      "12:26: search.space.epochs: the range must begin below its end",
    ])
}

@Test func augmentationsAreCheckedFieldByField() {
  let text = """
    data:
      source: digits
      augmentation:
        elastic: {strength: -1, smothness: 2}
        warp: {points: 1}
        colors: {hue: 0.7}
        colorShift: much
        erasing: {area: [0.5, 0.1]}
        border: white
    model: [flatten, {linear: classes}]
    """
  #expect(
    problems(text) == [
      "4:25: data.augmentation.elastic.strength: expected a number from 0 to 4096, got -1",
      "4:29: data.augmentation.elastic: unknown key 'smothness'; did you mean 'smoothness'?",
      "5:20: data.augmentation.warp.points: expected an integer from 2 to 64, got 1",
      "6:19: data.augmentation.colors.hue: expected a number from 0 to 0.5, got 0.7",
      "7:17: data.augmentation.colorShift: expected a number from 0 to 10, got much",
      "8:21: data.augmentation.erasing.area: the range must begin below its end",
      "9:13: data.augmentation.border: expected black | edge, got white",
    ])
  #expect(
    problems(
      "data: {source: digits, augmentation: {elastic: 20, warp: {strength: 1}, erasing: 0.2}}\n"
        + "model: [flatten, {linear: classes}]") == [])
}

@Test func hostileFilesAreRefused() throws {
  let bomb =
    "a0: &a0 [1, 1]\n"
    + (1..<40).map { "a\($0): &a\($0) {? *a\($0 - 1) : 1, b: *a\($0 - 1)}\n" }
    .joined()
  #expect(problems(bomb).first?.contains("anchors (&) and aliases (*)") == true)
  #expect(problems("data: &x iris\nmodel: *x").first?.hasPrefix("1:7: anchors") == true)
  #expect(problems(String(repeating: "[", count: 100_000)).first?.contains("nest") == true)
  #expect(
    problems(String(repeating: "[", count: 100) + String(repeating: "]", count: 100)).first?
      .contains("nested more than 64 deep") == true)
  #expect(problems(String(repeating: "- ", count: 50_000)).first?.contains("nest") == true)
  #expect(problems(String(repeating: "#", count: 300_000)).first?.contains("at most") == true)
  #expect(problems("").first == "the file is empty")
  #expect(problems("data: [").first?.contains("not YAML") == true)
  #expect(problems("a: 1\na: 2").first?.contains("the key 'a' stands there twice") == true)
  #expect(problems("---\na: 1\n---\nb: 1").first?.contains("document") == true)
  #expect(problems("{[1]: 2}").first?.contains("a key must be a word") == true)
  #expect(throws: RecipeError.self) {
    try YAMLNode.parse([0x64, 0x3a, 0x20, 0xff], file: "r.yaml")
  }
}

@Test func noMutationOfARecipeTraps() {
  var state: UInt64 = 7
  func random(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
  let pieces = ["&a ", "*a ", "[", "]", "{", "}", ": ", "- ", "\"", "'", "\\x", "|", "!!int ", "?"]
  for _ in 0..<300 {
    var bytes = Array(good.utf8)
    for _ in 0..<(1 + random(4)) {
      let at = random(bytes.count)
      switch random(4) {
      case 0: bytes.remove(at: at)
      case 1: bytes.insert(contentsOf: pieces[random(pieces.count)].utf8, at: at)
      case 2: bytes[at] = UInt8(random(256))
      default: bytes.swapAt(at, random(bytes.count))
      }
    }
    if let node = try? YAMLNode.parse(bytes, file: "r.yaml") {
      _ = try? Recipe(node, file: "r.yaml", folder: ".")
    }
  }
}

@Test func overridesReplaceAndAdd() throws {
  func recipe(_ overrides: [String]) throws -> Recipe {
    try Recipe(
      YAMLNode.parse(Array("data: iris\nmodel: [linear: 8]\noptimizer: adam".utf8), file: "r"),
      file: "r", folder: ".", overrides: overrides.compactMap { Override($0) })
  }
  let changed = try recipe(["optimizer.adam.learningRate=0.5", "epochs=3", "model.0.linear=9"])
  #expect(changed.root.fields("optimizer")?.number("learningRate") == 0.5)
  #expect(changed.epochs == 3)
  #expect(throws: RecipeError.self) { try recipe(["model.4.linear=9"]) }
  let bare = try recipe(["optimizer=", "optimizer.adam=0.5", "optimizer.adam.beta1=0.8"])
  #expect(bare.root.fields("optimizer")?.number("learningRate") == 0.5)
  #expect(bare.root.fields("optimizer")?.number("beta1") == 0.8)
  #expect(throws: RecipeError.self) { try recipe(["optimizer.sgd.learningRate=1"]) }
  #expect(throws: RecipeError.self) { try recipe(["..=1"]) }
}

@Test func theReferenceInTheDocsIsCurrent() throws {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
      "docs/recipes.md")
  let text = try String(contentsOf: file, encoding: .utf8)
  let marks = ["<!-- reference: made from the schema by MARTLET_RECORD=1 -->\n", "<!-- end -->"]
  let start = try #require(text.range(of: marks[0])?.upperBound)
  let end = try #require(text.range(of: marks[1])?.lowerBound)
  if ProcessInfo.processInfo.environment["MARTLET_RECORD"] == "1" {
    let new = text[..<start] + Schema.reference + text[end...]
    try String(new).write(to: file, atomically: true, encoding: .utf8)
    Issue.record("recorded docs/recipes.md")
  } else {
    #expect(String(text[start..<end]) == Schema.reference)
  }
}

@Test func theSchemaIsSound() {
  func visit(_ kind: FieldKind) {
    switch kind {
    case .section(let name): #expect(!Schema.section(name).summary.isEmpty, "\(name)")
    case .choice(let name): #expect(!Schema.choice(name).cases.isEmpty, "\(name)")
    case .list(let inner, _), .map(let inner): visit(inner)
    case .either(let kinds): kinds.forEach(visit)
    default: break
    }
  }
  for section in Schema.sections + Schema.choices.flatMap(\.cases) {
    #expect(Set(section.fields.map(\.name)).count == section.fields.count, "\(section.name)")
    #expect(
      section.shorthand.map { name in section.fields.contains { $0.name == name } } ?? true,
      "\(section.name)")
    for field in section.fields { visit(field.kind) }
  }
}
