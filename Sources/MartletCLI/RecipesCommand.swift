// martlet recipes: the built-in recipes, and their text.

import ArgumentParser
import Martlet
import MartletData
import MartletRecipes
import MartletTraining

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes",
    abstract: "List the built-in recipes, or show one.",
    discussion: """
      `martlet train NAME` runs one. `martlet recipes show NAME > mine.yaml` makes a file to begin \
      with; docs/recipes.md describes every field.
      """,
    subcommands: [Show.self, Data.self])

  func run() throws {
    let width = BuiltInRecipes.all.map(\.name.count).max() ?? 0
    for (name, _) in BuiltInRecipes.all {
      let recipe = try BuiltInRecipes.recipe(name)
      Output.line("\(name.padded(width))  \(recipe?.summary ?? "")")
    }
  }

  struct Data: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "data",
      abstract: "Write a recipe's examples as CSV, split and scaled as the model gets them.")
    @Argument(help: "A recipe's file, or the name of a built-in one.")
    var recipe: String
    @Argument(help: "The directory for training.csv, validation.csv and test.csv.")
    var directory: String
    @Option(
      name: .customLong("set"),
      help: ArgumentHelp("A value for a path of the recipe.", valueName: "path=value"))
    var overrides: [String] = []

    func run() throws {
      let recipe = try RecipeTraining.recipe(recipe, overrides.compactMap { Override($0) })
      let data = try RecipeData.read(recipe)
      let parts = [
        ("training", data.training as (any Examples)?), ("validation", data.validation),
        ("test", data.test),
      ]
      for (name, part) in parts {
        guard let part else { continue }
        let path = FileSystem.join(directory, "\(name).csv")
        try FileSystem.write(Array(data.csv(part).utf8), to: path)
        Output.line("\(path)  \(grouped(part.count)) examples")
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Print a built-in recipe.")
    @Argument(help: "Its name.")
    var name: String

    func run() throws {
      guard let text = BuiltInRecipes.text(name) else {
        let names = BuiltInRecipes.all.map(\.name).joined(separator: ", ")
        throw ToolError("no built-in recipe '\(name)'; there are \(names)")
      }
      Output.write(text, to: 1)
    }
  }
}
