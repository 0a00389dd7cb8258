// What a model says, on the terminal: the picture in characters, classes with bars.

import MartletData

enum PredictionText {
  /// A bar for each class, the most probable one marked, and a last line with the answer.
  static func show(
    _ name: String, _ classes: [String], _ probabilities: [Double], truth: String?
  ) {
    let width = classes.map(\.count).max() ?? 0
    guard let best = probabilities.indices.max(by: { probabilities[$0] < probabilities[$1] }),
      classes.indices.contains(best)
    else { return }
    for (place, (name, p)) in zip(classes, probabilities).enumerated() {
      let bar = String(repeating: "█", count: p.isFinite ? Int((p * 40).rounded()) : 0)
      Output.line(
        "\(place == best ? ">" : " ") \(name.padded(width))  "
          + "\(fixed(p * 100, 2).padded(6, left: true)) %  \(bar)")
    }
    let verdict = truth.map { $0 == classes[best] ? ", right" : ", wrong: it is \($0)" }
    Output.line(
      "\(name): \(classes[best]) (\(fixed(probabilities[best] * 100, 2)) %)" + (verdict ?? ""))
  }

  /// The picture in characters, two rows of pixels a line.
  static func draw(_ pixels: [UInt8], height: Int, width: Int, channels: Int) {
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
