// A contact sheet of augmentations: one row for each change, one column for each epoch.
//
//     swift run -c release Augment sheet.png [picture.jpg …]

import Martlet
import MartletData

let arguments = CommandLine.arguments.dropFirst()
guard let output = arguments.first else {
  print("usage: Augment SHEET.png [PICTURE.png|.jpg …]")
  throw DataError(.notFound, "no name for the sheet", at: "command line")
}

// The picture that is changed: the first one given, or a digit.
let side = 96
let pictures = arguments.dropFirst()
let digits = try Dataset.mnist5k().test
var split = try Dataset.Split(
  images: Array(digits.images[(7 * 784)..<(8 * 784)]), labels: [0], height: 28, width: 28)
if !pictures.isEmpty {
  var pixels: [UInt8] = []
  for path in pictures {
    let picture = try PixelImage(contentsOf: path)
    pixels += try picture.rgb().resized(width: side, height: side, filter: .area).pixels
  }
  split = try Dataset.Split(
    images: pixels, labels: pictures.map { _ in 0 }, height: side, width: side, channels: 3)
}

// Distances are in pixels: what suits 28 of them is scaled to the picture.
let scale = Float(split.width) / 28
var changes: [(String, Augmentation)] = []
@MainActor func add(_ name: String, _ change: (inout Augmentation) -> Void) {
  var augmentation = Augmentation()
  augmentation.border = pictures.isEmpty ? .black : .edge
  change(&augmentation)
  changes.append((name, augmentation))
}
add("none") { _ in }
add("mirror and flip") { ($0.mirror, $0.flip) = (true, true) }
add("crop") { $0.crop = Int(4 * scale) }
add("rotation and scaling") { ($0.rotation, $0.scaling) = (15, 0.2) }
add("elastic") {
  $0.elastic = ElasticDeformation(strength: 34 * scale * scale, smoothness: 4 * scale)
}
add("warp") { $0.warp = LocalWarp(strength: 3 * scale, points: 4) }
add("colours") {
  $0.colors = ColorJitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1)
}
if split.channels == 3 {
  let shift = try ColorShift(fitting: split, deviation: 1)  // ten times the usual, to be seen
  add("colour shift") { $0.colorShift = shift }
}
add("erasing") { $0.erasing = RandomErasing() }

let (columns, gap) = (8, 4)
let (cell, rows) = (split.width + gap, changes.count)
var sheet = [UInt8](repeating: 64, count: rows * cell * columns * cell * 3)
for (row, (name, augmentation)) in changes.enumerated() {
  let examples = try split.examples(augmentation: augmentation)
  for column in 0..<columns {
    let values = try examples.batch([column % split.count], seed: 1, epoch: column)[0].floats
    for y in 0..<split.height {
      for x in 0..<split.width {
        for channel in 0..<3 {
          let from = (y * split.width + x) * split.channels + min(channel, split.channels - 1)
          let to = ((row * cell + y) * columns * cell + column * cell + x) * 3 + channel
          sheet[to] = UInt8(max(0, min(255, (values[from] * 255).rounded())))
        }
      }
    }
  }
  print("row \(row + 1): \(name)")
}
try PixelImage(width: columns * cell, height: rows * cell, channels: 3, pixels: sheet)
  .writePNG(to: output)
