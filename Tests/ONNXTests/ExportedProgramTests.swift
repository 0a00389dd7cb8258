// Attention, loops, choices and running operations as ONNX; the free batch; weights that come back.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletONNXFormat
import MartletOps
import SwiftProtobuf
import Testing

@Suite struct ExportedProgramTests {
  private func draw(_ shape: Shape, _ seed: UInt64 = 1) throws -> NDArray {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    let values = (0..<shape.count).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 23) - 1
    }
    return try NDArray(values, shape: shape)
  }

  private func difference(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    let largest = max(1e-30, b.map(abs).max() ?? 0)
    return zip(a, b).map { abs($0 - $1) / largest }.max() ?? 0
  }

  private typealias Case = (name: String, inputs: [(String, Shape)], body: ([Tensor]) -> Tensor)

  private static var cases: [Case] {
    var all: [Case] = []
    // One by one: a literal of them all is more than the type checker bears.
    func add(
      _ name: String, _ inputs: [(String, Shape)], _ body: @escaping ([Tensor]) -> Tensor
    ) { all.append((name, inputs, body)) }
    add("attention", [("q", [2, 4, 5, 3]), ("k", [2, 2, 7, 3]), ("v", [2, 2, 7, 3])]) { x in
      scaledDotProductAttention(x[0], x[1], x[2], layout: .headsFirst)
    }
    add("causal attention", [("q", [2, 6, 2, 3]), ("k", [2, 6, 2, 3]), ("v", [2, 6, 2, 3])]) { x in
      scaledDotProductAttention(
        x[0], x[1], x[2], causality: .fromStart, layout: .sequenceFirst)
    }
    add("masked attention", [("q", [1, 2, 3, 4]), ("k", [1, 2, 3, 4]), ("m", [1, 1, 3, 3])]) { x in
      let seen: Tensor = x[2] .> -0.5
      return scaledDotProductAttention(x[0], x[1], x[1], mask: seen, layout: .headsFirst)
    }
    add("atan2", [("y", [4, 5]), ("x", [4, 5])]) { x in
      let (a, b): (Tensor, Tensor) = (x[0] * 2, x[1] * 2)
      return atan2(round(a), round(b))
    }
    add("product", [("x", [3, 9])]) { x in x[0].cumulativeProduct(axis: 1) }
    add("exclusive product", [("x", [7, 2])]) { x in
      x[0].cumulativeProduct(axis: 0, exclusive: true, reverse: true)
    }
    add("running maximum", [("x", [3, 11])]) { x in x[0].cumulativeMax(axis: 1) }
    add("scan", [("x", [6, 3]), ("w", [3, 3])]) { x in
      let first = x[0].sum(axes: [0])
      let made = scan(over: [x[0]], carrying: [first], reversed: true) { h, t in
        let row = matmul(h[0].reshaped([1, 3]), x[1]).reshaped([3])
        let next = tanh(row + t[0])
        return (carry: [next], outputs: [next * 2])
      }
      return made.outputs[0] + made.carry[0]
    }
    add("choice", [("x", [4])]) { x in
      let isPositive: Tensor = x[0].sum() .> 0
      return conditional(isPositive, then: { [x[0] * 2 + 1] }, else: { [exp(x[0])] })[0]
    }
    add("while", [("x", [3])]) { x in
      let last = whileLoop(
        carrying: [x[0]], atMost: 50, while: { carry in carry[0].sum() .< 40 },
        { carry in [carry[0] * 1.5 + 1] })
      return last[0]
    }
    add("added along", [("x", [2, 5, 3])]) { x in
      let line = x[0].trace.iota(TensorType(.int32, [2, 5, 3]), axis: 1)
      let places: Tensor = line % 2 + 1
      return record(AddAlong(axis: 1, extent: 4), places, x[0])
    }
    return all
  }

  @Test func programsKeepTheirValues() throws {
    let runtime = try RuntimeComparison()
    for item in ExportedProgramTests.cases {
      let specs = item.inputs.map { TensorSpec($0.1, name: $0.0) }
      let function = try compile(specs) { [item.body($0)] }
      var inputs: [String: NDArray] = [:]
      var arrays: [NDArray] = []
      for (index, (name, shape)) in item.inputs.enumerated() {
        arrays.append(try draw(shape, UInt64(index + 3)))
        inputs[name] = arrays[index]
      }
      let expected = try function.run(arrays)[0]
      let export = try ONNXExport(function.program, outputs: ["out"])
      let read = try ONNXModel(bytes: export.bytes)
      let got = try #require(try read.run(inputs)["out"], "\(item.name)")
      #expect(got.shape == expected.shape, "\(item.name)")
      #expect(difference(got.doubles, expected.doubles) < 1e-5, "\(item.name)")
      try runtime.add(item.name, export, inputs, expected)
    }
    if let complaints = try runtime.run() { #expect(complaints.isEmpty, "\(complaints)") }
  }

  /// One file for every batch: the shapes that hold it are computed.
  @Test func theBatchStaysFree() throws {
    let runtime = try RuntimeComparison()
    let model = LeNet5()
    let dense = Linear(6, 4)
    func rows(_ x: Tensor) -> Tensor {
      let batch = x.shape[0]
      let y = softmax(dense(x), axis: -1)
      let numbers = iota([batch * 2, 4], axis: 1).converted(to: .float32)
      let flat = y.reshaped([batch * 2, 4]) + numbers
      let largest = y.max(axes: [1, 2], keepDims: true).broadcasted(to: y.shape)
      let wide = onesLike(y) * largest
      return flat.reshaped([batch, 8]) + wide.reshaped([batch, 8])
    }
    func attention(_ x: Tensor) -> Tensor {
      scaledDotProductAttention(x, x, x, causality: .fromStart, layout: .sequenceFirst)
    }
    let functions: [(String, Shape, (Tensor) -> Tensor)] = [
      ("lenet", [28, 28, 1], { x in model(x) }), ("rows", [2, 6], rows),
      ("attention", [4, 2, 3], attention),
    ]
    for (name, shape, body) in functions {
      func program(_ batch: Int) throws -> Program {
        try compile(TensorSpec(Shape([batch] + shape.dimensions), name: "x")) { body($0) }.program
      }
      let export = try ONNXExport(
        program(2), program(3), batches: (2, 3), outputs: ["out"])
      let read = try ONNXModel(bytes: export.bytes)
      #expect(read.inputs[0].description.contains("[batch,"), "\(name)")
      for batch in [1, 5] {
        let x = try draw(Shape([batch] + shape.dimensions), UInt64(batch))
        let function = try compile(
          TensorSpec(Shape([batch] + shape.dimensions), name: "x")
        ) { body($0) }
        let expected = try function(x)
        let got = try #require(try read.run(["x": x])["out"], "\(name)")
        #expect(difference(got.doubles, expected.doubles) < 1e-5, "\(name) \(batch)")
        try runtime.add("\(name) \(batch)", export, ["x": x], expected)
      }
    }
    if let complaints = try runtime.run() { #expect(complaints.isEmpty, "\(complaints)") }
    // What divides by the batch is no function of any batch.
    func mean(_ batch: Int) throws -> Program {
      try compile(TensorSpec([batch, 3], name: "x")) { $0.sum() / Double($0.shape[0]) }.program
    }
    #expect(throws: ONNXError.self) { try ONNXExport(mean(2), mean(3), batches: (2, 3)) }
  }

  /// A model for images, small: Conv, Relu, GlobalAveragePool, Flatten, Gemm, Softmax.
  private func classifier(_ kernelInNode: Bool) throws -> ONNXModel {
    var kernel = floats("kernel", [4, 1, 3, 3], try draw([36], 5).floats)
    kernel.name = "kernel"
    var constant = node("Constant", [], ["kernel"])
    var attribute = OnnxAttributeProto()
    attribute.name = "value"
    attribute.type = .tensor
    attribute.t = kernel
    constant.attribute = [attribute]
    let nodes =
      (kernelInNode ? [constant] : []) + [
        node("Conv", ["x", "kernel", "kernel.bias"], ["c"]), node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "dense", "dense.bias"], ["z"]), node("Softmax", ["z"], ["y"]),
      ]
    return try model(
      nodes, inputs: [("x", .float, [.symbolic("n"), .fixed(1), .fixed(6), .fixed(6)])],
      outputs: ["y"],
      initializers: (kernelInNode ? [] : [kernel]) + [
        floats("kernel.bias", [4], [0.1, -0.1, 0.2, 0]),
        floats("dense", [4, 3], try draw([12], 6).floats), floats("dense.bias", [3], [0, 0, 0.1]),
      ])
  }

  /// Fine-tuning a head over a frozen body, written and read again.
  @Test func newHeadsTrain() throws {
    let source = try classifier(true)
    #expect(try source.featuresName() == "f" && source.logitsName() == "z")
    #expect(try source.layer().names.sorted() == ["dense", "dense.bias", "kernel", "kernel.bias"])
    let tuned = try ONNXTransfer(source, outputs: 2, input: [1, 6, 6]) { _ in false }
    #expect(tuned.body.weights.isEmpty && tuned.body.frozen.count == 2)
    let step = try compile(
      training: tuned, with: Adam(learningRate: 0.3), TensorSpec([8, 1, 6, 6]),
      TensorSpec([8], .int32)
    ) { x, y in softmaxCrossEntropy(logits: tuned(x), labels: y) }
    let x = try draw([8, 1, 6, 6], 9)
    let labels = try NDArray((0..<8).map { Int32($0 % 2) })
    let first = try step(x, labels).item()
    var last = first
    for _ in 0..<100 { last = try step(x, labels).item() }
    #expect(last < first * 0.95, "\(first) → \(last)")
    let predict = try compile(TensorSpec([8, 1, 6, 6], name: "x")) { tuned($0) }
    let expected = try predict(x)
    let export = try ONNXExport(tuned, metadata: ["classes": "a\nb"])
    let read = try ONNXModel(bytes: export.bytes)
    let got = try #require(try read.run(["x": x])["y"])
    #expect(got.shape == [8, 2] && difference(got.doubles, expected.doubles) < 1e-6)
    #expect(read.metadata["classes"] == "a\nb")
    let graph = read.file.model.graph
    #expect(graph.node.map(\.opType) == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"])
    let runtime = try RuntimeComparison()
    try runtime.add("head", export, ["x": x], expected)
    if let complaints = try runtime.run() { #expect(complaints.isEmpty, "\(complaints)") }
  }

  /// Weights that trained are the file's, bit for bit, and the rest of the file is as it was.
  @Test func tunedFilesKeepTheirGraph() throws {
    let source = try classifier(false)
    let layer = try source.layer(output: source.logitsName()) { $0.hasPrefix("dense") }
    #expect(layer.frozen == ["kernel", "kernel.bias"])
    let step = try compile(
      training: layer, with: SGD(learningRate: 0.5), TensorSpec([4, 1, 6, 6]),
      TensorSpec([4], .int32)
    ) { x, y in softmaxCrossEntropy(logits: layer(x), labels: y) }
    _ = try step(draw([4, 1, 6, 6]), NDArray([0, 1, 2, 1] as [Int32]))
    let read = try ONNXModel(bytes: try ONNXExport(layer).bytes)
    let (before, after) = (try source.initializers(), try read.initializers())
    #expect(before.map(\.name) == after.map(\.name))
    for (index, (old, new)) in zip(before, after).enumerated() {
      let isTrained = old.name.hasPrefix("dense")
      #expect((old.array.floats == new.array.floats) != isTrained, "\(index)")
      if let place = layer.names.firstIndex(of: new.name) {
        #expect(new.array.floats == (try layer.weights[place].value().floats))
      }
    }
    #expect(read.file.model.graph.node == source.file.model.graph.node)
  }

  /// A file written for a batch of one trains on more.
  @Test func writtenBatchesAreNoBound() throws {
    let shape = integers("s", [1, 6])
    let made = try model(
      [node("Reshape", ["x", "s"], ["r"]), node("MatMul", ["r", "w"], ["y"])],
      inputs: [("x", .float, [.fixed(1), .fixed(2), .fixed(3)])], outputs: ["y"],
      initializers: [shape, floats("w", [6, 2], (0..<12).map { Float($0) })])
    let layer = try made.layer()
    let predict = try compile(TensorSpec([5, 2, 3], name: "x")) { layer($0) }
    let y = try predict(draw([5, 2, 3]))
    #expect(y.shape == [5, 2])
    #expect(try made.run(["x": draw([1, 2, 3])])["y"]?.shape == [1, 2])
  }
}
