// Arrays with their names, read from and written to safetensors files as a whole.

import MartletIR

/// An array and what it is called: a model's weight, a file's tensor.
public struct NamedArray: Sendable {
  /// The name, any text; files compare names byte by byte.
  public var name: String
  /// The data.
  public var array: NDArray

  /// A named array.
  public init(_ name: String, _ array: NDArray) {
    self.name = name
    self.array = array
  }
}

/// Whole safetensors files, https://github.com/huggingface/safetensors.
public enum Safetensors {
  /// Every array of a file, in the order of its bytes.
  ///
  /// - Throws: ``DataError`` when the file is missing, truncated, inconsistent, or names a dtype
  ///   that ``DType`` lacks.
  public static func load(_ path: String) throws(DataError) -> [NamedArray] {
    try SafetensorsFile(path).arrays()
  }

  /// Writes arrays, in whatever order; the file appears under its name all at once.
  ///
  /// The bytes are those of the reference implementation: arrays by falling width, then by name.
  ///
  /// - Throws: ``DataError`` when two names are equal or the file cannot be written.
  public static func save(
    _ arrays: [NamedArray], metadata: [String: String] = [:], to path: String
  ) throws(DataError) {
    let header = try SafetensorsHeader(
      layingOut: arrays.map { ($0.name, $0.array.dtype, $0.array.shape.dimensions) },
      metadata: metadata.map { SafetensorsMetadata($0.key, $0.value) }, file: path)
    var index: [ByteString: Int] = [:]
    for (i, array) in arrays.enumerated() { index[ByteString(array.name)] = i }
    var output = try SafetensorsOutput(path, header)
    for entry in header.entries {
      guard let i = index[ByteString(entry.name)] else { continue }
      try arrays[i].array.withUnsafeBytes { (bytes) throws(DataError) in try output.write(bytes) }
    }
    try output.commit()
  }
}

extension SafetensorsFile {
  /// One array of the file.
  package func array(_ entry: SafetensorsHeader.Entry) throws(DataError) -> NDArray {
    let array: NDArray
    do throws(RunError) {
      array = try NDArray(zeros: Shape(entry.shape), entry.dtype)
    } catch {
      throw DataError(
        .tooLarge, "no memory for an array", at: entry.name,
        got: "\(entry.dtype)\(Shape(entry.shape))")
    }
    // Nobody else has seen this memory yet.
    try read(
      entry,
      into: UnsafeMutableRawBufferPointer(start: array.base, count: entry.range.count))
    return array
  }

  /// Every array, in the order of the file.
  package func arrays() throws(DataError) -> [NamedArray] {
    var result: [NamedArray] = []
    for entry in header.entries { result.append(NamedArray(entry.name, try array(entry))) }
    return result
  }
}
