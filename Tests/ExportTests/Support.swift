// Builds exported programs with the system's C compilers and runs them.

import MartletExecution
import MartletExport
import MartletIR

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A C compiler of this machine.
enum Compiler: String, CaseIterable {
  case gcc, clang
  var isThere: Bool { shell("command -v \(rawValue) > /dev/null 2>&1") == 0 }
  static let found = allCases.filter(\.isThere)
}

func shell(_ command: String) -> Int32 {
  let status = system(command)
  return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
}

/// A folder that goes with the test.
final class Folder {
  let path: String
  init() throws {
    var template = Array("/tmp/martlet-export-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw ExportError("no temporary folder") }
    path = String(cString: made)
  }
  deinit { _ = shell("rm -rf '\(path)'") }
}

let warnings =
  "-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -ffp-contract=off"

/// An exported program in a folder, with a main that feeds it from a file.
struct Exported {
  let folder: Folder
  let name: String
  let inputs: [NDArray]
  let outputs: [TensorType]
  let isTraining: Bool
  /// The learning rate as C spells it.
  let rate: String

  init(
    _ name: String, run: Program?, train: Program? = nil, inputs: [NDArray], rate: String = "0.01f",
    options change: (inout ExportOptions) -> Void = { _ in }
  ) throws {
    folder = try Folder()
    self.name = name
    self.inputs = inputs
    self.rate = rate
    var options = ExportOptions(name: name)
    change(&options)
    isTraining = train != nil
    let program = train ?? run
    outputs = program?.results.map(\.type) ?? []
    for file in try export(run: run, train: train, options: options) {
      try FileSystem.write(file.bytes, to: "\(folder.path)/\(file.name)")
    }
    var data: [UInt8] = []
    for input in inputs { data += input.withUnsafeBytes { Array($0) } }
    try FileSystem.write(data, to: "\(folder.path)/inputs.bin")
    try FileSystem.write(Array(main(options, program).utf8), to: "\(folder.path)/main.c")
  }

  private func main(_ options: ExportOptions, _ program: Program?) -> String {
    let upper = name.uppercased()
    let tensors =
      program?.arguments.filter {
        $0.name != "seed" && $0.name != "step" && $0.name != "learningRate"
      } ?? []
    var text = """
      #include "\(name).h"
      #include <stdio.h>
      #include <stdlib.h>
      static void *block(size_t bytes) {
        void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
        if (p == NULL) exit(2);
        return p;
      }
      int main(int count, char **arguments) {
        const long steps = count > 1 ? atol(arguments[1]) : 1;
        FILE *in = fopen("inputs.bin", "rb"), *out = fopen("outputs.bin", "wb");
        if (in == NULL || out == NULL) return 2;
        \(name)_context model;
        void *arena = block(\(upper)_ARENA_BYTES);

      """
    var given: [String] = []
    if options.weights != .embed {
      text += "  void *weights = block(\(upper)_WEIGHTS_BYTES);\n"
      text += "  FILE *file = fopen(\"\(name)_weights.bin\", \"rb\");\n"
      text +=
        "  if (!file || fread(weights, 1, \(upper)_WEIGHTS_BYTES, file) != \(upper)_WEIGHTS_BYTES) return 3;\n"
      text += "  fclose(file);\n"
      given += ["weights", "\(upper)_WEIGHTS_BYTES"]
    }
    text += "#if \(upper)_STATE_BYTES > 0\n  void *state = block(\(upper)_STATE_BYTES);\n#endif\n"
    let initial = given + ["arena", "\(upper)_ARENA_BYTES"]
    let withState = given + ["state", "\(upper)_STATE_BYTES", "arena", "\(upper)_ARENA_BYTES"]
    text += "#if \(upper)_STATE_BYTES > 0\n"
    text += "  int status = \(name)_init(&model, \(withState.joined(separator: ", ")));\n#else\n"
    text += "  int status = \(name)_init(&model, \(initial.joined(separator: ", ")));\n#endif\n"
    text += "  if (status != 0) return 10 + status;\n"
    var values: [String] = []
    for (index, tensor) in tensors.enumerated() {
      let bytes = tensor.type.byteCount
      text += "  void *x\(index) = block(\(bytes));\n"
      text += "  if (fread(x\(index), 1, \(bytes), in) != \(bytes)) return 4;\n"
      values.append("x\(index)")
    }
    if isTraining { values.append(rate) }
    for (index, type) in outputs.enumerated() {
      text += "  void *y\(index) = block(\(type.byteCount));\n"
      values.append("y\(index)")
    }
    let function = isTraining ? "train_step" : "run"
    text += "  for (long i = 0; i < steps; ++i) {\n"
    text += "    status = \(name)_\(function)(&model, \(values.joined(separator: ", ")));\n"
    text += "    if (status != 0) return 30 + status;\n"
    for (index, type) in outputs.enumerated() {
      text +=
        "    if (fwrite(y\(index), 1, \(type.byteCount), out) != \(type.byteCount)) return 5;\n"
    }
    text += "  }\n#if \(upper)_STATE_BYTES > 0\n"
    text += "  void *saved = block(\(upper)_STATE_BYTES);\n"
    text += "  status = \(name)_save(&model, saved, \(upper)_STATE_BYTES);\n"
    text += "  if (status != 0) return 50 + status;\n"
    text += "  FILE *kept = fopen(\"state.bin\", \"wb\");\n"
    text +=
      "  if (!kept || fwrite(saved, 1, \(upper)_STATE_BYTES, kept) != \(upper)_STATE_BYTES) return 6;\n"
    text += "  if (fclose(kept) != 0) return 6;\n#endif\n"
    return text + "  return fclose(out) != 0;\n}\n"
  }

