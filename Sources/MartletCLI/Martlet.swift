// The tool `martlet`: its commands, and what happens to an error.

import ArgumentParser
import Martlet
import MartletONNX
import MartletRecipes

@main
struct Tool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Compiles deep learning models to machine code, and trains them, on the CPU.",
    version: toolVersion,
    subcommands: [
      TrainCommand.self, RecipesCommand.self, SearchCommand.self, PredictCommand.self,
      SampleCommand.self,
      InspectCommand.self, SummaryCommand.self,
      RunCommand.self, CompileCommand.self, QuantizeCommand.self, ConvertCommand.self,
      ConformCommand.self,
      DoctorCommand.self, BenchCommand.self,
    ])

  static func main() {
    Output.reserveStandardStreams()
    Output.ignoreBrokenPipes()
    addImageDecoders()
    do {
      try Environment.checkArguments()
      var command = try parseAsRoot()
      try Environment.check()
      try command.run()
      Output.finish()
    } catch let error as CompileError {
      Output.fail("\(error)")
    } catch let error as RunError {
      Output.fail("\(error)")
    } catch let error as DataError {
      Output.fail("\(error)")
    } catch let error as ONNXError {
      Output.fail("\(error)")
    } catch let error as RecipeError {
      Output.fail("\(error)")
    } catch let error as ToolError {
      Output.fail(error.message)
    } catch {
      // The parser's own: usage (64), help and version (0), exit codes of commands.
      exit(withError: error)
    }
  }
}

let toolVersion = "0.1.0"

/// What the tool itself finds wrong with its input; exit code 1.
struct ToolError: Error {
  var message: String
  init(_ message: String) { self.message = message }
}
