// Tensors of files as host tensors: every size is checked before anything is allocated.

import MartletExecution
import MartletIR
import MartletONNXFormat
import SwiftProtobuf

extension ModelFile {
  /// A tensor message's elements.
  package func tensor(_ message: OnnxTensorProto) throws -> HostTensor {
    let name = printable(message.name)
    func refuse(_ why: String) -> ONNXError {
      ONNXError(.malformed, "the tensor '\(name)' \(why)")
    }
    guard let type = ElementType(rawValue: Int(message.dataType)) else {
      throw refuse("has the unknown element type \(message.dataType)")
    }
    let shape = Shape(message.dims.map { Int($0) })
    guard shape.rank <= 64, shape.isRepresentable, let count = shape.checkedCount else {
      throw refuse("has the impossible shape \(printable(shape.description))")
    }
    guard !message.hasSegment else {
      throw ONNXError(.unsupported, "the tensor '\(name)' is a segment of another")
    }
    if type == .string {
      guard message.stringData.count == count else {
        throw refuse("has \(message.stringData.count) strings, its shape \(shape) needs \(count)")
      }
      return HostTensor(try message.stringData.map { try utf8($0, of: name) }, shape)
    }
    guard let carrier = type.carrier else {
      throw ONNXError(.unsupported, "the tensor '\(name)' has elements of type \(type.name)")
    }
    let (bits, tooMany) = count.multipliedReportingOverflow(by: max(8, type.bitCount))
    guard !tooMany, bits / 8 <= limits.bytes else {
      throw ONNXError(
        .limit, "the tensor '\(name)' \(type.name)\(shape) needs more than \(limits.bytes) bytes",
        hint: "--max-bytes allows more")
    }
    let tensorType = TensorType(carrier, shape)
    let byteCount = (count * type.bitCount + 7) / 8
    if message.dataLocation == .external {
      let bytes = try externalBytes(message, byteCount: byteCount)
      return try bytes.withUnsafeBytes { try decode($0, type, tensorType) }
    }
    if message.hasRawData {
      guard message.rawData.count == byteCount else {
        throw refuse(
          "has \(message.rawData.count) bytes, \(type.name)\(shape) needs \(byteCount)")
      }
      return try message.rawData.withUnsafeBytes { try decode($0, type, tensorType) }
    }
    func expect(_ got: Int) throws {
      guard got == count else {
        throw refuse("has \(got) elements, its shape \(shape) needs \(count)")
      }
    }
    switch type {
    case .float:
      try expect(message.floatData.count)
      return HostTensor(try NDArray(message.floatData, shape: shape))
    case .double:
      try expect(message.doubleData.count)
      return HostTensor(try NDArray(message.doubleData, shape: shape))
    case .int64:
      try expect(message.int64Data.count)
      return HostTensor(try NDArray(message.int64Data, shape: shape))
    case .uint32, .uint64:
      try expect(message.uint64Data.count)
      return HostTensor(
        HostArray(tensorType, message.uint64Data.map { Int64(bitPattern: $0) }))
    case .int32, .int16, .int8, .uint16, .uint8, .bool:
      try expect(message.int32Data.count)
      return HostTensor(HostArray(tensorType, message.int32Data.map(Int64.init)))
    case .float16, .bfloat16:
      try expect(message.int32Data.count)
      let bits = message.int32Data.map { UInt16(truncatingIfNeeded: $0) }
      return HostTensor(bits.withUnsafeBytes { HostArray(bytes: $0, tensorType) }, as: type)
    default:
      // Eight bits an element, or several elements in one.
      let bytes = message.int32Data.map { UInt8(truncatingIfNeeded: $0) }
      guard bytes.count == byteCount else {
        throw refuse("has \(bytes.count) bytes, \(type.name)\(shape) needs \(byteCount)")
      }
      return try bytes.withUnsafeBytes { try decode($0, type, tensorType) }
    }
  }

  /// A sparse tensor made dense.
  package func tensor(_ message: OnnxSparseTensorProto) throws -> HostTensor {
    let values = try tensor(message.values)
    let indices = try tensor(message.indices)
    let shape = Shape(message.dims.map { Int($0) })
    let name = printable(message.values.name)
    guard shape.isRepresentable, let count = shape.checkedCount, let type = values.type,
      values.shape.rank == 1,
      count <= limits.bytes / 8
    else { throw ONNXError(.malformed, "the sparse tensor '\(name)' has an impossible shape") }
    let places = indices.integers
    let rank = shape.rank
    let isFlat = indices.shape.rank == 1
    guard places.count == values.count * (isFlat ? 1 : rank) else {
      throw ONNXError(.malformed, "the sparse tensor '\(name)' has indices that do not fit")
    }
    var dense = [Double](repeating: 0, count: count)
    let strides = shape.strides
    for (index, value) in values.doubles.enumerated() {
      var place = 0
      if isFlat {
        place = Int(places[index])
      } else {
        for axis in 0..<rank {
          let at = places[index * rank + axis]
          guard at >= 0, at < shape[axis] else { place = -1; break }
          place += Int(at) * strides[axis]
        }
      }
      guard dense.indices.contains(place) else {
        throw ONNXError(.malformed, "the sparse tensor '\(name)' has an index out of range")
      }
      dense[place] = value
    }
    return HostTensor(HostArray(TensorType(type.dtype, shape), dense), as: values.elementType)
  }

  private func utf8(_ bytes: some Sequence<UInt8>, of name: String) throws -> String {
    guard let text = String(validating: Array(bytes), as: UTF8.self) else {
      throw ONNXError(.malformed, "the tensor '\(name)' holds a string that is not UTF-8")
    }
    return text
  }

  /// Little-endian elements, whose number of bytes was checked.
  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ carried: TensorType
  ) throws -> HostTensor {
    if type.isNative {
      let memory = try Memory(byteCount: bytes.count)
      if let source = bytes.baseAddress {
        memory.base.copyMemory(from: source, byteCount: bytes.count)
      }
      if type == .bool {
        // One and zero are the only bytes that kernels know.
        for place in 0..<bytes.count where bytes[place] > 1 {
          memory.base.storeBytes(of: 1, toByteOffset: place, as: UInt8.self)
        }
      }
      return HostTensor(NDArray(memory: memory, type: carried))
    }
    let count = carried.count
    if let format = type.smallFloat {
      return HostTensor(
        HostArray(
          carried, (0..<count).map { format.value(ofBits: packed(bytes, $0, type.bitCount)) }),
        as: type)
    }
    let width = type.bitCount
    let isSigned = type == .int4 || type == .int2
    let values = (0..<count).map { index -> Int64 in
      let value = Int64(packed(bytes, index, width))
      return isSigned && value >> (width - 1) == 1 ? value - (1 << width) : value
    }
    return HostTensor(HostArray(carried, values), as: type)
  }

  /// Element `index` of a stream of elements of `width` bits, the lowest bits first.
  private func packed(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ width: Int) -> UInt8 {
    let bit = index * width
    var value = UInt16(bytes[bit / 8]) >> UInt16(bit % 8)
    if bit % 8 + width > 8 { value |= UInt16(bytes[bit / 8 + 1]) << UInt16(8 - bit % 8) }
    return UInt8(truncatingIfNeeded: value & ((1 << UInt16(width)) - 1))
  }
}
