// The back end `cc`: the system's own C compiler, through a shared library in a private folder.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Compiles with `$CC`, clang, gcc or cc, whichever is found first.
///
/// It is what libtcc's code is measured against, and what tests of the scalar form run; nothing
/// else needs a compiler on the user's machine.
package enum SystemCompiler {
  /// Path and leading arguments of the compiler, or nil when there is none.
  package static func find() -> [String]? {
    if let words = environmentValue("CC")?.split(separator: " "), let name = words.first {
      return pathOfExecutable(String(name)).map { [$0] + words.dropFirst().map(String.init) }
    }
    for name in ["clang", "gcc", "cc"] {
      if let path = pathOfExecutable(name) { return [path] }
    }
    return nil
  }

  static func compile(
    _ source: EmittedSource, _ symbols: RuntimeSymbols, _ isa: InstructionSet,
    _ callees: [MachineCode] = []
  ) throws(JITError) -> MachineCode {
    guard let compiler = find() else {
      let wanted = environmentValue("CC").map { "$CC = '\($0)'" } ?? "clang, gcc or cc"
      throw JITError(
        .compilerMissing, "MARTLET_BACKEND=cc: \(wanted) is not in PATH",
        hint: "the default back end, tcc, needs no compiler")
    }
    let folder = try TemporaryFolder()
    defer { folder.remove() }
    let library = folder.path + "/martlet.so"
    try folder.write(text(of: source, symbols), to: sourceName)
    if source.form == .scalar { try folder.writeHeaders() }

    let messages = folder.path + "/messages"
    folder.adopt(["martlet.so", "messages"])
    let arguments =
      compiler + ["-std=c11", "-O3"] + machineOptions(isa) + [
        "-ffp-contract=off", "-shared", "-fPIC", "-I", folder.path, "-o", library,
        folder.path + "/" + sourceName, "-lm",
      ]
    let exit = try run(arguments, messagesTo: messages)
    guard exit == 0 else {
      throw JITError.compileFailed(
        readText(messages), of: source.text, by: "\(compiler[0]) (exit code \(exit))")
    }
    return try load(library, source.form == .foreign ? nil : symbols, callees)
  }

  /// Declarations in front of the emitter's text, which keeps its own line numbers.
  private static func text(of source: EmittedSource, _ symbols: RuntimeSymbols) -> String {
    if source.form == .foreign {
      // Linked with libm like any C.
      let declarations = MathFunctions.mentioned(in: source.text).map {
        String(cString: $0.prototype) + "\n"
      }
      return declarations.joined() + "#line 1 \"\(sourceName)\"\n" + source.text
    }
    let headers = source.form == .scalar ? "#include \"\(EmbeddedHeaders.math)\"\n" : ""
    return headers + symbols.pointers + "#line 1 \"\(sourceName)\"\n" + source.text
  }

  /// The instruction set of the runtime's primitives, or everything that this CPU has; and whether
  /// polynomials use fused multiply-add, so that the bits are those of the primitives.
  private static func machineOptions(_ isa: InstructionSet) -> [String] {
    let machine: [String] =
      switch isa {
      case .best: ["-march=native"]
      case .avx2: ["-mavx2", "-mfma", "-mbmi2"]
      case .avx512:
        ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mbmi2"]
      case .baseline, .neon: []
      }
    return switch isa {
    case .avx2, .avx512: machine + ["-DMT_HAVE_FMA=1"]
    case .baseline: machine + ["-DMT_HAVE_FMA=0"]
    case .neon: machine
    }
  }

  private static func load(
    _ library: String, _ symbols: RuntimeSymbols?, _ callees: [MachineCode]
  ) throws(JITError) -> MachineCode {
    var status = stat()
    let bytes = stat(library, &status) == 0 ? Int(status.st_size) : 0
    guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "dlopen failed"
      // "failed to map segment from shared object": a folder mounted noexec, or a policy.
      let refused = reason[...].firstRange(ofText: "map segment") != nil
      throw JITError(
        refused ? .executableMemoryRefused : .fileSystem, "dlopen: \(reason)",
        hint: refused
          ? "set TMPDIR to a folder that allows code, or MARTLET_BACKEND=interpreter" : nil)
    }
    let code = MachineCode(.library(handle), backend: .cc, byteCount: bytes, callees: callees)
    guard let symbols else { return code }
    typealias Bind = @convention(c) (UnsafePointer<UnsafeMutableRawPointer?>?) -> Void
    let bind = unsafeBitCast(try code.function(named: RuntimeSymbols.bindFunction), to: Bind.self)
    symbols.addresses.withUnsafeBufferPointer { bind($0.baseAddress) }
    return code
  }

  // MARK: - Processes

  /// The first file of that name in PATH that may be executed; a name with a slash is a path.
  private static func pathOfExecutable(_ name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let folders = (environmentValue("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
    for folder in folders {
      let path = "\(folder)/\(name)"
      if access(path, X_OK) == 0 { return path }
    }
    return nil
  }

  /// Runs a program to its end, its output in the file `messages`; the exit code, or 128 + signal.
  private static func run(
    _ arguments: [String], messagesTo messages: String
  ) throws(JITError) -> Int32 {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
    #else
      var actions = posix_spawn_file_actions_t()
    #endif
    guard posix_spawn_file_actions_init(&actions) == 0 else {
      throw JITError(.outOfMemory, "posix_spawn_file_actions_init failed")
    }
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, messages, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    // An environment of its own: messages in English, and no read of the global `environ`, which
    // another thread may be changing.
    let kept = [
      "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "SDKROOT",
      "DEVELOPER_DIR",
    ].compactMap { name in environmentValue(name).map { "\(name)=\($0)" } }
    let variables = kept + ["LC_ALL=C"]

    var pid = pid_t()
    let error = withCStrings(arguments) { argv in
      withCStrings(variables) { envp in
        posix_spawn(&pid, arguments[0], &actions, nil, argv, envp)
      }
    }
    guard error == 0 else {
      throw JITError(
        .compilerMissing, "cannot start \(arguments[0]): \(String(cString: strerror(error)))")
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      // Somebody else's SIGCHLD handler may have taken the status: judge by the library then.
      if errno != EINTR { return 0 }
    }
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }

  /// Calls `body` with a NULL-terminated array of C strings.
  private static func withCStrings<R>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R
  ) -> R {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
  }
}
