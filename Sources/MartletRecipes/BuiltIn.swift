// The recipes that are part of the library: the files in BuiltIn/, embedded as bytes.

import MartletRecipeModels

package enum BuiltInRecipes {
  /// Names in the order of the list.
  package static let all: [(name: String, bytes: [UInt8])] = [
    ("diabetes-linear", PackageResources.diabetes_linear_yaml),
    ("breast-cancer-logistic", PackageResources.breast_cancer_logistic_yaml),
    ("breast-cancer-mlp", PackageResources.breast_cancer_mlp_yaml),
    ("iris-logistic", PackageResources.iris_logistic_yaml),
    ("iris-mlp", PackageResources.iris_mlp_yaml),
    ("iris-two-tasks", PackageResources.iris_two_tasks_yaml),
    ("wine-mlp", PackageResources.wine_mlp_yaml),
    ("digits-mlp", PackageResources.digits_mlp_yaml),
    ("digits-lenet", PackageResources.digits_lenet_yaml),
    ("mnist5k-mlp", PackageResources.mnist5k_mlp_yaml),
    ("mnist5k-lenet5", PackageResources.mnist5k_lenet5_yaml),
  ]

  /// The text of a recipe by its name.
  package static func text(_ name: String) -> String? {
    all.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  /// A recipe by its name; nil for another name.
  package static func recipe(
    _ name: String, overrides: [Override] = []
  ) throws(RecipeError) -> Recipe? {
    guard let found = all.first(where: { $0.name == name }) else { return nil }
    return try Recipe(
      YAMLNode.parse(found.bytes, file: name), file: name, folder: ".", overrides: overrides)
  }
}