  /// The arrays of the state after the last run, in the order of the program's.
  func state(of program: Program) throws -> [[UInt8]] {
    let bytes = try FileSystem.read("\(folder.path)/state.bin", limit: 1 << 30)
    var at = 64
    var arrays: [[UInt8]] = []
    for item in program.state {
      let count = item.variable.type.byteCount
      arrays.append(Array(bytes[at..<(at + count)]))
      at += (count + 63) / 64 * 64
    }
    return arrays
  }

  /// Builds with a compiler and runs; the bytes of all outputs, step after step.
  func run(
    _ compiler: String, _ flags: String, steps: Int = 1, link: String = "", prefix: String = ""
  ) throws -> [UInt8] {
    let program = "\(folder.path)/program"
    let command =
      "cd \(folder.path) && \(compiler) \(warnings) \(flags) -o \(program) *.c \(link) -lm"
      + " > messages 2>&1"
    guard shell(command) == 0 else {
      let text = try FileSystem.read("\(folder.path)/messages", limit: 1 << 20)
      throw ExportError(
        "\(compiler) \(flags): \(String(decoding: text.prefix(3000), as: UTF8.self))")
    }
    let code = shell("cd \(folder.path) && \(prefix) \(program) \(steps) > messages 2>&1")
    guard code == 0 else {
      let text = try FileSystem.read("\(folder.path)/messages", limit: 1 << 20)
      throw ExportError(
        "\(name) by \(compiler) \(flags): exit code \(code) \(String(decoding: text.prefix(3000), as: UTF8.self))"
      )
    }
    return try FileSystem.read("\(folder.path)/outputs.bin", limit: 1 << 30)
  }
}

/// The largest difference of two lists of floats, over the largest magnitude.
func difference(_ a: [UInt8], _ b: [UInt8]) -> Double {
  guard a.count == b.count, a.count % 4 == 0 else { return .infinity }
  var (worst, largest) = (0.0, 0.0)
  a.withUnsafeBytes { a in
    b.withUnsafeBytes { b in
      for offset in stride(from: 0, to: a.count, by: 4) {
        let x = Double(a.loadUnaligned(fromByteOffset: offset, as: Float.self))
        let y = Double(b.loadUnaligned(fromByteOffset: offset, as: Float.self))
        if x.isNaN != y.isNaN { worst = .infinity }
        if x.isNaN || x == y { continue }
        worst = max(worst, abs(x - y))
        largest = max(largest, abs(x), abs(y))
      }
    }
  }
  return worst == 0 ? 0 : worst / max(largest, 1e-30)
}
