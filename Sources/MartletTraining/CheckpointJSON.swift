// Numbers and histories in checkpoint.json, every bit kept.

import MartletExecution

extension JSONValue {
  /// A number; one that JSON has no word for as its bits, `"0x7ff0000000000000"`.
  init(exactly x: Double) {
    self = x.isFinite ? .number(x) : .string("0x" + String(x.bitPattern, radix: 16))
  }

  /// A number of steps or epochs, far from where counting overflows.
  var counter: Int? { integer.flatMap { (0...(1 << 48)).contains($0) ? $0 : nil } }

  /// A number written so.
  var exactNumber: Double? {
    if let number { return number }
    guard let string, string.utf8.starts(with: "0x".utf8),
      let bits = UInt64(string.dropFirst(2), radix: 16)
    else { return nil }
    return Double(bitPattern: bits)
  }
}

extension Best {
  var json: JSONValue {
    var members: [JSONValue.Member] = [.init("waited", .integer(waited))]
    if let value { members.append(.init("value", JSONValue(exactly: value))) }
    if let epoch { members.append(.init("epoch", .integer(epoch))) }
    return .object(members)
  }

  init?(_ json: JSONValue) {
    guard let waited = json["waited"]?.counter else { return nil }
    self.init(value: json["value"]?.exactNumber, epoch: json["epoch"]?.counter, waited: waited)
  }
}

extension Measures {
  var json: JSONValue { .object(map { .init($0.name, JSONValue(exactly: $0.value)) }) }

  init?(_ json: JSONValue) {
    self = [:]
    guard let members = json.members, members.count < 1000 else { return nil }
    for member in members {
      guard let value = member.value.exactNumber else { return nil }
      self[member.name] = value
    }
  }
}

extension History {
  var json: JSONValue {
    .array(
      epochs.map { record in
        .object([
          .init("epoch", .integer(record.epoch)), .init("steps", .integer(record.steps)),
          .init("learning rate", JSONValue(exactly: record.learningRate)),
          .init("training", record.training.json), .init("validation", record.validation.json),
          .init("seconds", JSONValue(exactly: record.seconds)),
        ])
      })
  }

  init?(_ json: JSONValue) {
    guard let elements = json.array else { return nil }
    for element in elements {
      guard let epoch = element["epoch"]?.counter, let steps = element["steps"]?.counter,
        let rate = element["learning rate"]?.exactNumber,
        let training = element["training"].flatMap(Measures.init),
        let validation = element["validation"].flatMap(Measures.init),
        let seconds = element["seconds"]?.exactNumber
      else { return nil }
      epochs.append(
        EpochRecord(
          epoch: epoch, steps: steps, learningRate: rate, training: training,
          validation: validation, seconds: seconds))
    }
  }
}
