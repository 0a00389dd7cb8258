// What is exported: compiled programs, and the arrays that they come with.

import MartletCodegen
import MartletExecution
import MartletIR
import MartletLoops

/// How a program is written as C.
package struct ExportOptions: Sendable {
  /// Where the weights are.
  package enum Weights: String, CaseIterable, Sendable {
    /// Tables in `NAME_weights.c`.
    case embed
    /// `NAME_weights.bin`, which the host reads into memory.
    case file
    /// The same file, which the host maps: not a byte of it is read before it is used.
    case mmap
  }

  /// The prefix of all names, and the name of the files.
  package var name: String
  package var form: EmissionForm = .tile
  package var weights: Weights = .embed
  /// What the model is, for the first lines of the files.
  package var summary = ""
  /// How pixels of 0 to 1 become inputs, and the names of the classes; empty where there are none.
  package var scaling: (mean: Float, deviation: Float)?
  package var classes: [String] = []

  package init(name: String) { self.name = name }
}

/// A file of an exported program.
package struct ExportedFile: Sendable {
  package var name: String
  package var bytes: [UInt8]

  init(_ name: String, _ text: String) {
    self.name = name
    bytes = Array(text.utf8)
  }
  init(_ name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}

/// An argument or a result of an exported function.
struct ExportedTensor {
  var name: String
  var type: TensorType
  var slot: Int
  var bound: Int?
  /// Passed by value: the learning rate.
  var isScalar = false
}

/// One compiled program as C needs it.
struct ExportedProgram {
  enum Role { case run, train }
  let role: Role
  let program: Program
  var inputs: [ExportedTensor] = []
  var outputs: [ExportedTensor] = []
  var seedSlot: Int?
  var stepSlot: Int?
  let emitted: EmittedProgram
  let workspace: Workspace

  init(
    _ program: Program, _ role: Role, names: inout CNames, options: ExportOptions, alone: Bool
  ) throws(ExportError) {
    self.program = program
    self.role = role
    for argument in program.arguments {
      switch argument.name {
      case "seed": seedSlot = argument.slot
      case "step": stepSlot = argument.slot
      default:
        inputs.append(
          ExportedTensor(
            name: names.unique(argument.name), type: argument.type, slot: argument.slot,
            bound: argument.bound,
            isScalar: role == .train && argument.name == "learningRate"
              && argument.type.shape.rank == 0))
      }
    }
    for result in program.results {
      outputs.append(
        ExportedTensor(name: names.unique(result.name), type: result.type, slot: result.slot))
    }
    var emission = EmissionOptions()
    emission.staticKernels = true
    emission.entry = role == .run ? "run_schedule" : "train_schedule"
    if !alone { emission.kernelPrefix = role == .run ? "run_" : "train_" }
    do {
      emitted = try emit(program.lowered.schedule, form: options.form, options: emission)
    } catch {
      throw ExportError("\(error.kernel): \(error.message)")
    }
    guard emitted.foreign.isEmpty else {
      throw ExportError(
        "the model has operations of its own (\(emitted.foreign[0].kernel.name))",
        hint: "an exported program holds Martlet's operations only")
    }
    workspace = try Workspace(measuring: program)
  }
}

/// Names for C, each once, readable.
package struct CNames {
  private var used: Set<String>

  init(_ reserved: [String] = []) { used = Set(reserved).union(CNames.keywords) }

  mutating func unique(_ label: String) -> String {
    var base = CNames.identifier(label)
    if base.isEmpty || base.first?.isNumber == true { base = "x" + base }
    var name = base
    var count = 2
    while !used.insert(name).inserted {
      name = "\(base)_\(count)"
      count += 1
    }
    return name
  }

  /// Lower case with `_` between the words of `learningRate`.
  package static func identifier(_ label: String) -> String {
    var result = ""
    var wasLower = false
    for byte in label.utf8.prefix(48) {
      let scalar = Unicode.Scalar(byte)
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        result.unicodeScalars.append(scalar)
        wasLower = true
      case UInt8(ascii: "A")...UInt8(ascii: "Z"):
        if wasLower { result += "_" }
        result.unicodeScalars.append(Unicode.Scalar(byte + 32))
        wasLower = false
      default:
        if let last = result.last, last != "_" { result += "_" }
        wasLower = false
      }
    }
    while result.last == "_" { result.removeLast() }
    return result
  }

  /// What the names of a model's functions and files begin with: `model_2` for `2`, `model_string` for
  /// `string`, whose header would stand before the compiler's.
  package static func prefix(_ label: String) -> String {
    let name = identifier(label)
    guard !name.isEmpty else { return "model" }
    return name.first?.isNumber == true || isTaken(name) ? "model_\(name)" : name
  }

  /// Whether files or functions of that prefix would stand before headers of the compiler's, or among
  /// those of the runtime.
  static func isTaken(_ prefix: String) -> Bool {
    let taken: Set<String> = [
      "mt", "martlet_file", "string", "stddef", "stdint", "math", "pthread", "sched", "stdatomic",
      "immintrin", "arm_neon", "stdio", "stdlib", "assert", "errno", "limits",
    ]
    return taken.contains(prefix) || prefix == "martlet_runtime"
      || prefix.hasPrefix("martlet_runtime_")
  }

  private static let keywords: Set<String> = [
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "asm", "typeof", "bool", "true", "false", "class",
    "new", "delete", "this", "namespace", "template", "operator", "private", "public", "protected",
    "try", "catch", "throw", "using", "virtual", "friend", "explicit", "export", "mutable",
    "typename", "and", "or", "not", "xor", "bitand", "bitor", "compl", "nullptr", "constexpr",
    "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t",
    "size_t", "ctx", "io", "cx", "arena", "state", "weights", "bytes", "buffer", "linux", "unix",
    "errno", "main", "signed", "memcpy", "memset", "begin_call", "is_aligned", "check_block",
    "first",
    "found", "step", "i", "uintptr_t", "offsetof", "run_schedule", "train_schedule", "assert",
    "stdin",
    "stdout", "stderr", "not_eq", "and_eq", "or_eq", "xor_eq", "static_assert", "thread_local",
    "decltype", "noexcept", "wchar_t", "char16_t", "char32_t", "char8_t", "static_cast",
    "const_cast",
    "dynamic_cast", "reinterpret_cast", "typeid", "alignas", "alignof", "concept", "requires",
    "choose_run_schedule", "choose_train_schedule", "checksum_of", "has_avx2", "has_avx512", "i386",
  ]
}

/// What the runtime's calls pack and lay out in, beside the arena.
struct Workspace {
  /// For each thread, and shared by all.
  var part = 0
  var shared = 0
}

extension DType {
  /// The element type in an exported header.
  var cType: String {
    switch self {
    case .float32: "float"
    case .float64: "double"
    case .int8: "int8_t"
    case .int16: "int16_t"
    case .int32: "int32_t"
    case .int64: "int64_t"
    case .uint8, .bool: "uint8_t"
    case .uint16, .float16, .bfloat16: "uint16_t"
    case .uint32: "uint32_t"
    case .uint64: "uint64_t"
    }
  }
}
