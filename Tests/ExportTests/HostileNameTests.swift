// Names out of files that mean harm never reach C as anything but harmless text.

import MartletExecution
import MartletExport
import MartletIR
import MartletONNX
import MartletONNXFormat
import SwiftProtobuf
import Testing

@Suite struct HostileNameTests {
  /// Ends of comments and strings, lines of their own, trigraphs, names that C, C++ or the exported
  /// files use themselves, names without a letter, names that become equal.
  private static let names = [
    "*/ int martlet_injected; /*", "\" ; int martlet_injected; \"", "x\n#include \"/etc/passwd\"\n",
    "??/\n#error martlet_injected", "a\\\n#error martlet_injected", "\u{2028}#error\u{0085}",
    "%s%n", "'; return 1; '", "ctx", "arena", "state", "cx", "io", "memcpy", "uint64_t", "main",
    "class", "int", "begin_call", "run_schedule", "mt_add_f32", "choose_run_schedule", "", "1",
    "__",
    "\u{1F608}", "A", "a", "_a", String(repeating: "long", count: 4000), "NULL", "evil_run",
    "evil_context", "has_avx512", "t0", "k00_relu",
  ]

  private func hostileModel() throws -> ONNXModel {
    var graph = OnnxGraphProto()
    graph.name = Self.names[0]
    graph.docString = Self.names[2]
    for (index, name) in Self.names.enumerated() where !name.isEmpty {
      var input = OnnxValueInfoProto()
      input.name = name
      input.type.tensorType.elemType = 1
      var dim = OnnxTensorShapeProto.Dimension()
      dim.dimValue = 3
      input.type.tensorType.shape.dim = [dim]
      var weight = OnnxTensorProto()
      weight.name = "w" + name
      weight.dataType = 1
      weight.dims = [3]
      weight.floatData = [Float(index), 1, 2]
      var sum = OnnxNodeProto()
      (sum.opType, sum.name) = ("Add", name)
      (sum.input, sum.output) = ([name, "w" + name], ["s" + name])
      var relu = OnnxNodeProto()
      (relu.opType, relu.name) = ("Relu", name)
      (relu.input, relu.output) = (["s" + name], ["y" + name])
      var output = OnnxValueInfoProto()
      output.name = "y" + name
      graph.input.append(input)
      graph.initializer.append(weight)
      graph.node += [sum, relu]
      graph.output.append(output)
    }
    var message = OnnxModelProto()
    message.irVersion = 10
    var version = OnnxOperatorSetIdProto()
    version.version = 21
    message.opsetImport = [version]
    message.graph = graph
    return try ONNXModel(bytes: try message.serializedBytes())
  }

  @Test func namesOfAnONNXFileStayText() throws {
    guard !Compiler.found.isEmpty else { return }
    let program = try #require(try hostileModel().compile().session?.program)
    let count = program.arguments.count
    #expect(count == Self.names.count - 1)
    let inputs = try (0..<count).map { try NDArray([Float($0), -100, 0.5]) }
    for weights in [ExportOptions.Weights.embed, .file] {
      let exported = try Exported("evil", run: program, inputs: inputs) {
        $0.summary = Self.names.joined()
        $0.classes = Self.names
        $0.weights = weights
      }
      for compiler in weights == .embed ? Compiler.found : [Compiler.found[0]] {
        let bytes = try exported.run(compiler.rawValue, "-O0")
        let got = bytes.withUnsafeBytes { bytes in
          (0..<(bytes.count / 4)).map {
            bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
          }
        }
        var expected: [Float] = []
        for (index, place) in Self.names.indices.filter({ !Self.names[$0].isEmpty }).enumerated() {
          expected += [Float(index + place), 0, 2.5]
        }
        #expect(got == expected, "\(compiler)")
      }
      let folder = exported.folder.path
      let found = shell(
        "cd \(folder) && gcc -c evil.c -o evil.o && nm evil.o | grep -q martlet_injected")
      #expect(found != 0)
      if shell("command -v g++ > /dev/null") == 0 {
        #expect(
          shell(
            "cd \(folder) && echo '#include \"evil.h\"' > h.cpp && g++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only h.cpp"
          ) == 0)
      }
    }
  }

  @Test func badPrefixesAreRefused() throws {
    let function = try compile(TensorSpec([2], name: "x")) { $0 }
    for name in ["", "1", "a b", "A", "a;b", "../x", "x\n", "ä", "_", "a\"", "int main"] {
      #expect(throws: ExportError.self, "\(name)") {
        try export(run: function.program, options: ExportOptions(name: name))
      }
    }
  }
}
