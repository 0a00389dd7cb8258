// Binds emitted text to the runtime: prototypes or pointers in front, addresses behind.

internal import CMartletRuntime
internal import CTinyCC
import MartletCodegen

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The runtime functions that a text calls, resolved for one instruction set.
///
/// libtcc takes addresses by name, so its text gets prototypes. A shared library cannot link to
/// functions of the executable that loads it, so text for a system compiler gets a pointer for each
/// name and a function, `martlet_bind`, that fills them:
///
///     void mt_add_f32(float *, const float *, const float *, long);      // prototypes
///
///     static void (*mt_add_f32)(float *, const float *, const float *, long);
///     void martlet_bind(void **addresses) {                              // pointers
///       mt_add_f32 = addresses[0];
///     }
package struct RuntimeSymbols: Sendable {
  /// The function that ``pointers`` defines; it is called once, with ``addresses``.
  static let bindFunction = "martlet_bind"

  /// Name, C text that declares it, and address, in order of name.
  private struct Symbol: Sendable {
    let name: String
    let prototype: String
    /// A string of the runtime's own table, which lives as long as the process, or of `owner`.
    nonisolated(unsafe) let cName: UnsafePointer<CChar>
    /// A function of the runtime, which lives as long as the process, or of a user: see the callees
    /// of ``MachineCode``.
    nonisolated(unsafe) let address: UnsafeMutableRawPointer
    var owner: OwnedName?

    /// `void (*mt_add_f32)(float *, …);` from `void mt_add_f32(float *, …);`.
    var pointerDeclaration: String {
      guard let range = prototype[...].firstRange(ofText: name + "(") else { return prototype }
      let parameters = prototype[range.upperBound...]
      return "\(prototype[..<range.lowerBound])(*\(name))(\(parameters)"
    }
  }
  /// A C string of our own; never changed.
  private final class OwnedName: Sendable {
    nonisolated(unsafe) let pointer: UnsafeMutablePointer<CChar>
    init?(_ name: String) {
      guard let copy = strdup(name) else { return nil }
      pointer = copy
    }
    deinit { free(pointer) }
  }
  private let symbols: [Symbol]

  /// Looks up each name, once, however often it is listed.
  package init(
    _ names: [String], for isa: InstructionSet,
    foreign: [(binding: ForeignBinding, address: UnsafeMutableRawPointer)] = []
  ) throws(JITError) {
    var symbols: [Symbol] = []
    for name in Set(names).sorted() {
      guard let found = mt_find_symbol(name),
        let cName = found.pointee.name,
        let prototype = found.pointee.prototype,
        let address = mt_symbol_address(found, isa.runtimeValue)
      else {
        throw JITError(
          .symbolMissing, "the runtime has no function '\(name)' for \(isa.rawValue)",
          hint: "the emitter and the runtime disagree: please report it")
      }
      symbols.append(
        Symbol(
          name: name, prototype: String(cString: prototype), cName: cName, address: address))
    }
    for (binding, address) in foreign {
      guard let name = OwnedName(binding.symbol) else {
        throw JITError(.outOfMemory, "no memory for a name")
      }
      symbols.append(
        Symbol(
          name: binding.symbol, prototype: binding.prototype, cName: UnsafePointer(name.pointer),
          address: address, owner: name))
    }
    self.symbols = symbols
  }

  package var count: Int { symbols.count }

  /// All that the runtime offers.
  package static var allNames: [String] {
    (0..<mt_symbol_count()).compactMap { index in
      mt_symbol_at(index)?.pointee.name.map { String(cString: $0) }
    }
  }

  /// One declaration a line, for text that is linked by name.
  package var prototypes: String {
    symbols.map { $0.prototype + "\n" }.joined()
  }

  /// A pointer for each name and the function that fills them, for text that is loaded.
  package var pointers: String {
    var text = ""
    for symbol in symbols { text += "static \(symbol.pointerDeclaration)\n" }
    text += "void \(RuntimeSymbols.bindFunction)(void **addresses) {\n  (void)addresses;\n"
    for (index, symbol) in symbols.enumerated() {
      // ISO C has no conversion from void * to a function pointer; POSIX asks for this one.
      text += "  *(void **)&\(symbol.name) = addresses[\(index)];\n"
    }
    return text + "}\n"
  }

  /// What `martlet_bind` is called with.
  var addresses: [UnsafeMutableRawPointer?] { symbols.map { $0.address } }

  /// Calls `body` with each name and address, as C strings that stay valid.
  func forEachAddress(_ body: (UnsafePointer<CChar>, UnsafeMutableRawPointer) -> Void) {
    for symbol in symbols { body(symbol.cName, symbol.address) }
  }
}

/// The C maths functions that a user's text may call.
enum MathFunctions {
  /// Those whose name stands in a text as a word.
  static func mentioned(in text: String) -> [mtcc_math_function] {
    var words: Set<[UInt8]> = []
    var word: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
        word.append(byte)
      default:
        if !word.isEmpty { words.insert(word) }
        word.removeAll(keepingCapacity: true)
      }
    }
    if !word.isEmpty { words.insert(word) }
    var count = 0
    guard let table = mtcc_math_functions(&count) else { return [] }
    return UnsafeBufferPointer(start: table, count: count).filter {
      words.contains(Array(String(cString: $0.name).utf8))
    }
  }
}
