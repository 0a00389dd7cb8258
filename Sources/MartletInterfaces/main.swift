// Writes Swift over a model, for the plugins:
//
//   MartletInterfaces MODEL.onnx|MODEL.martlet OUTPUT.swift      a model that is compiled at start
//   MartletInterfaces NAME.h C-MODULE OUTPUT.swift               C that `martlet compile` wrote
//
// It depends on nothing of Martlet, so that a package with a model builds its compiler once.

import Foundation

do {
  let arguments = Array(CommandLine.arguments.dropFirst())
  let text: String
  if arguments.count == 3, arguments[0].hasSuffix(".h") {
    text = try HeaderInterface(header: URL(fileURLWithPath: arguments[0]))
      .swiftText(module: arguments[1])
  } else if arguments.count == 2 {
    let model = URL(fileURLWithPath: arguments[0])
    text =
      model.pathExtension == "onnx"
      ? try ModelInterface(onnx: model).swiftText()
      : try ModelInterface(directory: model).swiftText()
  } else {
    throw InterfaceError("usage: MartletInterfaces MODEL OUTPUT.swift")
  }
  try text.write(toFile: arguments[arguments.count - 1], atomically: true, encoding: .utf8)
} catch {
  FileHandle.standardError.write(Data("error: \(error)\n".utf8))
  exit(1)
}
