// Exported programs under sanitizers, on another machine, with threads, misused and killed.

import MartletExecution
import MartletExport
import MartletIR
import MartletNN
import MartletOps
import MartletWorkloads
import Testing

#if canImport(Glibc)
  import Glibc
#endif

private let sources = #filePath.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/C"

/// A small network with its training step: 8 samples of 4 numbers, 3 classes.
private func small(_ hidden: Int) throws -> (run: Program, train: Program, inputs: [NDArray]) {
  let model = MLP([4, hidden, 3])
  let step = try compile(
    training: model, with: Adam(learningRate: 0.01), TensorSpec([8, 4], name: "x"),
    TensorSpec([8], .int32, name: "y")
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  let infer = try compile(TensorSpec([1, 4], name: "x")) { model($0) }
  return (infer.program, step.program, [try array([8, 4]), try labels(8, below: 3)])
}

/// Writes the models `first` and `second` beside one of the programs in C/.
private func together(_ main: String) throws -> Folder {
  let folder = try Folder()
  for (name, hidden) in [("first", 16), ("second", 12)] {
    let model = try small(hidden)
    for file in try export(
      run: model.run, train: model.train, options: ExportOptions(name: name))
    {
      // Each has a runtime of its own, of one name; here they share a folder.
      let own = file.name.hasPrefix("martlet_runtime")
      let place = own ? "\(folder.path)/\(name)" : folder.path
      try FileSystem.makeDirectory(place)
      try FileSystem.write(file.bytes, to: "\(place)/\(file.name)")
      if own { try FileSystem.makeDirectory("\(folder.path)/\(name)") }
    }
  }
  _ = shell("cp '\(sources)/\(main).c' '\(folder.path)/main.c'")
  return folder
}

private func build(_ folder: Folder, _ compiler: String, _ flags: String) -> Int32 {
  shell(
    """
    cd \(folder.path) && for m in first second; do
      for f in $m.c ${m}_weights.c $m/martlet_runtime.c; do
        \(compiler) \(warnings) \(flags) -I. -I$m -c $f -o $m-$(basename $f).o || exit 1
      done
    done > messages 2>&1
    \(compiler) \(warnings) \(flags) -I. main.c martlet_file.c *.o -o program -lm >> messages 2>&1
    """)
}

private func messages(_ folder: Folder) -> String {
  let bytes = (try? FileSystem.read("\(folder.path)/messages", limit: 1 << 20)) ?? []
  return String(decoding: bytes.prefix(3000), as: UTF8.self)
}

@Suite(.serialized) struct ExportedCodeTests {
  @Test func misuseGivesStatusesAndWritesNothing() throws {
    let sanitizers = "-O0 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    let folder = try together("misuse")
    for compiler in Compiler.found.prefix(1) {
      #expect(build(folder, compiler.rawValue, sanitizers) == 0, "\(messages(folder))")
      let code = shell("cd \(folder.path) && ./program > messages 2>&1")
      #expect(code == 0, "\(messages(folder))")
    }
  }

  @Test func stateSurvivesKills() throws {
    let times = getenv("MARTLET_SLOW") == nil ? 25 : 500
    let folder = try together("killed")
    guard let compiler = Compiler.found.first else { return }
    #expect(build(folder, compiler.rawValue, "-O1") == 0, "\(messages(folder))")
    let code = shell("cd \(folder.path) && ./program state.bin \(times) > messages 2>&1")
    #expect(code == 0, "\(messages(folder))")
  }

  @Test func headersAreGoodCPlusPlus() throws {
    let folder = try together("misuse")
    guard shell("command -v g++ > /dev/null") == 0 else {
      print("skipped: the headers in C++ (needs g++)")
      return
    }
    let code = shell(
      """
      cd \(folder.path) && printf '#include "first.h"\\n#include "second.h"\\n#include "martlet_file.h"\\n\
      int main() { first_context c; return first_init(&c, 0, 0, 0, 0) == FIRST_ERROR_NULL ? 0 : 1; }\\n' > main.cpp \
      && g++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only main.cpp > messages 2>&1
      """)
    #expect(code == 0, "\(messages(folder))")
  }

  @Test func threadsChangeNoBit() throws {
    let model = LeNet5()
    let step = try compile(
      training: model, with: Adam(learningRate: 0.01), TensorSpec([16, 28, 28, 1], name: "images"),
      TensorSpec([16], .int32, name: "labels")
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let inputs = [try array([16, 28, 28, 1]), try labels(16, below: 10)]
    let exported = try Exported("digits", run: nil, train: step.program, inputs: inputs)
    guard let compiler = Compiler.found.first else { return }
    let one = try exported.run(compiler.rawValue, "-O0", steps: 3)
    let three = try exported.run(
      compiler.rawValue, "-O0 -DMARTLET_THREADS=3 -pthread", steps: 3)
    #expect(one == three)
  }

  @Test func anotherMachineGivesTheSame() throws {
    guard shell("command -v aarch64-linux-gnu-gcc qemu-aarch64 > /dev/null") == 0 else {
      print("skipped: AArch64 (needs aarch64-linux-gnu-gcc and qemu-aarch64)")
      return
    }
    let model = LeNet5()
    let step = try compile(
      training: model, with: Momentum(learningRate: 0.01),
      TensorSpec([4, 28, 28, 1], name: "images"), TensorSpec([4], .int32, name: "labels")
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let inputs = [try array([4, 28, 28, 1]), try labels(4, below: 10)]
    let exported = try Exported("digits", run: nil, train: step.program, inputs: inputs)
    var expected: [UInt8] = []
    for _ in 0..<3 {
      expected += try step.run(inputs, learningRate: 0.01).loss.withUnsafeBytes { Array($0) }
    }
    // The workspace is measured on this machine; where NEON's kernels need more, they take a way
    // that needs none.
    let got = try exported.run(
      "aarch64-linux-gnu-gcc", "-O0 -static", steps: 3, prefix: "qemu-aarch64")
    #expect(difference(got, expected) <= 1e-5)
  }

  @Test func weightsInAFile() throws {
    let model = MLP([4, 16, 3])
    let function = try compile(frozen: model, TensorSpec([2, 4], name: "x")) { model($0) }
    let x = try array([2, 4])
    let expected = try function.run([x])[0].withUnsafeBytes { Array($0) }
    for weights in [ExportOptions.Weights.file, .mmap] {
      let exported = try Exported("small", run: function.program, inputs: [x]) {
        $0.weights = weights
      }
      guard let compiler = Compiler.found.first else { return }
      let got = try exported.run(compiler.rawValue, "-O0 \(native)")
      #expect(got == expected)
      // A byte of the file changed: refused by init, or by check_weights where it is mapped.
      if weights == .file {
        _ = shell(
          "cd \(exported.folder.path) && printf x | dd of=small_weights.bin bs=1 seek=100 conv=notrunc 2> /dev/null"
        )
        #expect(shell("cd \(exported.folder.path) && ./program > /dev/null 2>&1") == 17)
      }
    }
  }

  /// The losses of 100 steps of the suite's LeNet-5 and MLP: those of the program in process, and the
  /// same bits from gcc and clang, which contract nothing.
  @Test(arguments: isSlow ? ["mlp", "lenet5"] : ["mlp"]) func hundredStepsAreEqualToTheBit(
    _ name: String
  ) throws {
    guard Compiler.found.count == 2 else {
      print("skipped: gcc against clang (needs both)")
      return
    }
    let prepared = try #require(Workload.named(name)).prepare()
    let built = try prepared.build(try CompileOptions())
    let step = try #require(built.training)
    let exported = try Exported(
      name, run: nil, train: step.program, inputs: prepared.inputs, rate: "\(step.learningRate)f"
    ) { $0.weights = .file }
    var expected: [UInt8] = []
    for _ in 0..<100 {
      expected += try step.run(prepared.inputs).loss.withUnsafeBytes { Array($0) }
    }
    let gcc = try exported.run("gcc", "-O1 \(native)", steps: 100)
    let clang = try exported.run("clang", "-O1 \(native)", steps: 100)
    #expect(gcc == clang)
    #expect(difference(gcc, expected) <= 1e-5)
    // The loss falls: otherwise equal bits would say little.
    func loss(_ index: Int) -> Float {
      gcc.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 4 * index, as: Float.self) }
    }
    #expect(loss(99) < 0.95 * loss(0))
  }

  /// Text and constants at -Os, without the weights: 64 KB of code that runs, 128 KB that trains.
  @Test func codeIsSmall() throws {
    guard shell("command -v gcc size > /dev/null") == 0 else {
      print("skipped: the size of exported code (needs gcc and size)")
      return
    }
    let model = LeNet5()
    let images = TensorSpec([1, 28, 28, 1], name: "images")
    let run = try compile(frozen: model, images) { model($0) }.program
    let step = try compile(
      training: model, with: Adam(), TensorSpec([32, 28, 28, 1], name: "images"),
      TensorSpec([32], .int32, name: "labels")
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let live = try compile(images) { model($0) }.program
    for (run, train, most) in [(run, nil, 64), (live, step.program, 128)] {
      let exported = try Exported("lenet5", run: run, train: train, inputs: [])
      let code = shell(
        """
        cd \(exported.folder.path) && for f in lenet5 martlet_runtime; do
          gcc \(warnings) -Os -c $f.c -o $f.o || exit 1
        done > messages 2>&1
        size *.o | awk 'NR > 1 { sum += $1 + $2 } END { print sum; exit sum > \(most) * 1024 }' > messages
        """)
      #expect(code == 0, "\(messages(exported.folder))")
    }
  }
}
