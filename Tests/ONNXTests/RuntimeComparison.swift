// Exported files through onnx.checker and ONNX Runtime, where MARTLET_ONNX_PYTHON has both.

import Foundation
import MartletExecution
import MartletIR
import MartletONNX
import Testing

/// Exports with inputs and what their programs gave: all are checked by one process.
final class RuntimeComparison {
  private let folder: String
  private var count = 0

  init() throws {
    folder =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-export-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// - Parameter tolerance: of the largest magnitude of the expected values.
  func add(
    _ name: String, _ export: ONNXExport, _ inputs: [String: NDArray], _ expected: NDArray,
    tolerance: Double = 1e-5
  ) throws {
    let path = "\(folder)/\(count)"
    count += 1
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try export.write(to: "\(path)/model.onnx")
    for (input, array) in inputs { try Npy.save(array, to: "\(path)/input-\(input).npy") }
    try Npy.save(expected, to: "\(path)/expected.npy")
    try FileSystem.write(Array("\(name)\n\(tolerance)".utf8), to: "\(path)/about")
  }

  /// What was found; nil where no Python with both packages is.
  func run() throws -> [String]? {
    let python = ProcessInfo.processInfo.environment["MARTLET_ONNX_PYTHON"] ?? "python3"
    let script = """
      import glob, os, sys
      try:
        import numpy, onnx, onnxruntime
      except ImportError as error:
        sys.exit(77)
      onnxruntime.set_default_logger_severity(3)
      for folder in sorted(glob.glob("\(folder)/*/")):
        name, tolerance = open(folder + "about").read().split("\\n")
        try:
          onnx.checker.check_model(onnx.load(folder + "model.onnx"), full_check=True)
          session = onnxruntime.InferenceSession(folder + "model.onnx")
          inputs = {os.path.basename(p)[6:-4]: numpy.load(p) for p in glob.glob(folder + "input-*.npy")}
          y = session.run(None, inputs)[0]
          expected = numpy.load(folder + "expected.npy")
          assert y.shape == expected.shape, (y.shape, expected.shape)
          largest = max(1e-30, float(numpy.abs(expected).max(initial=0)))
          error = float(numpy.abs(y.astype("f8") - expected.astype("f8")).max(initial=0)) / largest
          assert error <= float(tolerance), error
        except Exception as error:
          print(f"{name}: {type(error).__name__} {str(error)[:400]}".replace("\\n", " "))
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", script]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus != 77, process.terminationStatus != 127 else {
      print("ONNXTests: no onnxruntime in \(python): the comparison is skipped")
      return nil
    }
    var lines = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    if process.terminationStatus != 0 { lines.append("python: \(process.terminationStatus)") }
    return lines
  }
}
