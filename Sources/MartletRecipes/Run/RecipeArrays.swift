// Data of a recipe that lies in NumPy's arrays.

import MartletData
import MartletExecution
import MartletIR
import MartletRecipeModels
import MartletTraining

extension RecipeData {
  /// Inputs and targets of an .npz file.
  static func arrays(
    _ source: CheckedFields, _ data: CheckedFields, _ recipe: Recipe
  ) throws -> RecipeData {
    if let augmentation = data.fields("augmentation") {
      throw recipe.error("data.augmentation: is for images", at: augmentation.position)
    }
    let path = recipe.path(source.text("file") ?? "")
    let all = try Npz.load(path)
    func array(_ key: String) throws -> NDArray {
      let name = source.text(key) ?? key
      guard let found = all.first(where: { $0.name == name }) else {
        throw recipe.error(
          "data.npz: \(path) has no array '\(name)'; "
            + Checker.suggestion(name, all.map(\.name)), at: source.position)
      }
      return found.array
    }
    func refuse(_ what: String) -> RecipeError {
      recipe.error("data.npz: \(what)", at: source.position)
    }
    let (x, y) = (try array("x"), try array("y"))
    guard x.shape.rank >= 2, x.shape.rank <= 8, x.count > 0, y.shape.rank >= 1,
      x.shape[0] == y.shape[0], !x.dtype.isFloatingPoint || x.doubles.allSatisfy(\.isFinite)
    else {
      throw refuse("x is \(x.type), y \(y.type): a row for each example, and no NaN")
    }
    let rows = x.shape[0]
    var columns = Columns(
      name: FileSystem.split(path).last, names: [], values: [], features: [], targets: ["y"])
    if x.shape.rank == 2 {
      columns.features = (0..<x.shape[1]).map { "x\($0)" }
      columns.inputs = columns.features.map { TabularInput.Column(name: $0) }
    } else {
      columns.inputs = nil
      columns.scaling = "none"
    }
    let values = y.doubles
    let isClass = source.boolean("classes") ?? (!y.dtype.isFloatingPoint && y.count == rows)
    let inputs = NamedArray("features", try NDArray(x.doubles.map { Float($0) }, shape: x.shape))
    guard isClass else {
      let width = values.count / rows
      let targets = try NDArray(values.map { Float($0) }, shape: [rows, width])
      return try divided(
        ArrayExamples([inputs, NamedArray("target y", targets)]), columns,
        [RecipeTarget(name: "y", field: 1, classes: nil, width: width)], data)
    }
    guard values.count == rows, let last = values.max(), last < 65_536,
      values.allSatisfy({ $0 >= 0 && $0 == $0.rounded() })
    else { throw refuse("y holds no classes: integers from 0") }
    let labels = try NDArray(values.map { Int32($0) }, shape: [rows])
    return try divided(
      ArrayExamples([inputs, NamedArray("labels", labels)]), columns,
      [
        RecipeTarget(
          name: "y", field: 1, classes: (0...Int(last)).map { "\($0)" }, width: 1)
      ], data)
  }
}
