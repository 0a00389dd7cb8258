// The examples of docs/*.md that no other test holds, as they stand there.

import Foundation
import Martlet
import MartletData
import MartletONNX
import Testing

@Suite struct GuideTests {
  @Test func attention() throws {
    let qkv = TensorSpec([2, 5, 3, 4, 8]), lengths = TensorSpec([2], .int32)
    let head = TensorSpec([2, 4, 5, 8])
    let x = TensorSpec([1, 3, 256])
    let f = try compile([head, head, head, qkv, lengths, x]) { v in
      let (q, k, v, qkv, lengths, x) = (v[0], v[1], v[2], v[3], v[4], v[5])
      let y = scaledDotProductAttention(q, k, v, causality: .fromStart)
      let z = scaledDotProductAttention(packed: qkv, keyLengths: lengths)
      let block = TransformerEncoderBlock(
        256, heads: 4, activation: .gelu, norm: .before, causality: .fromStart)
      return [y, z, block(x)]
    }
    let zeros = try NDArray(zeros: [2, 4, 5, 8])
    let found = try f.run([
      zeros, zeros, zeros, NDArray(zeros: [2, 5, 3, 4, 8]), NDArray([Int32(5), 2]),
      NDArray(zeros: [1, 3, 256]),
    ])
    #expect(found.map(\.shape) == [[2, 4, 5, 8], [2, 5, 4, 8], [1, 3, 256]])
  }

  @Test func decoding() throws {
    let model = TransformerLanguageModel(
      vocabulary: 11, capacity: 256, width: 16, heads: 2, layers: 1)
    let caches = model.blocks.map { KeyValueCache($0.attention, batches: 1, capacity: 256) }
    let step = try compile([TensorSpec([1, 1], .int32), TensorSpec([], .int32)]) { v in
      let made = model(v[0], caches: caches.map { $0.read(in: v[0]) }, position: v[1])
      for (cache, new) in zip(caches, made.caches) { cache.write(new) }
      return [made.logits]
    }
    let logits = try step(NDArray([Int32(3)], shape: [1, 1]), NDArray(scalar: Int32(0)))
    #expect(logits.shape == [1, 1, 11])
  }

  @Test func tables() throws {
    let folder = try Folder()
    try folder.write(passengers, to: "passengers.csv")
    func Table(csv name: String) throws -> MartletData.Table {
      try MartletData.Table(csv: folder.path + name)
    }
    let table = try Table(csv: "passengers.csv")
    let set = try TabularSet(
      table, targets: ["survived"], task: .classification(),
      categorical: ["sex": .oneHot(), "port": .index()], missing: .mean)
    let parts = try set.split([0.8, 0.2], seed: 1, stratified: true)
    let scaling = try Scaling.standard(fitting: parts[0])
    let training = try parts[0].scaled(scaling), test = try parts[1].scaled(scaling)
    let input = try TabularInput(of: set, scaling: scaling)
    #expect(training.count + test.count == 12)
    #expect(input.columns.count == 3)
  }

  @Test func augmentation() throws {
    // Grey digits in three channels of their own.
    let digits = try Dataset.digits().train
    let train = try Dataset.Split(
      images: digits.images.flatMap { [$0, $0 / 2, 255 - $0] }, labels: digits.labels,
      height: digits.height, width: digits.width, channels: 3)
    var augmentation = Augmentation(shift: 2, rotation: 12, scaling: 0.1, mirror: true)
    augmentation.crop = 4
    augmentation.elastic = ElasticDeformation()
    augmentation.warp = LocalWarp()
    augmentation.colors = ColorJitter(brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05)
    augmentation.colorShift = try ColorShift(fitting: train)
    augmentation.erasing = RandomErasing()
    let training = try train.examples(
      scaling: train.normalization(), augmentation: augmentation)
    #expect(training.count == train.count)
  }

  @Test func differentiation() throws {
    let f = try compile(TensorSpec([5]), TensorSpec([5])) { x, v in
      hessianVectorProduct(of: (tanh(x) * x).sum(), wrt: [x], [v])[0]
    }
    // At 0 the second derivative of x · tanh x is 2.
    let zeros = try NDArray(zeros: [5], .float32)
    #expect(try f(zeros, NDArray([1, 2, 3, 4, 5] as [Float])).floats == [2, 4, 6, 8, 10])
  }

