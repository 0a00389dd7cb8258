// README.md's examples as they stand there, in front of a user's imports alone. Its first one is
// Examples/Digits/main.swift. SnippetTests holds the text against these files.

import Foundation
import Martlet
import MartletData
import MartletONNX
import Testing

@Suite struct ReadmeTests {
  @Test func training() throws {
    let folder = try Folder()
    let set = try Dataset.digits().train
    let examples = try Subset(
      set.examples(scaling: set.normalization()), Array(0..<256))
    let model = Sequential {
      Flatten()
      Linear(64, 10)
    }
    // The example's relative path, in a folder of this test.
    func CheckpointPolicy(_ name: String, resumes: Bool) throws -> MartletTraining.CheckpointPolicy
    {
      try FileManager.default.createDirectory(
        atPath: folder.path + "runs", withIntermediateDirectories: true)
      return MartletTraining.CheckpointPolicy(folder.path + name, resumes: resumes)
    }
    func run() throws -> History {
      let parts = try examples.split([0.9, 0.1], stratified: true)
      let trainer = try Trainer(
        model, AdamW(learningRate: 1e-3), training: parts[0], validation: parts[1], batch: 64,
        epochs: 30,
        schedule: .perStep { .cosine(over: $0).warmUp(over: 100) }, metrics: [.accuracy, .f1()],
        stopping: EarlyStopping(patience: 5), checkpoints: CheckpointPolicy("runs/1", resumes: true)
      ) { logits, labels in softmaxCrossEntropy(logits: logits, labels: labels) }
      let history = try trainer.run()
      return history
    }
    let history = try run()
    #expect(history.epochs.count == 30)
    #expect(try run().epochs.count == 30)
  }

  @Test func data() throws {
    let folder = try Folder()
    let withoutPorts = passengers.split(separator: "\n").map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).enumerated()
        .filter { $0.offset != 2 }.map(\.element).joined(separator: ",")
    }
    try folder.write(withoutPorts.joined(separator: "\n") + "\n", to: "passengers.csv")
    for name in ["cat", "dog"] {
      try FileManager.default.createDirectory(
        atPath: folder.path + "pets/\(name)", withIntermediateDirectories: true)
      let image = try PixelImage(
        width: 8, height: 8, channels: 3, pixels: [UInt8](repeating: 7, count: 192))
      try image.writePNG(to: folder.path + "pets/\(name)/1.png")
    }
    func Table(csv name: String) throws -> MartletData.Table {
      try MartletData.Table(csv: folder.path + name)
    }
    func ImageFolder(
      _ name: String, height: Int, width: Int, augmentation: Augmentation
    ) throws -> MartletData.ImageFolder {
      try MartletData.ImageFolder(
        folder.path + name, height: height, width: width, augmentation: augmentation)
    }
    let table = try Table(csv: "passengers.csv")
    let set = try TabularSet(
      table, targets: ["survived"], task: .classification(), categorical: ["sex": .oneHot()],
      missing: .mean)
    let pets = try ImageFolder("pets", height: 64, width: 64, augmentation: .photos)
    let hamlet = try TextCorpus.hamlet().windows(of: 64, random: true)
    #expect(set.count == 12)
    #expect(pets.count == 2)
    #expect(hamlet.count > 1000)
  }

  @Test func onnx() throws {
    let folder = try Folder()
    try writeONNX(to: folder.path + "model.onnx")
    func ONNXModel(contentsOf name: String) throws -> MartletONNX.ONNXModel {
      try MartletONNX.ONNXModel(contentsOf: folder.path + name)
    }
    let images = try NDArray(zeros: [4, 8, 8, 1], .float32)

    let model = try ONNXModel(contentsOf: "model.onnx")
    let outputs = try model.run(["images": images])
    let body = try model.layer(trains: { $0.hasPrefix("head") })
    #expect(outputs["logits"]?.shape == [4, 10])
    #expect(body.frozen.count == 4)
  }
}
