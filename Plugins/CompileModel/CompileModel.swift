// swift package compile-model: a model as a C target of the user's package, with a Swift class over it.

import Foundation
import PackagePlugin

/// A message for the user of the command.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Writes `Sources/CNAME` (C that needs no library) and `Sources/NAME` (a Swift class).
@main struct CompileModel: CommandPlugin {
  private static let usage = """
    swift package --allow-writing-to-package-directory compile-model MODEL --name NAME
                  [--train] [--loss NAME] [--optimizer NAME] [--form scalar|tile] [--dim NAME=N]…
                  [--quantize int8] [--calibrate FILE.npy]
    """

  func performCommand(context: PluginContext, arguments: [String]) async throws {
    var extractor = ArgumentExtractor(arguments)
    let trains = extractor.extractFlag(named: "train") > 0
    // What `martlet compile` takes besides.
    let passed = ["form", "loss", "optimizer", "quantize", "calibrate"].flatMap { option in
      extractor.extractOption(named: option).suffix(1).flatMap { ["--\(option)", $0] }
    }
    let dimensions = extractor.extractOption(named: "dim")
    let given = extractor.extractOption(named: "name").last
    guard extractor.unextractedOptionsOrFlags.isEmpty, extractor.remainingArguments.count == 1
    else { throw CommandError("usage: \(Self.usage)") }
    let model = extractor.remainingArguments[0]
    let stem = URL(fileURLWithPath: model).deletingPathExtension().lastPathComponent
    let letters = (given ?? stem).filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
    guard letters.first?.isLetter == true else {
      throw CommandError("'\(given ?? stem)' is no name for a module: give one with --name")
    }
    let name = letters.prefix(1).uppercased() + letters.dropFirst()
    let prefix = name.lowercased()

    let work = context.pluginWorkDirectoryURL.appending(path: name)
    try? FileManager.default.removeItem(at: work)
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    var options = [
      "compile", model, "-o", work.path, "--prefix", prefix, "--weights", "embed",
    ]
    if trains { options.append("--train") }
    options += passed
    for dimension in dimensions { options += ["--dim", dimension] }
    try run(try tool(), options)

    let sources = context.package.directoryURL.appending(path: "Sources")
    let target = sources.appending(path: "C\(name)")
    let include = target.appending(path: "include")
    try? FileManager.default.removeItem(at: target)
    try FileManager.default.createDirectory(at: include, withIntermediateDirectories: true)
    for file in try FileManager.default.contentsOfDirectory(
      at: work, includingPropertiesForKeys: nil)
    where ["c", "h"].contains(file.pathExtension) {
      let isPublic = file.lastPathComponent == "\(prefix).h"
      try FileManager.default.copyItem(
        at: file, to: (isPublic ? include : target).appending(path: file.lastPathComponent))
    }
    let wrapper = sources.appending(path: name)
    try FileManager.default.createDirectory(at: wrapper, withIntermediateDirectories: true)
    try run(
      try context.tool(named: "MartletInterfaces").url,
      [
        include.appending(path: "\(prefix).h").path, "C\(name)",
        wrapper.appending(path: "\(name)Model.swift").path,
      ])
    print(
      """
      Wrote Sources/C\(name) and Sources/\(name). In Package.swift:

          .target(name: "C\(name)"),
          .target(name: "\(name)", dependencies: ["C\(name)"]),
      """)
  }

  /// Built when the command is called: a plugin that depended on the tool would have every build of a
  /// package compile all of it once more, for the host.
  private func tool() throws -> URL {
    var parameters = PackageManager.BuildParameters()
    parameters.configuration = .release
    let result = try packageManager.build(.product("martlet"), parameters: parameters)
    guard result.succeeded,
      let tool = result.builtArtifacts.first(where: {
        $0.kind == .executable && $0.url.lastPathComponent == "martlet"
      })
    else { throw CommandError("the tool martlet does not build:\n\(result.logText)") }
    return tool.url
  }

  private func run(_ tool: URL, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = tool
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw CommandError("\(tool.lastPathComponent) \(arguments.first ?? "") failed")
    }
  }
}
