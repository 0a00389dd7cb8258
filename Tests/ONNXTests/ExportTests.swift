// Programs written as ONNX: read again by the own importer, and by ONNX Runtime where that is.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletONNXFormat
import MartletOps
import SwiftProtobuf
import Testing

@Suite struct ExportTests {
  private func images(_ count: Int, _ seed: UInt64 = 1) throws -> NDArray {
    var state = seed
    let values = (0..<(count * 784)).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    return try NDArray(values, shape: [count, 28, 28, 1])
  }

  /// LeNet-5 after some steps on images that are told apart by their brightness.
  private func trained() throws -> LeNet5 {
    let model = LeNet5()
    let step = try compile(
      training: model, with: Adam(learningRate: 1e-3), TensorSpec([16, 28, 28, 1]),
      TensorSpec([16], .int32)
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    for number in 0..<10 {
      let x = try images(16, UInt64(number + 7))
      let y = try NDArray((0..<16).map { Int32(($0 + number) % 10) })
      _ = try step(x, y)
    }
    return model
  }

  private func difference(_ a: [Float], _ b: [Float]) -> Float {
    let largest = max(1e-30, b.map(abs).max() ?? 0)
    return zip(a, b).map { abs($0 - $1) / largest }.max() ?? .infinity
  }

  @Test func trainedLeNetRoundTrips() throws {
    let model = try trained()
    let predict = try compile(TensorSpec([4, 28, 28, 1], name: "images")) { model($0) }
    let x = try images(4)
    let expected = try predict(x).floats
    let export = try ONNXExport(predict.program, outputs: ["logits"])
    let read = try ONNXModel(bytes: export.bytes)
    #expect(read.inputs.map(\.name) == ["images"] && read.outputs.map(\.name) == ["logits"])
    let got = try #require(try read.run(["images": x])["logits"])
    #expect(got.shape == [4, 10] && difference(got.floats, expected) < 1e-5)

    // Names that a person recognises, and no more nodes than the layers need.
    let graph = read.file.model.graph
    #expect(
      Set(graph.initializer.map(\.name)).isSuperset(of: [
        "convolution1.weight", "convolution1.bias", "dense1.weight", "output.bias",
      ]))
    #expect(
      graph.node.map(\.opType) == [
        "Transpose", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Transpose", "Reshape",
        "Gemm", "Relu", "Gemm", "Relu", "Gemm",
      ])
    #expect(graph.node.contains { $0.name.contains("convolution1") })
    try compareWithRuntime(export, x, expected)
  }

  /// The checker's opinion and ONNX Runtime's outputs; skipped with a line where they are not.
  private func compareWithRuntime(_ export: ONNXExport, _ x: NDArray, _ expected: [Float]) throws {
    let python = ProcessInfo.processInfo.environment["MARTLET_ONNX_PYTHON"] ?? "python3"
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-export-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try export.write(to: folder + "/model.onnx")
    try Npy.save(x, to: folder + "/x.npy")
    let script = """
      import sys
      try:
        import numpy, onnx, onnxruntime
      except ImportError as error:
        print(error); sys.exit(77)
      model = onnx.load("\(folder)/model.onnx")
      onnx.checker.check_model(model, full_check=True)
      session = onnxruntime.InferenceSession("\(folder)/model.onnx")
      y = session.run(None, {"images": numpy.load("\(folder)/x.npy")})[0]
      numpy.save("\(folder)/y.npy", y)
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", script]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus != 77, process.terminationStatus != 127 else {
      print("ExportTests: no onnxruntime in \(python): the comparison is skipped")
      return
    }
    #expect(process.terminationStatus == 0)
    let y = try Npy.load(folder + "/y.npy")
    #expect(difference(y.floats, expected) < 1e-5)
  }

  @Test func operationsRoundTrip() throws {
    // One of each kind: shapes, reductions, selections, products, comparisons.
    let cases: [(String, (Tensor) -> Tensor)] = [
      ("softmax", { softmax($0.reshaped([6, 4]), axis: -1) }),
      ("layerNorm", { x in (x - x.mean(axes: [2], keepDims: true)) * rsqrt(x * x + 1) }),
      ("shapes", { concatenate([$0.transposed([0, 2, 1]), $0.transposed([0, 2, 1])], axis: 1) }),
      ("slices", { $0.sliced(start: [0, 0, 1], limit: [2, 3, 4], stride: [1, 2, 2]) }),
      ("pads", { $0.padded(low: [0, 1, -1], high: [1, 0, 2], with: 3) }),
      ("reversed", { $0.reversed(axes: [1, 2]) }),
      ("select", { select($0 .> 0.25, sqrt(abs($0)), exp($0) - 1) }),
      ("batched", { matmul($0, $0.transposed([0, 2, 1])) }),
      ("einsum", { einsum("aij,bkj->abik", $0, $0) }),
      ("sums", { $0.sum(axes: [0]) + $0.max(axes: [0]) * $0.min(axes: [0]) }),
      ("running", { $0.cumulativeSum(axis: 1) }),
      ("trunc", { trunc($0 * 5) + round($0 * 3) + log1p(abs($0)) + expm1($0) + exp2($0) }),
      ("remainder", { $0 * 7 % 2 }), ("not equal", { ($0 .!= 0.5).converted(to: .float32) }),
      (
        "convolution",
        {
          let x = $0.reshaped([1, 2, 3, 4])
          let w = concatenate([x, x], axis: 0).transposed([1, 2, 3, 0])
          return conv2d(x, w.reshaped([3, 2, 4, 2]), padding: .same) * 2 + 1
        }
      ),
    ]
    let x = try NDArray((0..<24).map { Float(($0 * 7) % 24) / 12 - 1 }, shape: [2, 3, 4])
    for (name, body) in cases {
      let function = try compile(TensorSpec([2, 3, 4], name: "x")) { body($0) }
      let expected = try function(x)
      let read = try ONNXModel(bytes: try ONNXExport(function.program, outputs: ["y"]).bytes)
      let got = try #require(try read.run(["x": x])["y"])
      #expect(got.shape == expected.shape, "\(name)")
      #expect(difference(got.floats, expected.floats) < 1e-5, "\(name)")
    }
  }

  @Test func whatCannotBeWrittenIsNamed() throws {
    let model = LeNet5()
    let step = try compile(
      training: model, with: Adam(), TensorSpec([2, 28, 28, 1]), TensorSpec([2], .int32)
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let error = #expect(throws: ONNXError.self) { try ONNXExport(step.program) }
    #expect(error?.code == .unsupported)
    let function = try compile(TensorSpec([3], name: "x")) {
      $0 * $0.randomUniformLike()
    }
    let named = #expect(throws: ONNXError.self) { try ONNXExport(function.program) }
    #expect(named?.message.contains("randomUniform × 1") ?? false)
  }
}
