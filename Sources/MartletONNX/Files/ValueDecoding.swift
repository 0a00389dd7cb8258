// Values of test data: tensors, sequences and optionals in files of their own.

import MartletExecution
import MartletIR
import MartletONNXFormat
import SwiftProtobuf

extension ModelFile {
  /// The value in the bytes of a `.pb` file, which is of a kind.
  package func value(_ bytes: [UInt8], _ kind: ONNXPort.Kind) throws -> ONNXValue {
    switch kind {
    case .tensor:
      let message: OnnxTensorProto = try ModelFile.decode(bytes)
      return .constant(try tensor(message))
    case .sequence:
      let message: OnnxSequenceProto = try ModelFile.decode(bytes)
      return try value(message)
    case .optional(let inner):
      // Some of the suite's optionals are stored as the value alone.
      if let message: OnnxOptionalProto = try? ModelFile.decode(bytes),
        let value = try? value(message)
      {
        return value
      }
      return .optional(try value(bytes, inner))
    case .other: throw ONNXError(.unsupported, "a map or sparse tensor")
    }
  }

  private func value(_ message: OnnxSequenceProto) throws -> ONNXValue {
    switch OnnxSequenceProto.DataType(rawValue: Int(message.elemType)) {
    case .tensor:
      return .sequence(try message.tensorValues.map { .constant(try tensor($0)) })
    case .sequence: return .sequence(try message.sequenceValues.map(value))
    case .optional: return .sequence(try message.optionalValues.map(value))
    case .undefined, nil:
      return .sequence(try message.tensorValues.map { .constant(try tensor($0)) })
    default: throw ONNXError(.unsupported, "a sequence of maps or sparse tensors")
    }
  }

  private func value(_ message: OnnxOptionalProto) throws -> ONNXValue {
    switch OnnxSequenceProto.DataType(rawValue: Int(message.elemType)) {
    case .tensor where message.hasTensorValue:
      return .optional(.constant(try tensor(message.tensorValue)))
    case .sequence where message.hasSequenceValue:
      return .optional(try value(message.sequenceValue))
    case .optional where message.hasOptionalValue:
      return .optional(try value(message.optionalValue))
    case .undefined, .tensor, .sequence, .optional: return .optional(nil)
    default: throw ONNXError(.unsupported, "an optional map or sparse tensor")
    }
  }
}
