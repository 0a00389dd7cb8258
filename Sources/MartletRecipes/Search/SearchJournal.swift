// The journal of a search: a line of JSON for everything that happens, on the disk before the search
// goes on.

import MartletData
import MartletExecution
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A search's file. The first line says which search it is; each later one is a start of a trial, a
/// number after an epoch, or an end.
///
/// A process that dies while it writes leaves half a line: opening the file again cuts it off. What
/// is damaged anywhere else is refused. One process at a time has it.
package final class SearchJournal {
  package let path: String
  /// What the file held, trial by trial.
  package private(set) var trials: [Trial] = []
  /// True when larger numbers are better; known after the first trial that said so.
  package private(set) var rising: Bool?
  private let descriptor: Int32
  private let axes: [Axis]

  /// Opens or creates a journal.
  ///
  /// - Throws: ``DataError`` when another process has it, when it belongs to another search, or
  ///   when a line is damaged.
  package init(_ path: String, plan: SearchPlan, recipe: String) throws(DataError) {
    self.path = path
    axes = plan.axes
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else {
      throw .system(.notWritable, "cannot open the journal", at: path, errno: errno)
    }
    do throws(DataError) {
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        throw DataError(
          .notWritable, "another search is at work on this journal", at: path,
          hint: "wait for it, or name another journal with --journal")
      }
      try load(SearchJournal.head(plan, recipe))
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// What tells this search from others: the recipe's text, the space, method and seed. The number
  /// of trials may grow.
  private static func head(_ plan: SearchPlan, _ recipe: String) -> JSONValue {
    let hash = recipe.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return .object([
      .init("martlet search", .integer(1)), .init("recipe", .string(String(hash, radix: 16))),
      .init("method", .string(plan.method.rawValue)), .init("seed", .string("\(plan.seed)")),
      .init("axes", .array(plan.axes.map { .string($0.path) })),
    ])
  }

  private func load(_ head: JSONValue) throws(DataError) {
    let file = try InputFile(path)
    guard file.byteCount <= 1 << 28 else {
      throw DataError(
        .tooLarge, "the journal is too large", at: path, got: "\(file.byteCount) bytes")
    }
    let bytes = try file.read(0..<file.byteCount)
    var start = 0
    var number = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      number += 1
      let line = Array(bytes[start..<end])
      let place = "\(path), line \(number)"
      let value: JSONValue
      do throws(DataError) {
        value = try JSONValue(parsing: line, file: place)
      } catch {
        // A last line may be damaged by a crash even with its end: the disk orders pages as it likes.
        if end + 1 == bytes.count { break }
        throw error
      }
      if number == 1 {
        guard value == head else {
          throw DataError(
            .mismatch, "the journal belongs to another search", at: path,
            hint: "name another one with --journal, or remove it to begin anew")
        }
      } else {
        try note(value, place)
      }
      start = end + 1
    }
    if start < bytes.count {
      guard ftruncate(descriptor, off_t(start)) == 0 else {
        throw .system(.notWritable, "cannot cut off a damaged line", at: path, errno: errno)
      }
    }
    guard lseek(descriptor, 0, SEEK_END) >= 0 else {
      throw .system(.notWritable, "cannot write the journal", at: path, errno: errno)
    }
    if number == 0 || start == 0 { try append(head) }
  }

  private func note(_ line: JSONValue, _ place: String) throws(DataError) {
    let damaged = DataError(
      .wrongFormat, "not a line of this search's journal", at: place)
    guard let number = line["trial"]?.integer, number >= 0, number <= trials.count else {
      throw damaged
    }
    if number == trials.count {
      guard let list = line["values"]?.array, list.count == axes.count else { throw damaged }
      var values: [AxisValue] = []
      for value in list {
        switch value {
        case .integer(let x): values.append(.integer(x))
        case .number(let x): values.append(.number(x))
        case .string(let x): values.append(.text(x))
        case .bool(let x): values.append(.boolean(x))
        default: throw damaged
        }
      }
      for (axis, value) in zip(axes, values) where axis.coordinate(of: value) == nil {
        throw damaged
      }
      trials.append(Trial(number: number, values: values))
      return
    }
    if line["values"] != nil {
      // Started again after a crash: what it had reached does not count.
      trials[number] = Trial(number: number, values: trials[number].values)
    } else if let text = line["state"]?.string, let state = Trial.State(rawValue: text) {
      trials[number].state = state
      trials[number].value = line["value"]?.number
      trials[number].seconds = line["seconds"]?.number ?? 0
      trials[number].message = line["message"]?.string
    } else if let value = line["value"] {
      trials[number].curve.append(value.number ?? .nan)
    } else {
      throw damaged
    }
    if let direction = line["rising"]?.bool { rising = direction }
  }

  // MARK: - Writing

  package func start(_ trial: Trial) throws(DataError) {
    let values = trial.values.map { value -> JSONValue in
      switch value {
      case .integer(let x): .integer(x)
      case .number(let x): .number(x)
      case .text(let x): .string(x)
      case .boolean(let x): .bool(x)
      }
    }
    try append(
      .object([.init("trial", .integer(trial.number)), .init("values", .array(values))]))
  }

  package func epoch(_ trial: Trial, _ value: Double, rising: Bool) throws(DataError) {
    try append(
      .object([
        .init("trial", .integer(trial.number)),
        .init("value", value.isFinite ? .number(value) : .null),
        .init("rising", .bool(rising)),
      ]))
  }

  package func end(_ trial: Trial) throws(DataError) {
    var members: [JSONValue.Member] = [
      .init("trial", .integer(trial.number)), .init("state", .string(trial.state.rawValue)),
    ]
    if let value = trial.value, value.isFinite { members.append(.init("value", .number(value))) }
    if trial.seconds.isFinite { members.append(.init("seconds", .number(trial.seconds))) }
    if let message = trial.message { members.append(.init("message", .string(message))) }
    try append(.object(members))
  }

  private func append(_ line: JSONValue) throws(DataError) {
    let bytes = try line.encoded(file: path) + [UInt8(ascii: "\n")]
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .system(.notWritable, "cannot write the journal", at: path, errno: errno)
      }
      done += count
    }
    guard fsync(descriptor) == 0 else {
      throw .system(.notWritable, "cannot write the journal", at: path, errno: errno)
    }
  }
}
