// Weights of another model: loaded by name, with a report of what did not fit.

import MartletExecution
import MartletIR
import MartletNN

/// Which parameters of a model were found in a file, and which were not.
public struct LoadReport: Hashable, Sendable, CustomStringConvertible {
  /// Parameters that were loaded, by path.
  public var loaded: [String] = []
  /// Parameters that the file lacks.
  public var missing: [String] = []
  /// Arrays of the file that belong to no parameter.
  public var unexpected: [String] = []
  /// Parameters whose array has another type.
  public var mismatched: [Mismatch] = []
  /// A parameter and an array that do not fit.
  public struct Mismatch: Hashable, Sendable {
    /// The parameter's path.
    public var path: String
    /// The array's type.
    public var got: TensorType
    /// The parameter's type.
    public var expected: TensorType
  }
  /// Whether every parameter was loaded from an array, and every array belongs to a parameter.
  public var isComplete: Bool { missing.isEmpty && unexpected.isEmpty && mismatched.isEmpty }

  /// A line for the count and one for each kind of difference.
  public var description: String {
    var lines = ["\(loaded.count) parameters loaded"]
    func add(_ what: String, _ names: [String]) {
      if !names.isEmpty { lines.append("\(what): " + names.joined(separator: ", ")) }
    }
    add("missing", missing)
    add("unexpected", unexpected)
    add("mismatched", mismatched.map { "\($0.path) (got \($0.got), expected \($0.expected))" })
    return lines.joined(separator: "\n")
  }
}

extension Layer {
  /// Loads arrays into the parameters of the same paths; the others keep their values.
  ///
  ///     let report = try model.load(pretrained) { name in
  ///       name.hasPrefix("output.") ? nil : "trunk." + name      // all but the head
  ///     }
  ///
  /// - Parameters:
  ///   - arrays: Such as ``Safetensors/load(_:)`` or ``Checkpoint/weights`` give.
  ///   - renaming: From a file's name to a path of the model; nil to leave an array out.
  /// - Returns: What was loaded, missing, unexpected and of another type.
  /// - Throws: ``RunError`` when a session uses the model; nothing is changed then.
  @discardableResult
  public func load(
    _ arrays: [NamedArray], renaming: (String) -> String? = { $0 }
  ) throws -> LoadReport {
    var found: [ByteString: NDArray] = [:]
    for item in arrays {
      if let name = renaming(item.name) { found[ByteString(name)] = item.array }
    }
    var report = LoadReport()
    var pairs: [(variable: StateVariable, array: NDArray)] = []
    // By the places in this model, which may be a part of a larger one.
    for (parameter, path) in Naming.paths(of: self) {
      guard let array = found.removeValue(forKey: ByteString(path)) else {
        report.missing.append(path)
        continue
      }
      // Of halves and their wider kin each becomes the other.
      let isHalf = [array.dtype, parameter.type.dtype].contains {
        $0 == .bfloat16 || $0 == .float16
      }
      if isHalf, array.dtype.isFloatingPoint, parameter.type.dtype.isFloatingPoint,
        array.shape == parameter.shape
      {
        pairs.append((parameter.variable, try array.stored(as: parameter.type.dtype)))
        report.loaded.append(path)
        continue
      }
      guard array.type == parameter.type else {
        report.mismatched.append(.init(path: path, got: array.type, expected: parameter.type))
        continue
      }
      pairs.append((parameter.variable, array))
      report.loaded.append(path)
    }
    report.unexpected = found.keys.sorted().map(\.text)
    try StateVariable.write(pairs)
    return report
  }

  /// Loads a file of weights, or the weights of a model directory or a checkpoint; see
  /// ``Layer/load(_:renaming:)``.
  ///
  /// - Throws: ``DataError`` for a file that cannot be read.
  @discardableResult
  public func load(
    from path: String, renaming: (String) -> String? = { $0 }
  ) throws -> LoadReport {
    if !FileSystem.isDirectory(path) {
      return try load(Safetensors.load(path), renaming: renaming)
    }
    if Checkpoint.newest(in: path) != nil {
      return try load(Checkpoint(path).weights, renaming: renaming)
    }
    return try load(ModelDirectory.read(path).weights, renaming: renaming)
  }
}
