// The default back end: libtcc, in memory.

internal import CTinyCC

/// Prototypes in front, addresses by name: `mtcc_compile` does the rest.
enum TCCBackend {
  /// More than this of libtcc's messages is cut off.
  private static let messageBytes = 16 * 1024

  static func compile(
    _ source: EmittedSource, _ symbols: RuntimeSymbols, _ callees: [MachineCode] = []
  ) throws(JITError) -> MachineCode {
    var bindings: [mtcc_symbol] = []
    bindings.reserveCapacity(symbols.count)
    symbols.forEachAddress { name, address in
      bindings.append(mtcc_symbol(name: name, address: address))
    }
    var declarations = symbols.prototypes
    if source.form == .foreign {
      for function in MathFunctions.mentioned(in: source.text) {
        bindings.append(mtcc_symbol(name: function.name, address: function.address))
        declarations += String(cString: function.prototype) + "\n"
      }
    }
    let text = declarations + "#line 1 \"\(sourceName)\"\n" + source.text
    var code: OpaquePointer?
    var message = ""
    // The closure's capacity is what the shim is told; it terminates what it writes.
    let status = withUnsafeTemporaryAllocation(of: CChar.self, capacity: messageBytes) { buffer in
      let status = mtcc_compile(
        text, bindings, bindings.count, &code, buffer.baseAddress, buffer.count)
      if let start = buffer.baseAddress { message = String(cString: start) }
      return status
    }
    if status == MTCC_OK, let code {
      return MachineCode(
        .pages(code), backend: .tcc, byteCount: mtcc_code_bytes(code), callees: callees)
    }
    throw error(status, message, source)
  }

  private static func error(
    _ status: mtcc_status, _ message: String, _ source: EmittedSource
  ) -> JITError {
    switch status {
    case MTCC_SYMBOL_MISSING:
      JITError(
        .symbolMissing, "libtcc: \(message.split(separator: "\n").first ?? "undefined symbol")",
        compilerText: message, hint: "the emitter did not list every function that its text calls")
    case MTCC_EXECUTABLE_REFUSED:
      JITError(
        .executableMemoryRefused, "this system refuses executable memory: \(message)",
        compilerText: message, hint: "run without machine code: MARTLET_BACKEND=interpreter")
    case MTCC_OUT_OF_MEMORY:
      JITError(.outOfMemory, "no memory for compiling \(source.text.utf8.count) bytes of C")
    default:
      JITError.compileFailed(message, of: source.text, by: "libtcc")
    }
  }
}
