// Models that recipes trained, from their directories: pictures, tables, several heads, and files
// that do not fit.

import Foundation
import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletTraining
import Testing

import MartletRecipes

private func options() throws -> TrainerOptions {
  var options = TrainerOptions(compile: try CompileOptions())
  options.compile.threads = 1
  return options
}

private func saved(_ path: String) throws -> SavedRecipe {
  let (manifest, weights) = try ModelDirectory.read(path)
  return try SavedRecipe(manifest, weights, at: path)
}

@Suite struct SavedRecipeTests {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "saved-\(UUID().uuidString)"
  ).path
  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }
  private func remove() { try? FileManager.default.removeItem(atPath: folder) }
  private func write(_ text: String, _ name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
  }
  private func run(_ text: String) throws -> RecipeRun {
    try write(text, "r.yaml")
    return try RecipeRun(Recipe.read("\(folder)/r.yaml"), options: options())
  }

  /// Pictures of noise around a colour, none like another in size.
  private func pictures(_ name: String, _ color: [Int], count: Int) throws {
    try FileManager.default.createDirectory(
      atPath: "\(folder)/pictures/\(name)", withIntermediateDirectories: true)
    for index in 0..<count {
      let (width, height) = (10 + index % 5, 9 + index % 3)
      var random = CounterRandom(seed: 5, epoch: color[0], index: index)
      let pixels = (0..<(width * height)).flatMap { _ in
        color.map { UInt8(max(0, min(255, Float($0) + 60 * random.symmetric()))) }
      }
      try PixelImage(width: width, height: height, channels: 3, pixels: pixels).pngData()
        .withUnsafeBytes {
          try Data($0).write(to: URL(fileURLWithPath: "\(folder)/pictures/\(name)/\(index).png"))
        }
    }
  }

  @Test func aFolderOfPicturesIsLearnedSavedAndRecognised() throws {
    defer { remove() }
    try pictures("brick", [190, 90, 70], count: 24)
    try pictures("grass", [80, 150, 60], count: 24)
    try pictures("sky", [90, 140, 210], count: 24)
    let made = try run(
      """
      data:
        source: {images: {directory: pictures, size: [8, 8]}}
        split: {test: 0.25, validation: 0}
        augmentation:
          mirror: true
          shift: 1
          border: edge
          elastic: {strength: 4, smoothness: 2}
          warp: 1
          colors: {brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.01}
          colorShift: 0.1
          erasing: {probability: 0.3, area: [0.02, 0.1]}
      model: [{conv2d: 8}, relu, globalAveragePool2d, {linear: classes}]
      optimizer: {adam: 0.03}
      epochs: 12
      batch: 9
      """)
    #expect(made.data.targets[0].classes == ["brick", "grass", "sky"])
    try made.run()
    let (measures, line) = try made.evaluate()
    #expect(measures["accuracy"] == 1 && line == "test accuracy: 100.00 %")
    let path = "\(folder)/model.martlet"
    try made.save(to: path, notes: [])
    let model = try saved(path)
    #expect(model.fit == .crop && model.table == nil)
    // A picture of another size and format, light in its corners: it is not taken for a drawing.
    let picture = try PixelImage(
      width: 31, height: 17, channels: 3,
      pixels: (0..<(31 * 17)).flatMap { _ in [UInt8(200), 215, 250] })
    let input = try NDArray(model.input(picture, location: "sky"), shape: [1, 8, 8, 3])
    guard case .classes(let p) = try model.answers(input)[0][0] else {
      Issue.record("no classes")
      return
    }
    #expect(p[2] > 0.5 && abs(p.reduce(0, +) - 1) < 1e-6, "\(p)")
    // What the trained model says of the very same input.
    let same = try made.trainer.evaluate(made.finalPart.examples).measures
    #expect(same == measures)
    let test = try made.finalPart.examples.batch(Array(0..<5))
    let truth = test[1].doubles
    for (row, answer) in try model.answers(test[0]).enumerated() {
      guard case .classes(let p) = answer[0] else { continue }
      #expect(p.firstIndex(of: p.max() ?? 0) == Int(truth[row]))
    }
    #expect(throws: DataError.self) {
      _ = try saved(path).input(PixelImage(width: 1, height: 1 << 24, pixels: []), location: "x")
    }
    let program = try model.program(batch: 4, training: true, CompileOptions())
    #expect(program.report.kernels > 3)
  }

  @Test func aTableWithWordsAndTwoHeadsIsReadAgainFromItsFile() throws {
    defer { remove() }
    var rows = "a,colour,b,kind,y\n"
    for index in 0..<80 {
      let (a, b) = (Double(index % 9), Double(index % 7) * 100)
      let isRed = index % 2 == 0
      rows +=
        "\(a),\(isRed ? "red" : "\"dark, blue\""),\(b),\(a > 4 ? "big" : "small"),"
        + "\(2 * a + 0.01 * b + (isRed ? 1 : 0))\n"
    }
    try write(rows, "t.csv")
    let made = try run(
      """
      data:
        source: {csv: {file: t.csv, target: [kind, y], categorical: [colour]}}
        split: {test: 0.2, validation: 0}
        scaling: minMax
      model: [{linear: 12}, tanh]
      heads:
        - {name: size, target: kind, layers: [{linear: classes}], weight: 0.5}
        - {name: y, layers: [{linear: 8}, silu, {linear: targets}]}
      optimizer: {adam: 0.02}
      epochs: 60
      batch: 16
      """)
    try made.run()
    let path = "\(folder)/two.martlet"
    try made.save(to: path, notes: [])
    let model = try saved(path)
    let table = try Table(csv: "\(folder)/t.csv")
    let input = try #require(model.table)
    #expect(input.columns.map(\.name) == ["a", "colour", "b"] && input.featureCount == 4)
    let answers = try model.answers(input.features(of: table))
    #expect(answers.count == 80)
    let kinds = try table.texts("kind")
    let truths = try table.numbers("y")
    var (right, error) = (0, 0.0)
    for row in 0..<80 {
      guard case .classes(let p) = answers[row][0], case .numbers(let y) = answers[row][1] else {
        Issue.record("other answers")
        return
      }
      right += (p[0] > p[1] ? "big" : "small") == kinds[row] ? 1 : 0
      error = max(error, abs(y[0] - truths[row]))
    }
    // In the targets' own unit, though the model learned z-scores.
    #expect(right >= 78 && error < 2, "\(right), \(error)")
    // The file's rows and the split's examples are the same inputs, bit for bit.
    let first = try made.data.training.batch([0])[0].floats
    let all = try input.features(of: table).floats
    #expect((0..<80).contains { Array(all[($0 * 4)..<($0 * 4 + 4)]) == first })
    try check(model, table, answers)
    try write("a,colour,b\n1,green,2\n", "unknown.csv")
    #expect(throws: DataError.self) {
      try input.features(of: Table(csv: "\(folder)/unknown.csv"))
    }
  }

  /// The functions of values in their own units, against answers and steps of scaled ones.
  private func check(
    _ model: SavedRecipe, _ table: Table, _ answers: [[SavedRecipe.Answer]]
  ) throws {
    let options = try options().compile
    let input = try #require(model.table)
    let plain = try TabularInput(columns: input.columns, scaling: nil, location: "t.csv")
    let features = try plain.features(of: table)
    let live = try model.trained.inference(batch: 80, pixels: false, live: true, options)
    #expect(
      live.program.results.map(\.name) == ["size.logits", "size.probabilities", "y.values"])
    let frozen = try model.trained.inference(batch: 80, pixels: false, live: false, options)
    let before = try frozen.run([features]).map(\.doubles)
    for results in [before, try live.run([features]).map(\.doubles)] {
      for row in 0..<80 {
        guard case .classes(let p) = answers[row][0], case .numbers(let y) = answers[row][1] else {
          Issue.record("other answers")
          return
        }
        #expect(abs(results[1][2 * row] - p[0]) < 1e-5 && abs(results[2][row] - y[0]) < 1e-4)
      }
    }
    // A rate of 0: the losses of what the recipe's own step is given, scaled.
    let kinds = try table.texts("kind").map { Int32($0 == "big" ? 0 : 1) }
    let labels = try NDArray(kinds, shape: [80])
    let truths = try table.numbers("y").map { Float($0) }
    let targets = try NDArray(truths, shape: [80, 1])
    let step = try model.trained.trainingStep(batch: 80, with: nil, pixels: false, options)
    #expect(
      step.function.specs.map(\.name) == ["input", "kind.labels", "y.targets", "learningRate"])
    let loss = try step.run([features, labels, targets], learningRate: 0).item()
    let scaling = try #require(model.trained.targets[1].scaling)
    let own = try Session(model.program(batch: 80, training: true, options))
    let scaled = try NDArray(
      truths.map { Float(scaling.value(Double($0), column: 0)) }, shape: [80, 1])
    let expected = try own.run([
      input.features(of: table), labels, scaled, NDArray(scalar: Float(0)),
    ])[0].item()
    #expect(abs(loss - expected) < 1e-6)
    // Steps are seen by the live function alone; a saved training goes on with the same bits.
    let state = "\(folder)/training"
    try step.saveState(to: state)
    let after = try (0..<3).map { _ in
      try step.run([features, labels, targets], learningRate: 0.05).item()
    }
    #expect(after[2] != loss)
    #expect(try live.run([features])[2].doubles != before[2])
    #expect(try frozen.run([features])[2].doubles == before[2])
    try step.loadState(from: state)
    let again = try (0..<3).map { _ in
      try step.run([features, labels, targets], learningRate: 0.05).item()
    }
    #expect(again == after)
    try step.loadState(from: state)
    let other = try model.trained.trainingStep(batch: 80, with: SGD(), pixels: false, options)
    #expect(throws: DataError.self) { try other.loadState(from: state) }
    #expect(throws: (any Error).self) {
      _ = try model.trained.inference(batch: 1, pixels: true, live: true, options)
    }
  }

  @Test func filesThatDoNotFitAreRefused() throws {
    defer { remove() }
    let made = try run(
      "data: iris\nmodel: [{linear: 4}, {batchNorm: {momentum: 0.2}}, relu, {linear: classes}]")
    let path = "\(folder)/iris.martlet"
    try made.save(to: path, notes: [])
    let (manifest, weights) = try ModelDirectory.read(path)
    _ = try SavedRecipe(manifest, weights, at: path)
    var changed: [ModelManifest] = []
    func change(_ edit: (inout ModelManifest) -> Void) {
      var copy = manifest
      edit(&copy)
      changed.append(copy)
    }
    change { $0.layers = [] }
    change { $0.layers = [.array([.null])] }
    change { $0.layers = [.object([.init("data", .string("iris"))])] }
    change { $0.outputs = nil }
    change { $0.outputs = .array([]) }
    change {
      $0.outputs = .array([.object([.init("name", .string("x")), .init("width", .integer(0))])])
    }
    change {
      $0.outputs = .array([.object([.init("name", .string("x")), .init("width", .integer(3))])])
    }
    change { $0.inputShape = [5] }
    change { $0.table = .object([]) }
    change { $0.fit = "squeeze" }
    for (index, manifest) in changed.enumerated() {
      #expect(throws: (any Error).self, "\(index)") {
        _ = try SavedRecipe(manifest, weights, at: path)
      }
    }
    #expect(throws: DataError.self) {
      try SavedRecipe(manifest, Array(weights.dropLast()), at: path)
    }
    // Every byte of the description, damaged: an error or a model, never a trap.
    let bytes = try manifest.encoded(file: path)
    var random = CounterRandom(seed: 3, epoch: 0, index: 0)
    let rounds = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == "1" ? 20_000 : 300
    for _ in 0..<rounds {
      var damaged = bytes
      damaged[random.below(bytes.count)] = UInt8(random.below(256))
      if random.below(3) == 0 { damaged.removeLast(random.below(bytes.count / 4)) }
      guard let manifest = try? ModelManifest(parsing: damaged, file: path) else { continue }
      _ = try? SavedRecipe(manifest, weights, at: path)
    }
  }
}