  @Test func onnx() throws {
    let folder = try Folder()
    try writeONNX(to: folder.path + "model.onnx")
    try writeONNX(to: folder.path + "features.onnx", classes: 1280)
    func ONNXModel(contentsOf name: String) throws -> MartletONNX.ONNXModel {
      try MartletONNX.ONNXModel(contentsOf: folder.path + name)
    }
    let images = try NDArray(zeros: [4, 8, 8, 1], .float32)
    let model = try ONNXModel(contentsOf: "model.onnx")
    print(model.inputs, model.outputs)
    let outputs = try model.run(["images": images])
    let program = try model.compile(dimensions: ["batch": 8])
    #expect(outputs["logits"]?.shape == [4, 10])
    #expect(program.inputTypes.map(\.type.shape) == [[8, 8, 8, 1]])

    let body = try ONNXModel(contentsOf: "features.onnx").layer()
    let head = Linear(1280, 10)
    let whole = try compile(TensorSpec([4, 8, 8, 1])) { head(body($0)) }
    #expect(try whole(images).shape == [4, 10])
  }

  @Test func export() throws {
    let folder = try Folder()
    let model = Sequential {
      Flatten()
      Linear(784, 10)
    }
    let (two, three) = (
      try compile(TensorSpec([2, 28, 28, 1], name: "images")) { model($0) }.program,
      try compile(TensorSpec([3, 28, 28, 1], name: "images")) { model($0) }.program
    )
    func write() throws {
      // Compiled and not called: the example's path is relative.
      let predict = try compile(TensorSpec([1, 28, 28, 1], name: "images")) { model($0) }
      try ONNXExport(predict.program, outputs: ["logits"]).write(to: "lenet5.onnx")
      try ONNXExport(two, three, batches: (2, 3), outputs: ["logits"]).write(to: "lenet5.onnx")
    }
    try ONNXExport(two, three, batches: (2, 3), outputs: ["logits"]).write(
      to: folder.path + "lenet5.onnx")
    let free = try ONNXModel(contentsOf: folder.path + "lenet5.onnx")
    #expect("\(free.inputs)".contains("batch"))
  }

  @Test func quantization() throws {
    let set = try Dataset.mnist5k().train
    let model = Sequential {
      Flatten()
      Linear(784, 10)
    }
    let scaling = set.normalization()
    let pixels = set.images[..<(64 * 784)].map(scaling.value)
    let samples = try NDArray(pixels, shape: [64, 28, 28, 1])
    let images = try NDArray(Array(pixels[..<(32 * 784)]), shape: [32, 28, 28, 1])
    let predict = try compile(frozen: model, TensorSpec([32, 28, 28, 1])) { model($0) }
    let calibration = try Calibration(of: predict, over: samples)
    let small = try predict.quantized(calibration)
    let logits = try small(images)
    for (a, b) in zip(logits.floats, try predict(images).floats) { #expect(abs(a - b) < 0.1) }
  }

  @Test func loops() throws {
    let f = try compile(TensorSpec([7, 3]), TensorSpec([3]), TensorSpec([3, 3])) { x, h0, w in
      let (last, ys) = scan(over: [x], carrying: [h0]) { carry, x in
        let h = tanh(x[0] + matmul(carry[0], w))
        return ([h], [h])
      }
      return last[0] + ys[0].sum()
    }
    let (x, w) = (try NDArray(zeros: [7, 3]), try NDArray(zeros: [3, 3]))
    #expect(try f(x, NDArray([1, 2, 3] as [Float]), w).floats == [0, 0, 0])
  }

  @Test func decoders() throws {
    let logits: [Float] = [0.1, 2, -1]
    let newline: Int32 = 2
    let state = 0
    /// The likeliest token is the number of the branch's tokens.
    func model(_ tokens: [Int32?], _ states: [Int]) throws -> [(logits: [Float], state: Int)] {
      states.map { state in ((0..<3).map { $0 == state % 3 ? 9 : 0 }, state + 1) }
    }
    let sampler = try TokenSampler(temperature: 0.8, topK: 40, topP: 0.95, seed: 7)
    let token = try sampler.token(logits, position: 12)

    let search = try BeamSearch(width: 4, maximumLength: 80, end: newline, lengthNormalization: 0.7)
    let found = try search.run(from: state) { branches in
      try model(branches.map(\.tokens.last), branches.map(\.state))
    }
    #expect((0..<3).contains(token))
    #expect(found.first?.tokens == [0, 1, 2])
  }
}
