// Layers of a recipe: shapes as the compiler sees them, and problems with the layer's place.

import MartletExecution
import MartletNN
import Testing

import MartletRecipes

private func checked(_ layers: String) throws -> [Checked] {
  let recipe = try Recipe(
    YAMLNode.parse(Array("data: iris\nmodel:\n\(layers)".utf8), file: "r"), file: "r", folder: ".")
  return recipe.root.list("model") ?? []
}

@Test(arguments: Schema.choice("layer").cases.map(\.name))
func everyLayerOfTheSchemaIsBuiltWithTheShapeItHas(name: String) throws {
  let arguments = [
    "linear": ": 3", "conv2d": ": {out: 4, kernel: 3, strides: [2, 1], padding: same, groups: 2}",
    "maxPool2d": ": 2", "averagePool2d": ": {window: 3, strides: 2, padding: 1}",
    "reshape": ": [2, 36]", "maxout": ": 2", "groupNorm": ": 2", "dropout": ": 0.5",
    "residual": ": {body: [{linear: 3}], shortcut: [{linear: 3}]}",
    "parallel": ": [[{linear: 3}], [relu]]", "repeat": ": {count: 2, layers: [{linear: 2}, relu]}",
  ]
  let list = try checked("  - \(name)\(arguments[name] ?? "")")
  var builder = ModelBuilder(classes: 3)
  let chain = builder.layers(list, input: [6, 6, 2], path: "model")
  let made = try #require(chain, "\(builder.problems)")
  let model = Sequential(made.layers)
  let input = try NDArray((0..<144).map { Float($0) / 100 }, shape: [2, 6, 6, 2])
  let result = try compile(TensorSpec([2, 6, 6, 2])) { model($0) }(input)
  #expect(result.shape.dimensions == [2] + made.output)
}

@Test func impossibleShapesNameTheLayer() throws {
  func problem(_ layers: String, _ input: [Int]) throws -> String {
    var builder = ModelBuilder(classes: nil)
    #expect(builder.layers(try checked(layers), input: input, path: "model") == nil)
    return builder.problems.map { "\($0.position?.line ?? 0): \($0.message)" }.joined()
  }
  #expect(
    try problem("  - flatten\n  - conv2d: 4", [8, 8, 1])
      == "4: model.1.conv2d: takes images, height × width × channels; got 64 "
      + "(reshape: [H, W, C] makes images of rows)")
  #expect(
    try problem("  - conv2d: {out: 4, kernel: 9}", [8, 8, 1])
      == "3: model.0.conv2d: a window of 9 does not fit 8 × 8 × 1 with a padding of 0")
  #expect(
    try problem("  - residual: [{linear: 5}]", [4])
      == "3: model.0.residual: the body gives 5, the shortcut 4")
  #expect(
    try problem("  - linear: classes", [4])
      == "3: model.0.linear: the data has no classes: say a number, or `targets`")
  #expect(try problem("  - linear: 1048576\n  - linear: 1048576", [4]).contains("parameters"))
}

@Test func everyOptimizerAndScheduleIsBuilt() throws {
  for section in Schema.choice("optimizer").cases where section.name != "lbfgs" {
    let recipe = try Recipe(
      YAMLNode.parse(
        Array(
          ("data: iris\nmodel: mlp\nregularization: {l1: 0.1, l2: 0.1, maxNorm: 2}\n"
            + "optimizer: {\(section.name): {learningRate: 0.25, weightDecay: 0.1, clipping: 1, "
            + "averageWeights: 0.9, accumulate: 2, groups: [{of: all, times: 0.5}]}}").utf8),
        file: "r"), file: "r", folder: ".")
    let optimizer = OptimizerBuilder.optimizer(
      recipe.root.fields("optimizer"), regularization: recipe.root.fields("regularization"))
    #expect(optimizer.learningRate == 0.25, "\(section.name)")
    #expect("\(type(of: optimizer))".lowercased().contains("<\(section.name)>"), "\(optimizer)")
  }
}

@Test func schedulesCountEpochsAndSteps() throws {
  func factors(_ text: String, at times: [Int]) throws -> [Double] {
    let recipe = try Recipe(
      YAMLNode.parse(Array("data: iris\nmodel: mlp\nschedule: \(text)".utf8), file: "r"),
      file: "r", folder: ".")
    let schedule = try #require(
      OptimizerBuilder.schedule(recipe.root.fields("schedule"), stepsPerEpoch: 10, epochs: 10))
    return times.map { schedule.factor(at: $0) }
  }
  #expect(try factors("constant", at: [0, 99]) == [1, 1])
  #expect(try factors("{exponential: 0.5}", at: [0, 9, 10, 25]) == [1, 1, 0.5, 0.25])
  #expect(
    try factors("{exponential: {base: 0.5, unit: steps}}", at: [0, 1, 3]) == [1, 0.5, 0.125])
  #expect(try factors("{staircase: {every: 2, factor: 0.1}}", at: [19, 20]) == [1, 0.1])
  #expect(try factors("{linear: 10}", at: [0, 50, 100]) == [1, 0.5, 0])
  #expect(try factors("linear", at: [0, 50, 100]) == [1, 0.5, 0])
  #expect(try factors("{linear: {warmUp: 1}}", at: [0, 5, 10, 55, 100]) == [0, 0.5, 1, 0.5, 0])
  #expect(
    try factors("{milestones: {times: [1, 2], factor: 0.5}}", at: [9, 10, 20]) == [1, 0.5, 0.25])
  #expect(
    try factors(
      "{chain: [{schedule: {linear: {from: 0, to: 1, over: 2}}, until: 2}, "
        + "{schedule: constant, until: 4}, {schedule: linear}]}", at: [0, 10, 20, 39, 40, 70])
      == [0, 0.5, 1, 1, 1, 0.5])
  #expect(
    try factors("{product: [{exponential: 0.5}, {linear: 10}]}", at: [0, 50]) == [1, 0.5 / 32])
  let plateau = try Recipe(
    YAMLNode.parse(
      Array("data: iris\nmodel: mlp\nschedule: {plateau: {patience: 0}}".utf8), file: "r"),
    file: "r", folder: ".")
  var rule = try #require(OptimizerBuilder.plateau(plateau.root.fields("schedule")))
  #expect([1.0, 1.0, 0.5].map { rule.update($0) } == [1, 0.1, 0.1])
}
