// Examples that lie in memory as arrays: row i of every array is example i.

import MartletExecution
import MartletIR

/// Examples from arrays in memory: row i of each array is a field of example i.
///
///     let examples = try ArrayExamples(["x": x, "y": y])     // x f32[100,4], y i32[100]
public struct ArrayExamples: Examples {
  /// The arrays, one for each field.
  public let arrays: [NDArray]
  /// The number of examples.
  public let count: Int
  /// The rows of the arrays: their names, dtypes, and shapes without the first axis.
  public let fields: [TensorSpec]

  /// Examples from named arrays, in the order in which they are written.
  ///
  /// - Throws: ``DataError`` when there is none, one is a scalar, or they differ in length.
  public init(_ arrays: KeyValuePairs<String, NDArray>) throws(DataError) {
    try self.init(arrays.map { NamedArray($0.key, $0.value) })
  }

  /// Examples from named arrays.
  ///
  /// - Throws: ``DataError`` when there is none, one is a scalar, or they differ in length.
  public init(_ arrays: [NamedArray]) throws(DataError) {
    guard let first = arrays.first else {
      throw DataError(
        .outOfRange, "examples need at least one field", at: "array examples", got: "no array")
    }
    for field in arrays {
      guard field.array.shape.rank > 0 else {
        throw DataError(
          .mismatch, "a scalar has no rows to be examples", at: "array examples, \(field.name)",
          got: "\(field.array.type)", expected: "an array with examples along its first axis")
      }
      guard field.array.shape[0] == first.array.shape[0] else {
        throw DataError(
          .mismatch, "the arrays differ in the number of examples",
          at: "array examples, \(field.name)", got: "\(field.array.type)",
          expected: "\(first.array.shape[0]) rows, as \(first.name) has")
      }
    }
    self.arrays = arrays.map(\.array)
    count = first.array.shape[0]
    fields = arrays.map { field in
      TensorSpec(
        Shape(Array(field.array.shape.dimensions.dropFirst())), field.array.dtype,
        name: field.name)
    }
  }

  /// Copies the rows; neither seed nor epoch matter.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into batch: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, batch)
    for (field, array) in arrays.enumerated() {
      try batch[field].fill { (target) throws(DataError) in
        let size = fields[field].type.byteCount
        guard size > 0 else { return }
        array.withUnsafeBytes { source in
          for (row, index) in indices.enumerated() {
            UnsafeMutableRawBufferPointer(rebasing: target[(row * size)..<((row + 1) * size)])
              .copyMemory(
                from: UnsafeRawBufferPointer(
                  rebasing: source[(index * size)..<((index + 1) * size)]))
          }
        }
      }
    }
  }
}

// MARK: - What every conformance needs

extension Examples {
  /// Arrays of a batch's types, zeroed.
  package func emptyBatch(_ size: Int) throws(DataError) -> [NDArray] {
    var result: [NDArray] = []
    for field in fields {
      do throws(RunError) {
        result.append(
          try NDArray(zeros: Shape([size] + field.type.shape.dimensions), field.type.dtype))
      } catch {
        throw DataError(
          .tooLarge, "no memory for a batch", at: "batch of \(size) examples",
          got: "\(field.type) for each", hint: "use smaller batches")
      }
    }
    return result
  }

  /// The examples at `indices` in arrays of their own; see ``write(_:seed:epoch:into:)``.
  ///
  /// - Throws: ``DataError`` when an index is out of range or an example cannot be read.
  public func batch(
    _ indices: [Int], seed: UInt64 = 0, epoch: Int = 0
  ) throws(DataError) -> [NDArray] {
    var arrays = try emptyBatch(indices.count)
    try write(indices, seed: seed, epoch: epoch, into: &arrays)
    return arrays
  }

  /// Throws unless indices are in range and the arrays are of the batch's types.
  package func checkBatch(_ indices: [Int], _ arrays: [NDArray]) throws(DataError) {
    let (fields, count) = (fields, count)
    guard fields.count == arrays.count else {
      throw DataError(
        .mismatch, "a batch with another number of arrays", at: "batch of examples",
        got: "\(arrays.count) arrays", expected: "\(fields.count), one for each field")
    }
    for (field, array) in zip(fields, arrays) {
      guard array.dtype == field.type.dtype, array.shape.rank == field.type.shape.rank + 1,
        array.shape[0] == indices.count,
        array.shape.dimensions.dropFirst().elementsEqual(field.type.shape.dimensions)
      else {
        throw DataError(
          .mismatch, "an array does not fit its field", at: "batch of examples, \(field.label)",
          got: "\(array.type)",
          expected:
            "\(TensorType(field.type.dtype, Shape([indices.count] + field.type.shape.dimensions)))")
      }
    }
    if let bad = indices.first(where: { $0 < 0 || $0 >= count }) {
      throw DataError(
        .outOfRange, "no such example", at: "batch of examples", got: "index \(bad)",
        expected: "0 to \(count - 1)")
    }
  }
}

extension TensorSpec {
  /// The field's name for messages.
  package var label: String { name ?? "a field of type \(type)" }
}

extension NDArray {
  /// Writes the elements in place, for callers that throw ``DataError``.
  package mutating func fill(
    _ body: (UnsafeMutableRawBufferPointer) throws(DataError) -> Void
  ) throws(DataError) {
    var failure: DataError?
    let what = "\(type)"
    do {
      try withUnsafeMutableBytes { bytes in
        do throws(DataError) { try body(bytes) } catch { failure = error }
      }
    } catch {
      throw DataError(
        .tooLarge, "no memory for an array", at: "batch of examples", got: what,
        hint: "use smaller batches")
    }
    if let failure { throw failure }
  }
}
