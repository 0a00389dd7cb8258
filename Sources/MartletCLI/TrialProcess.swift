// A trial of a search as a process of its own: this tool, started again, its lines read as they come.

import Martlet
import MartletRecipes
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

struct TrialProcess {
  let trial: Int
  let process: pid_t
  /// Its standard output.
  let output: Int32
  /// Its standard error.
  let errors: Int32
  let started = nowMilliseconds()
  var text: [UInt8] = []
  var message: [UInt8] = []
  /// Set when this search ended it.
  var isPruned = false

  /// Starts the tool with arguments; its output comes through pipes that nothing blocks on.
  init(trial: Int, arguments: [String]) throws {
    func pipes() throws -> (read: Int32, write: Int32) {
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0 else {
        throw ToolError("no pipe for a trial: \(String(cString: strerror(errno)))")
      }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
      return (ends[0], ends[1])
    }
    let out = try pipes()
    let err = try pipes()
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, out.write, 1)
    posix_spawn_file_actions_adddup2(&actions, err.write, 2)
    // A group of its own: Ctrl-C is for the search, which ends its trials itself.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)
    let all = [try BenchCommand.executable()] + arguments
    var pointers: [UnsafeMutablePointer<CChar>?] = all.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    var child = pid_t()
    let code = posix_spawn(&child, all[0], &actions, &attributes, pointers, environ)
    close(out.write)
    close(err.write)
    guard code == 0 else {
      close(out.read)
      close(err.read)
      throw ToolError("cannot start a trial: \(String(cString: strerror(code)))")
    }
    self.trial = trial
    process = child
    output = out.read
    errors = err.read
  }

  /// Reads what is there; false at the end of both streams.
  mutating func read() -> Bool {
    let a = TrialProcess.drain(output, into: &text, limit: 1 << 20)
    let b = TrialProcess.drain(errors, into: &message, limit: 1 << 14)
    return a || b
  }

  /// Complete lines of the output so far.
  mutating func lines() -> [[UInt8]] {
    var result: [[UInt8]] = []
    while let end = text.firstIndex(of: UInt8(ascii: "\n")) {
      result.append(Array(text[..<end]))
      text.removeSubrange(...end)
    }
    return result
  }

  private static func drain(_ descriptor: Int32, into bytes: inout [UInt8], limit: Int) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = buffer.withUnsafeMutableBytes {
        unistdRead(descriptor, $0.baseAddress, $0.count)
      }
      if count > 0 {
        if bytes.count < limit { bytes += buffer[..<count] }
        continue
      }
      if count < 0, errno == EINTR { continue }
      return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
    }
  }

  /// Waits for the end; the exit code, or 128 + signal.
  func finish() -> Int32 {
    close(output)
    close(errors)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 { if errno != EINTR { return 255 } }
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }

  func stop() { kill(process, SIGTERM) }
}

private func unistdRead(_ fd: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(fd, bytes, count)
}
