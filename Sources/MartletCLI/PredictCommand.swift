// martlet predict: one image, or one text, through a saved model.

import ArgumentParser
import Martlet
import MartletData
import MartletPrograms

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Show what a saved model takes an image or a text for.",
    discussion: """
      The image is a PNG file, or test image N of the data set that the model was trained on. A \
      picture with a light background is inverted, and scaled to the model's size. To a model of \
      `martlet train sentiment` give a text in its place.
      """)

  @Argument(help: ArgumentHelp("A model directory.", valueName: "modeldir"))
  var model: String
  @Argument(help: ArgumentHelp("A PNG file, or a text.", valueName: "image.png"))
  var image: String?
  @Option(help: ArgumentHelp("A test image by number, from 0.", valueName: "n"))
  var index: Int?
  @Option(help: ArgumentHelp("Where test images come from.", valueName: "name|dir"))
  var data: String?

  func validate() throws {
    guard (image == nil) != (index == nil) else {
      throw ValidationError("expected either a PNG file or --index N")
    }
    if data != nil, index == nil { throw ValidationError("--data goes with --index") }
  }

  func run() throws {
    if try ModelDirectory.read(model).manifest.name == SavedSentimentModel.name {
      return try classifyText()
    }
    let saved = try SavedModel(model)
    let manifest = saved.manifest
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
      pixels = try PixelImage(png: image ?? "").modelInput(height: shape[0], width: shape[1]).pixels
    }

    let probabilities = try classify(saved, pixels, shape)
    draw(pixels, height: shape[0], width: shape[1], channels: shape[2])
    let best = printBars(manifest.classes, probabilities.map(Double.init))
    let verdict = truth.map { $0 == manifest.classes[best] ? ", right" : ", wrong: it is \($0)" }
    Output.line(
      "class: \(manifest.classes[best]) (\(fixed(Double(probabilities[best]) * 100, 2)) %)"
        + (verdict ?? ""))
  }

  private func classifyText() throws {
    let saved = try SavedSentimentModel(model)
    guard let text = image else { throw ToolError("the model classifies texts: give it one") }
    let probabilities = try saved.classify(text, options: CompileOptions())
    let best = printBars(saved.classes, probabilities)
    Output.line("class: \(saved.classes[best]) (\(fixed(probabilities[best] * 100, 2)) %)")
  }

  /// Prints a line for each class; gives the likeliest.
  private func printBars(_ classes: [String], _ probabilities: [Double]) -> Int {
    let width = classes.map(\.count).max() ?? 0
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
    for (place, (name, p)) in zip(classes, probabilities).enumerated() {
      let bar = String(repeating: "█", count: Int((p * 40).rounded()))
      Output.line(
        "\(place == best ? ">" : " ") \(name.padded(width))  "
          + "\(fixed(p * 100, 2).padded(6, left: true)) %  \(bar)")
    }
    return best
  }

  private func classify(
    _ saved: SavedModel, _ pixels: [UInt8], _ shape: [Int]
  ) throws -> [Float] {
    let manifest = saved.manifest
    let scaling = PixelScaling(mean: manifest.mean, deviation: manifest.deviation)
    let input = try NDArray(pixels.map(scaling.value), shape: Shape([1] + shape))
    let model = saved.model
    let predict = try compile(TensorSpec(Shape([1] + shape), name: "image")) {
      softmax(model($0), axis: -1)
    }
    return try predict(input).floats
  }

  /// The picture in characters, two rows of pixels a line.
  private func draw(_ pixels: [UInt8], height: Int, width: Int, channels: Int) {
    let shades: [Character] = [" ", "░", "▒", "▓", "█"]
    guard width <= 120, height <= 120 else { return }
    for y in stride(from: 0, to: height, by: 2) {
      var line = ""
      for x in 0..<width {
        var sum = 0
        var count = 0
        for row in y..<min(y + 2, height) {
          for channel in 0..<channels {
            sum += Int(pixels[(row * width + x) * channels + channel])
            count += 1
          }
        }
        line.append(shades[min(4, sum * 5 / (256 * max(1, count)))])
      }
      Output.line(line)
    }
  }
}
