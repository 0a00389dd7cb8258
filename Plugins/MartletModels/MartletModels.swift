// The build-tool plugin: a Swift type for each model among a target's resources.

import Foundation
import PackagePlugin

/// Writes `Digits.swift` for `Digits.onnx` or `Digits.martlet`, a model directory.
@main struct MartletModels: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    guard let module = target as? any SourceModuleTarget else { return [] }
    let tool = try context.tool(named: "MartletInterfaces").url
    var models: [URL] = []
    let walk = FileManager.default.enumerator(
      at: module.directoryURL, includingPropertiesForKeys: nil, options: .skipsHiddenFiles)
    while let url = walk?.nextObject() as? URL {
      guard ["onnx", "martlet"].contains(url.pathExtension) else { continue }
      models.append(url)
      if url.pathExtension == "martlet" { walk?.skipDescendants() }
    }
    return models.sorted { $0.path < $1.path }.map { model in
      let name = model.deletingPathExtension().lastPathComponent
      let output = context.pluginWorkDirectoryURL.appending(path: "\(name).swift")
      let isDirectory = model.pathExtension == "martlet"
      return .buildCommand(
        displayName: "Writing a Swift type for \(model.lastPathComponent)", executable: tool,
        arguments: [model.path, output.path],
        inputFiles: [isDirectory ? model.appending(path: "model.json") : model],
        outputFiles: [output])
    }
  }
}
