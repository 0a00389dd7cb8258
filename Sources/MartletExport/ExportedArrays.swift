// The arrays that an exported program comes with, and the block of its state.

import MartletExecution
import MartletIR
import MartletLoops

/// A constant or an initial value.
struct ExportedArray {
  enum Target {
    /// Bound to a slot of a program.
    case constant(ExportedProgram.Role, slot: Int)
    /// The first value of a place in the state block.
    case state(offset: Int)
  }
  var label: String
  var type: TensorType
  var target: Target
  var bytes: [UInt8]
  /// Where it lies in the weights file.
  var offset = 0
}

/// A place in the state block.
struct ExportedVariable {
  var path: String
  var type: TensorType
  var offset: Int
}

/// Everything that is no code: constants, state, their layout.
struct ExportedArrays {
  static let headerBytes = 64
  static let version = 1

  private(set) var arrays: [ExportedArray] = []
  private(set) var variables: [ExportedVariable] = []
  private(set) var stateBytes = 0
  private(set) var weightBytes = headerBytes
  /// Of names, types and places: a state or a file of another model is recognised by it.
  private(set) var fingerprint: UInt64 = 0
  /// The offset of a state slot of each program.
  private(set) var runSlots: [(slot: Int, offset: Int)] = []
  private(set) var trainSlots: [(slot: Int, offset: Int)] = []

  init(_ programs: [ExportedProgram]) throws(ExportError) {
    var offsets: [ObjectIdentifier: Int] = [:]
    // The training step first: it has the optimizer's state too.
    for program in programs.sorted(by: { $0.role == .train && $1.role != .train }) {
      for item in program.program.state {
        let variable = item.variable
        let key = ObjectIdentifier(variable)
        if offsets[key] == nil {
          if stateBytes == 0 { stateBytes = ExportedArrays.headerBytes }
          offsets[key] = stateBytes
          variables.append(
            ExportedVariable(path: variable.path, type: variable.type, offset: stateBytes))
          do {
            guard let value = try variable.read() else {
              throw ExportError("'\(variable.path)' has no value")
            }
            let bytes = value.withUnsafeBytes { Array($0) }
            if bytes.contains(where: { $0 != 0 }) {
              arrays.append(
                ExportedArray(
                  label: variable.path, type: variable.type, target: .state(offset: stateBytes),
                  bytes: bytes))
            }
          } catch let error as ExportError {
            throw error
          } catch {
            throw ExportError("'\(variable.path)': \(error)")
          }
          stateBytes += (variable.type.byteCount + 63) / 64 * 64
        }
        let place = (slot: item.slot, offset: offsets[key] ?? 0)
        if program.role == .run { runSlots.append(place) } else { trainSlots.append(place) }
      }
    }
    let needsState = programs.contains {
      $0.role == .train || $0.seedSlot != nil || $0.stepSlot != nil
    }
    if stateBytes == 0, needsState { stateBytes = ExportedArrays.headerBytes }
    for program in programs {
      for (slot, memory) in program.program.constants {
        let buffer = program.program.lowered.schedule.buffers.first { $0.storage == .bound(slot) }
        guard let buffer else { continue }
        let bytes = Array(UnsafeRawBufferPointer(start: memory.base, count: buffer.byteCount))
        let count = buffer.byteCount / max(1, buffer.dtype.byteCount)
        arrays.append(
          ExportedArray(
            label: buffer.label, type: TensorType(buffer.dtype, [count]),
            target: .constant(program.role, slot: slot), bytes: bytes))
      }
    }
    for index in arrays.indices {
      arrays[index].offset = weightBytes
      weightBytes += (arrays[index].bytes.count + 63) / 64 * 64
    }
    var text: [UInt8] = []
    for variable in variables {
      text += Array("\(variable.path) \(variable.type) \(variable.offset)\n".utf8)
    }
    for array in arrays { text += Array("\(array.label) \(array.type) \(array.offset)\n".utf8) }
    for program in programs {
      for tensor in program.inputs + program.outputs {
        text += Array("\(tensor.name) \(tensor.type)\n".utf8)
      }
    }
    while text.count % 8 != 0 { text.append(32) }
    fingerprint = ExportedArrays.checksum(text[...])
  }

  /// FNV-1a over words of 64 bits; the exported C computes the same.
  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for byte in bytes {
      word |= UInt64(byte) << shift
      shift += 8
      if shift == 64 {
        hash = (hash ^ word) &* 0x100_0000_01b3
        word = 0
        shift = 0
      }
    }
    return hash
  }

  /// The weights as a file: a header of 64 bytes and the arrays, each at a multiple of 64.
  func file() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: weightBytes)
    func put(_ value: UInt64, at offset: Int) {
      for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }
    put(ExportedArrays.weightsMagic, at: 0)
    put(UInt64(ExportedArrays.version) | UInt64(ExportedArrays.headerBytes) << 32, at: 8)
    put(UInt64(weightBytes), at: 16)
    put(fingerprint, at: 24)
    for array in arrays {
      bytes.replaceSubrange(array.offset..<(array.offset + array.bytes.count), with: array.bytes)
    }
    put(ExportedArrays.checksum(bytes[40...]), at: 32)
    return bytes
  }

  /// `MARTLETW` and `MARTLETS` as words.
  static let weightsMagic: UInt64 = 0x5754_454c_5452_414d
  static let stateMagic: UInt64 = 0x5354_454c_5452_414d
}
