// Binds emitted text to the runtime: prototypes or pointers in front, addresses behind.

internal import CMartletRuntime

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
    /// A string of the runtime's own table: it lives as long as the process.
    nonisolated(unsafe) let cName: UnsafePointer<CChar>
    /// A function of the runtime: it lives as long as the process.
    nonisolated(unsafe) let address: UnsafeMutableRawPointer

    /// `void (*mt_add_f32)(float *, …);` from `void mt_add_f32(float *, …);`.
    var pointerDeclaration: String {
      guard let range = prototype[...].firstRange(ofText: name + "(") else { return prototype }
      let parameters = prototype[range.upperBound...]
      return "\(prototype[..<range.lowerBound])(*\(name))(\(parameters)"
    }
  }
  private let symbols: [Symbol]

  /// Looks up each name, once, however often it is listed.
  package init(_ names: [String], for isa: InstructionSet) throws(JITError) {
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
