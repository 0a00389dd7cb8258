// martlet recipes: the built-in recipes, and their text.

import ArgumentParser
import Martlet
import MartletRecipes

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes",
    abstract: "List the built-in recipes, or show one.",
    discussion: """
      `martlet train NAME` runs one. `martlet recipes show NAME > mine.yaml` makes a file to begin \
      with; docs/recipes.md describes every field.
      """,
    subcommands: [Show.self])

  func run() throws {
    let width = BuiltInRecipes.all.map(\.name.count).max() ?? 0
    for (name, _) in BuiltInRecipes.all {
      let recipe = try BuiltInRecipes.recipe(name)
      Output.line("\(name.padded(width))  \(recipe?.summary ?? "")")
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
