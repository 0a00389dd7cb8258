// ONNX files for the C library: linked in beside the core, or left out for a smaller library.

import MartletC
import MartletExecution
import MartletIR
import MartletONNX

/// Adds `.onnx` to the files that the library reads. The core calls it, if it is there, before the
/// first model is loaded.
@_cdecl("mtc_register_onnx")
public func registerONNX() {
  ModelFormats.register(".onnx") { path in
    try withStatus { ONNXFile(model: try ONNXModel(contentsOf: path)) }
  }
}

/// Gives an importer's error its status.
private func withStatus<R>(_ body: () throws -> R) throws -> R {
  do {
    return try body()
  } catch let error as ONNXError {
    let code: Failure.Code =
      switch error.code {
      case .malformed, .type: .badFile
      case .limit: .outOfMemory
      case .unsupported: .unsupported
      default: .badArgument
      }
    throw Failure(code, "\(error)")
  }
}

/// An ONNX file.
struct ONNXFile: LoadedModel {
  let model: ONNXModel

  var classes: [String] { [] }

  func inference(_ options: SessionOptions) throws -> CompiledModel {
    try withStatus { try compiled(options) }
  }

  private func compiled(_ options: SessionOptions) throws -> CompiledModel {
    guard !options.takesPixels else {
      throw Failure(.unsupported, "pixels: an ONNX file says itself what its inputs hold")
    }
    var dimensions = options.dimensions
    var given: [String: NDArray] = [:]
    for input in model.inputs {
      guard case .tensor(let element, let extents?) = input.kind else { continue }
      // What the caller leaves open in front is the number of samples.
      if case .symbolic(let name)? = extents.first, dimensions[name] == nil {
        dimensions[name] = options.batch
      }
      guard extents.contains(.unknown), let dtype = element.carrier else { continue }
      // An extent without a name is called after its place, and an array of zeros says it.
      var shape: [Int] = []
      for (axis, extent) in extents.enumerated() {
        switch extent {
        case .fixed(let n): shape.append(n)
        case .symbolic(let name): shape.append(try bound(name, dimensions, input, axis))
        case .unknown:
          let name = "\(input.name)[\(axis)]"
          let fallback = axis == 0 ? options.batch : nil
          shape.append(try fallback ?? bound(name, dimensions, input, axis))
          if axis == 0, let n = dimensions[name] { shape[0] = n }
        }
      }
      given[input.name] = try NDArray(zeros: Shape(shape), dtype)
    }
    // Names in brackets are ours.
    let known = dimensions.filter { name, _ in
      !model.inputs.contains { name.hasPrefix($0.name + "[") && name.hasSuffix("]") }
    }
    let program = try model.compile(
      dimensions: known, values: given, options: options.compile)
    guard program.specialisedInputs.isEmpty else {
      throw Failure(
        .unsupported,
        "shapes of the graph depend on the values of \(program.specialisedInputs.joined(separator: ", "))"
      )
    }
    let arguments = program.session?.inputs ?? []
    let names = try program.inputArrays()
    let results = program.session?.program.results ?? []
    var compiled = CompiledModel(
      program.session, inputs: zip(names, arguments).map { ($0, $1.type) },
      outputs: try program.outputArrays().map { name, source in
        switch source {
        case .result(let index): (name, results[index].type, .result(index))
        case .constant(let array): (name, array.type, .constant(array))
        }
      })
    compiled.checks = program.checks.map { ($0.result, Failure(.outOfRange, "\($0.error)")) }
    return compiled
  }

  private func bound(
    _ name: String, _ dimensions: [String: Int], _ input: ONNXPort, _ axis: Int
  ) throws -> Int {
    if let extent = dimensions[name] { return extent }
    throw Failure(
      .badArgument, "axis \(axis) of the input '\(input.name)' has no extent",
      hint: "give one in martlet_options.dimensions, by the name '\(name)'")
  }

  func training(_ options: SessionOptions) throws -> CompiledModel {
    throw Failure(.unsupported, "an ONNX file cannot be trained")
  }

  func save(to path: String) throws {
    throw Failure(.unsupported, "a model from an ONNX file is not saved as a model directory")
  }
}
