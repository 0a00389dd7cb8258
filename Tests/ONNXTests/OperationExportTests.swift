// Every operation of the registry as ONNX: written, read back, and compared with its oracle.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct OperationExportTests {
  /// What ONNX cannot say: random draws (its own give other numbers), and products and pools over
  /// bytes in the order that their kernels want.
  private static let withoutForm: Set<String> = [
    "randomBits", "randomUniform", "randomNormal", "integerDot", "integerConv2d", "packFilter",
    "byteMaxWindow",
  ]

  /// Samples of one operation: all of those that are small where ONNX Runtime is asked too.
  private static var most: Int {
    ProcessInfo.processInfo.environment["MARTLET_ONNX_PYTHON"] == nil ? 4 : 12
  }

  /// The extent that an operation's indices are for: those outside are clamped or dropped here, and no
  /// part of ONNX.
  private static func indexed(_ sample: OpSample) -> Int? {
    switch sample.op {
    case let op as Gather: sample.operands[0].shape[op.axis]
    case let op as ScatterAdd: sample.operands[0].shape[op.axis]
    case let op as ScatterSet: sample.operands[0].shape[op.axis]
    case let op as TakeAlong: sample.operands[0].shape[op.axis]
    case let op as AddAlong: op.extent
    default: nil
    }
  }

  @Test func operationsKeepTheirValues() throws {
    let runtime = try RuntimeComparison()
    var options = try CompileOptions()
    options.backend = .interpreter
    var missing: Set<String> = []
    for type in Registry.ops where !type.samples.isEmpty {
      var generator = SplitMix64(seed: 11)
      // Extents of zero are sizes that a file does not know. What f32 shows f64 does not show again.
      let samples = type.samples.filter { sample in
        !sample.operands.isEmpty
          && sample.operands.allSatisfy { (1...1000).contains($0.count) && $0.dtype != .float64 }
      }
      // Which of equal indices stays is left open by ONNX.
      .filter { !($0.op is ScatterSet) || $0.operands[1].count == 1 }
      for (number, sample) in samples.prefix(OperationExportTests.most).enumerated() {
        let label = "\(type.name) \(number) \(sample.operands)"
        var graph = Graph(name: "operation")
        let operands = sample.operands.enumerated().map {
          graph.addParameter($0.element, name: "x\($0.offset)")
        }
        let results = try graph.append(sample.op, operands, regions: sample.regions)
        for (index, result) in results.enumerated() { graph.addOutput(result, name: "y\(index)") }
        var inputs = sample.draw(&generator)
        if let extent = OperationExportTests.indexed(sample) {
          inputs = inputs.map { array in
            guard array.dtype.isInteger else { return array }
            return HostArray(array.type, array.integers.map { min(max($0, 0), Int64(extent - 1)) })
          }
        }
        let program = try Compiler.compile(graph, state: [], written: [], options: options)
        let export: ONNXExport
        do {
          export = try ONNXExport(program)
        } catch let error as ONNXError where error.code == .unsupported {
          #expect(error.message.contains(type.name), "\(label): \(error.message)")
          missing.insert(type.name)
          continue
        }
        let expected = try sample.op.evaluate(inputs, sample.regions)
        var given: [String: NDArray] = [:]
        let read = try ONNXModel(bytes: export.bytes)
        for (index, input) in inputs.enumerated()
        where read.inputs.contains(where: { $0.name == "x\(index)" }) {
          given["x\(index)"] = try NDArray(input)
        }
        let got = try read.run(given, options: options)
        for (index, want) in expected.enumerated() {
          guard let have = got["y\(index)"] else {
            Issue.record("\(label): no output \(index)")
            continue
          }
          #expect(have.shape == want.shape && have.dtype == want.dtype, "\(label)")
          let tolerance = want.dtype == .float16 || want.dtype == .bfloat16 ? 1e-2 : 1e-5
          #expect(
            OperationExportTests.difference(have.doubles, want.doubles) < tolerance, "\(label)")
        }
        guard OperationExportTests.isCompared(sample) else { continue }
        try runtime.add(label, export, given, try NDArray(expected[0]), tolerance: 1e-4)
      }
    }
    let others = missing.subtracting(OperationExportTests.withoutForm)
    #expect(others.isEmpty, "\(others)")
    if let complaints = try runtime.run() { #expect(complaints.isEmpty, "\(complaints)") }
  }

  /// Whether ONNX Runtime says the same: it has no integer divided by zero, wraps floats that an integer
  /// cannot hold, and Python's arrays have no bfloat16.
  private static func isCompared(_ sample: OpSample) -> Bool {
    switch sample.op {
    case is Divide, is Remainder: sample.operands[0].dtype.isFloatingPoint
    case let op as Convert: op.dtype == .float64 || op.dtype == .float32
    default: sample.operands.allSatisfy { $0.dtype != .bfloat16 }
    }
  }

  /// The largest difference, relative to the largest magnitude; what is not finite has to be equal.
  private static func difference(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    let largest = max(1e-30, b.filter(\.isFinite).map(abs).max() ?? 0)
    return zip(a, b).map { x, y in
      if x == y || (x.isNaN && y.isNaN) { return 0 }
      let error = abs(x - y) / largest
      return error.isNaN ? .infinity : error
    }.max() ?? 0
  }

  /// The gradients of whole models: of the image and of each parameter.
  @Test func gradientsOfModelsKeepTheirValues() throws {
    let model = LeNet5()
    let function = try compile([
      TensorSpec([2, 28, 28, 1], name: "images"), TensorSpec([2], .int32, name: "labels"),
    ]) { x -> [Tensor] in
      let loss = softmaxCrossEntropy(logits: model(x[0]), labels: x[1])
      return [loss] + gradients(of: loss, wrt: [x[0]])
    }
    let images = try NDArray(
      (0..<1568).map { Float(($0 * 37) % 101) / 101 }, shape: [2, 28, 28, 1])
    let labels = try NDArray([3, 7] as [Int32])
    let expected = try function.run([images, labels])
    let export = try ONNXExport(function.program, outputs: ["loss", "slope"])
    let read = try ONNXModel(bytes: export.bytes)
    let got = try read.run(["images": images, "labels": labels])
    for (name, want) in zip(["loss", "slope"], expected) {
      let have = try #require(got[name])
      #expect(OperationExportTests.difference(have.doubles, want.doubles) < 1e-5, "\(name)")
    }
    let runtime = try RuntimeComparison()
    try runtime.add("loss", export, ["images": images, "labels": labels], expected[0])
    if let complaints = try runtime.run() { #expect(complaints.isEmpty, "\(complaints)") }
  }
}
