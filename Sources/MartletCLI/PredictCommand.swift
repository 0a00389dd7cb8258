// martlet predict: a picture, a table or a text through a saved model.

import ArgumentParser
import Martlet
import MartletData
import MartletPrograms
import MartletRecipes

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Show what a saved model says of a picture, a table's rows or a text.",
    discussion: """
      The picture is a PNG or JPEG file, or test example N of the data that the model was trained \
      on. A drawing with a light background is inverted for models of light digits; other pictures \
      are scaled and cut to the model's size, as those were that it was trained on. A model of a \
      table takes a CSV file with its columns, and prints a line of CSV for each row. To a model of \
      `martlet train sentiment` give a text in place of a file; to one of `martlet train forecast` a \
      series: airline, sunspots, or a CSV file whose last column has its values.
      """)

  @Argument(
    help: ArgumentHelp(
      "A model directory, or an .onnx file of `martlet train --model`.", valueName: "modeldir"))
  var model: String
  @Argument(help: ArgumentHelp("A PNG, JPEG or CSV file, a text, or a series.", valueName: "file"))
  var file: String?
  @Option(help: ArgumentHelp("A test example by number, from 0.", valueName: "n"))
  var index: Int?
  @Option(
    help: ArgumentHelp(
      "Where test examples come from; for a recipe, where its relative paths start.",
      valueName: "name|dir"))
  var data: String?
  @Option(help: "int8: integer inference, calibrated over the data that the model was trained on.")
  var quantize: QuantizedType?

  func validate() throws {
    guard (file == nil) != (index == nil) else {
      throw ValidationError("expected either a file or --index N")
    }
    if data != nil, index == nil { throw ValidationError("--data goes with --index") }
  }

  /// Only classifiers of images know what to calibrate over.
  private func refuseQuantization(isExported: Bool) throws {
    guard quantize != nil else { return }
    throw ToolError(
      "\(model): --quantize is for classifiers of images, directories of `martlet train`"
        + (isExported
          ? "\nhint: martlet compile \(model) --quantize int8 --calibrate FILE.npy writes integer C"
          : ""))
  }

  func run() throws {
    if model.hasSuffix(".onnx"), !FileSystem.isDirectory(model) {
      try refuseQuantization(isExported: true)
      let saved = try ImportedModel.saved(model, folder: ".")
      if let index { return try RecipePrediction(saved).example(index) }
      return try RecipePrediction(saved).file(file ?? "")
    }
    let (manifest, weights) = try ModelDirectory.read(model)
    if [SavedRecipe.name, SavedSentimentModel.name, SavedForecastModel.name]
      .contains(manifest.name)
    {
      try refuseQuantization(isExported: manifest.name == SavedRecipe.name)
    }
    if manifest.name == SavedRecipe.name {
      let saved = try SavedRecipe(manifest, weights, at: model, folder: data ?? ".")
      if let index { return try RecipePrediction(saved).example(index) }
      return try RecipePrediction(saved).file(file ?? "")
    }
    if manifest.name == SavedSentimentModel.name { return try classifyText() }
    if manifest.name == SavedForecastModel.name { return try forecast() }
    let saved = try SavedModel(manifest, weights, at: model)
    let shape = manifest.inputShape
    guard shape.count == 3 else {
      throw ToolError("the model takes inputs of shape \(shape), not images")
    }
    var truth: String?
    let pixels: [UInt8]
    if let index {
      let name = data ?? manifest.notes.first { $0.name == "data" }?.value.string ?? "mnist5k"
      let test = try Dataset.named(name).test
      guard [test.height, test.width, test.channels] == shape else {
        throw DataError(
          .mismatch, "the model takes other images than the data set holds", at: name,
          got: "\(test.height) × \(test.width) × \(test.channels)",
          expected: shape.map(String.init).joined(separator: " × "))
      }
      guard (0..<test.count).contains(index) else {
        throw DataError(
          .outOfRange, "no such test image", at: name, got: "\(index)",
          expected: "0 to \(test.count - 1)")
      }
      pixels = Array(test.images[(index * test.imageSize)..<((index + 1) * test.imageSize)])
      let label = Int(test.labels[index])
      truth = label < manifest.classes.count ? manifest.classes[label] : "\(label)"
    } else {
      guard shape[2] == 1 else { throw ToolError("the model takes images of \(shape[2]) channels") }
      pixels = try PixelImage(contentsOf: file ?? "")
        .modelInput(height: shape[0], width: shape[1]).pixels
    }
    let probabilities = try classify(saved, pixels, shape)
    PredictionText.draw(pixels, height: shape[0], width: shape[1], channels: shape[2])
    PredictionText.show(
      "class", manifest.classes, probabilities.map { Double($0) }, truth: truth)
  }

  private func classifyText() throws {
    let saved = try SavedSentimentModel(model)
    guard let text = file else { throw ToolError("the model classifies texts: give it one") }
    PredictionText.show(
      "class", saved.classes, try saved.classify(text, options: CompileOptions()), truth: nil)
  }

  /// The steps behind a series, one a line.
  private func forecast() throws {
    let saved = try SavedForecastModel(model)
    guard let file else { throw ToolError("the model forecasts series: give it one") }
    let series: TimeSeries
    switch file {
    case "airline": series = try .airline()
    case "sunspots": series = try .sunspots()
    default:
      let table = try Table(csv: file)
      guard let last = table.columnNames.last else {
        throw DataError(.wrongFormat, "a table without columns", at: file)
      }
      series = try TimeSeries(table, values: last)
    }
    let values = try saved.forecast(series, options: CompileOptions())
    for (step, value) in values.enumerated() { Output.line("+\(step + 1)  \(fixed(value, 3))") }
  }

  private func classify(
    _ saved: SavedModel, _ pixels: [UInt8], _ shape: [Int]
  ) throws -> [Float] {
    let manifest = saved.manifest
    let scaling = PixelScaling(mean: manifest.mean, deviation: manifest.deviation)
    let input = try NDArray(pixels.map(scaling.value), shape: Shape([1] + shape))
    if quantize != nil {
      let argument = ModelArgument.layers(
        saved.model, saved.architecture, input: shape, saved: manifest)
      var options = try CompileOptions()
      options.quantization = try argument.calibration(samples: nil, data: data, options)
      let spec = TensorSpec(Shape([1] + shape), name: "image")
      return try ModelArgument.frozen(saved.model, spec, options, probabilities: true)(input).floats
    }
    let model = saved.model
    let predict = try compile(TensorSpec(Shape([1] + shape), name: "image")) {
      softmax(model($0), axis: -1)
    }
    return try predict(input).floats
  }
}
