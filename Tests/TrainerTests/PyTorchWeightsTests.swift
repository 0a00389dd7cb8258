// Weights to PyTorch and back through safetensors, bit for bit; with PyTorch where it is.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining
import Testing

private struct ExchangedNet: Layer {
  let first = Conv2D(2, 3, kernel: 3)
  let norm = BatchNorm(3)
  let recurrent = LSTM(3, 4)
  let output = Linear(4, 5)

  /// Images `[N, 5, 5, 2]`: the nine places of the convolution are steps of a sequence.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = norm(first(x))
    let sequence = y.reshaped([x.shape[0], 9, 3]).transposed([1, 0, 2])
    return output(recurrent.run(sequence).state[0])
  }
}

@Suite struct PyTorchWeightsTests {
  @Test func namesAndOrders() throws {
    let net = ExchangedNet()
    let weights = try net.pyTorchWeights()
    let shapes = Dictionary(
      weights.map { ($0.name, $0.array.shape.dimensions) }, uniquingKeysWith: { a, _ in a })
    #expect(shapes["first.weight"] == [3, 2, 3, 3] && shapes["output.weight"] == [5, 4])
    #expect(shapes["norm.weight"] == [3] && shapes["norm.running_var"] == [3])
    #expect(shapes["recurrent.weight_ih_l0"] == [16, 3])
    #expect(shapes["recurrent.bias_hh_l0"] == [16])
    let own = try net.first.weight.value().floats
    let theirs = try #require(weights.first { $0.name == "first.weight" }).array.floats
    // [o, i, h, w] = [1, 0, 2, 1] there is [2, 1, 0, 1] here.
    #expect(theirs[25] == own[43])
    let other = ExchangedNet()
    let report = try other.load(pyTorch: weights)
    #expect(report.isComplete, "\(report)")
    for (a, b) in zip(net.parameters, other.parameters) {
      #expect(try a.value().floats.map(\.bitPattern) == b.value().floats.map(\.bitPattern))
    }
  }

  /// A PyTorch module loads the file, gives the same outputs, and writes a file that comes back bit
  /// for bit. Skipped with a line where MARTLET_TORCH_PYTHON has no torch and safetensors.
  @Test func pyTorchTakesThem() throws {
    let python = ProcessInfo.processInfo.environment["MARTLET_TORCH_PYTHON"] ?? "python3"
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-torch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let net = ExchangedNet()
    let x = try NDArray((0..<100).map { Float(($0 * 37) % 19) / 10 - 1 }, shape: [2, 5, 5, 2])
    let predict = try compile(TensorSpec([2, 5, 5, 2])) { net($0) }
    try Npy.save(x, to: folder + "/x.npy")
    try Npy.save(try predict(x), to: folder + "/y.npy")
    try Safetensors.save(try net.pyTorchWeights(), to: folder + "/net.safetensors")
    let script = """
      import sys
      try:
        import numpy, torch
        from safetensors.torch import load_file, save_file
      except ImportError as error:
        sys.exit(77)
      class Net(torch.nn.Module):
        def __init__(self):
          super().__init__()
          self.first = torch.nn.Conv2d(2, 3, 3)
          self.norm = torch.nn.BatchNorm2d(3)
          self.recurrent = torch.nn.LSTM(3, 4)
          self.output = torch.nn.Linear(4, 5)
        def forward(self, x):
          y = self.norm(self.first(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
          return self.output(self.recurrent(y.reshape(x.shape[0], 9, 3).transpose(0, 1))[0][-1])
      net = Net().eval()
      print(net.load_state_dict(load_file("\(folder)/net.safetensors"), strict=False))
      y = net(torch.tensor(numpy.load("\(folder)/x.npy"))).detach().numpy()
      expected = numpy.load("\(folder)/y.npy")
      assert abs(y - expected).max() < 1e-5 * abs(expected).max(), abs(y - expected).max()
      save_file({name: value.contiguous() for name, value in net.state_dict().items()},
                "\(folder)/back.safetensors")
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", script]
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus != 77, process.terminationStatus != 127 else {
      print("PyTorchWeightsTests: no torch and safetensors in \(python): skipped")
      return
    }
    #expect(process.terminationStatus == 0)
    let back = ExchangedNet()
    let report = try back.load(pyTorch: Safetensors.load(folder + "/back.safetensors"))
    #expect(report.isComplete, "\(report)")
    for (a, b) in zip(net.parameters, back.parameters) {
      #expect(try a.value().floats.map(\.bitPattern) == b.value().floats.map(\.bitPattern))
    }
  }
}
