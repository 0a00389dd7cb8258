// Ahead of time: a compiled program as C files that need nothing but a C compiler.

import MartletCodegen
import MartletExecution
import MartletIR

/// Writes compiled programs as C: `NAME.h`, `NAME.c`, the weights, and the part of the runtime that
/// they use.
///
/// - Parameters:
///   - run: the inference program: frozen, or over the state that `train` updates.
///   - train: the training step, whose last input is the learning rate and whose first result the
///     loss; nil for a program that only runs.
package func export(
  run: Program?, train: Program? = nil, options: ExportOptions
) throws(ExportError) -> [ExportedFile] {
  let name = CNames.identifier(options.name)
  guard name == options.name, !name.isEmpty, name.first?.isNumber == false else {
    throw ExportError(
      "'\(options.name)' cannot begin the names of C functions",
      hint: "--prefix takes lower case letters, digits and _, a letter first")
  }
  guard !CNames.isTaken(name) else {
    throw ExportError(
      "'\(name)' begins names that exported programs use or include",
      hint: "--prefix gives another")
  }
  var programs: [ExportedProgram] = []
  let alone = run == nil || train == nil
  if let run {
    var names = CNames()
    programs.append(
      try ExportedProgram(run, .run, names: &names, options: options, alone: alone))
  }
  if let train {
    var names = CNames(["step"])
    programs.append(
      try ExportedProgram(train, .train, names: &names, options: options, alone: alone))
  }
  let arrays = try ExportedArrays(programs)
  guard options.weights != .embed || arrays.weightBytes <= 64 << 20 else {
    throw ExportError(
      "\(arrays.weightBytes >> 20) MB of weights are too much for C text",
      hint: "--weights mmap puts them into a file beside")
  }
  let header = HeaderText(options: options, programs: programs, arrays: arrays)
  let source = SourceText(options: options, programs: programs, arrays: arrays, header: header)
  let symbols = Set(programs.flatMap(\.emitted.symbols)).sorted()
  let runtime = try RuntimeText(program: source.body(), symbols: symbols, prefix: name)
  var files = [
    ExportedFile("\(name).h", header.text()),
    ExportedFile("\(name).c", source.text()),
    ExportedFile("martlet_runtime.h", runtime.header),
    ExportedFile("martlet_runtime.c", runtime.source),
  ]
  switch options.weights {
  case .embed: files.append(ExportedFile("\(name)_weights.c", source.weights()))
  case .file, .mmap:
    files.append(ExportedFile("\(name)_weights.bin", bytes: arrays.file()))
  }
  for file in ["martlet_file.h", "martlet_file.c"] {
    if let bytes = RuntimeText.read(file) { files.append(ExportedFile(file, bytes: bytes)) }
  }
  return files + BuildFiles(options: options).files
}
