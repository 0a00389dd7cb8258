// The augmentation that a recipe asks for.

import MartletData
import MartletExecution
import MartletRecipeModels

enum RecipeAugmentation {
  /// The changes that the fields say; nil without fields.
  ///
  /// - Parameter colors: Images of the training set, for the principal components of its colours.
  static func made(
    _ fields: CheckedFields?, _ recipe: Recipe, channels: Int, colors: () throws -> Dataset.Split
  ) throws -> Augmentation? {
    guard let fields else { return nil }
    func number(_ fields: CheckedFields, _ name: String, _ preset: Float) -> Float {
      fields.number(name).map { Float($0) } ?? preset
    }
    var made = Augmentation(
      shift: number(fields, "shift", 0), rotation: number(fields, "rotation", 0),
      scaling: number(fields, "zoom", 0), mirror: fields.boolean("mirror") ?? false)
    made.flip = fields.boolean("flip") ?? false
    made.crop = fields.integer("crop") ?? 0
    made.border = fields.text("border") == "edge" ? .edge : .black
    if let own = fields.fields("elastic") {
      made.elastic = ElasticDeformation(
        strength: number(own, "strength", 34), smoothness: number(own, "smoothness", 4))
    }
    if let own = fields.fields("warp") {
      made.warp = LocalWarp(
        strength: number(own, "strength", 2), points: own.integer("points") ?? 4)
    }
    if let own = fields.fields("colors") {
      let jitter = ColorJitter(
        brightness: number(own, "brightness", 0), contrast: number(own, "contrast", 0),
        saturation: number(own, "saturation", 0), hue: number(own, "hue", 0))
      if channels < 3, jitter.saturation > 0 || jitter.hue > 0 {
        throw recipe.error(
          "data.augmentation.colors: saturation and hue are for images in colour",
          at: own.position)
      }
      made.colors = jitter
    }
    if let deviation = fields.number("colorShift"), deviation > 0 {
      guard channels >= 3 else {
        throw recipe.error(
          "data.augmentation.colorShift: is for images in colour",
          at: fields["colorShift"]?.position ?? fields.position)
      }
      made.colorShift = try ColorShift(fitting: colors(), deviation: Float(deviation))
    }
    if let own = fields.fields("erasing") {
      let area = own.numbers("area")?.map { Float($0) } ?? [0.02, 0.33]
      made.erasing = RandomErasing(
        probability: number(own, "probability", 0.5), area: area[0]...max(area[0], area[1]))
    }
    return made
  }

  /// The images at some indices: those that are trained on, held-out ones not among them.
  static func part(_ split: Dataset.Split, _ indices: [Int]) throws -> Dataset.Split {
    let size = split.imageSize
    var pixels: [UInt8] = []
    pixels.reserveCapacity(indices.count * size)
    for index in indices { pixels += split.images[(index * size)..<((index + 1) * size)] }
    return try Dataset.Split(
      images: pixels, labels: [Int32](repeating: 0, count: indices.count), height: split.height,
      width: split.width, channels: split.channels)
  }

  /// At most 2,000 pictures of a folder, evenly chosen among the indices.
  static func sample(_ folder: ImageFolder, _ indices: [Int]) throws -> Dataset.Split {
    var pixels: [UInt8] = []
    var count = 0
    for place in stride(from: 0, to: indices.count, by: max(1, indices.count / 2_000)) {
      pixels += try folder.image(indices[place]).pixels
      count += 1
    }
    return try Dataset.Split(
      images: pixels, labels: [Int32](repeating: 0, count: count), height: folder.height,
      width: folder.width, channels: folder.channels)
  }
}
