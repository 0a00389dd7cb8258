// What the examples of the documents find in place: small files under the names that they use.

import Foundation
import Martlet
import MartletData
import MartletONNX

/// A folder of one test's own.
struct Folder: ~Copyable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "martlet-documents-\(UUID().uuidString)/"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: path + name, atomically: true, encoding: .utf8)
  }
}

/// Twelve passengers: what docs/data.md reads, and README.md without ports.
let passengers = """
  age,sex,port,survived
  22,male,S,no
  38,female,C,yes
  26,female,S,yes
  35,female,S,yes
  35,male,S,no
  ,male,Q,no
  54,male,S,no
  2,male,S,no
  27,female,S,yes
  14,female,C,yes
  4,female,S,yes
  58,male,Q,no

  """

/// A small perceptron of images as an ONNX file, for batches of any size.
func writeONNX(to path: String, classes: Int = 10) throws {
  let model = Sequential {
    Flatten()
    Linear(64, 16)
    Activation { relu($0) }
    Linear(16, classes)
  }
  func program(_ batch: Int) throws -> Program {
    try compile(TensorSpec([batch, 8, 8, 1], name: "images")) { model($0) }.program
  }
  try ONNXExport(program(2), program(3), batches: (2, 3), outputs: ["logits"]).write(to: path)
}
