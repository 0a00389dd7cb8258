// Numbers and histories in checkpoint.json, every bit kept.

import MartletExecution
import MartletNN

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

extension Observation {
  /// The last observations, of 20,000 layers together: a run that tells of every step has more than
  /// is worth keeping.
  static func json(_ all: [Observation]) -> JSONValue {
    var left = 20_000
    let kept = all.reversed().prefix { one in
      left -= one.gradientNorms.count + one.activations.count
      return left >= 0
    }
    return .array(kept.reversed().map(\.json))
  }

  var json: JSONValue {
    func object(_ pairs: [(String, JSONValue)]) -> JSONValue {
      .object(pairs.sorted { $0.0 < $1.0 }.map { .init($0.0, $0.1) })
    }
    return .object([
      .init("step", .integer(step)),
      .init("gradient norms", object(gradientNorms.map { ($0.key, JSONValue(exactly: $0.value)) })),
      .init(
        "activations",
        object(
          activations.map { layer, x in
            let all = [x.mean, x.standardDeviation, x.zeros] + (x.saturated.map { [$0] } ?? [])
            return (layer, .array(all.map { JSONValue(exactly: $0) }))
          })),
    ])
  }

  init?(_ json: JSONValue) {
    guard let step = json["step"]?.counter, let norms = json["gradient norms"]?.members,
      let layers = json["activations"]?.members
    else { return nil }
    var gradientNorms: [String: Double] = [:]
    for member in norms {
      guard let value = member.value.exactNumber else { return nil }
      gradientNorms[member.name] = value
    }
    var activations: [String: ActivationStatistics] = [:]
    for member in layers {
      let numbers = member.value.array?.compactMap(\.exactNumber) ?? []
      guard (3...4).contains(numbers.count), numbers.count == member.value.array?.count else {
        return nil
      }
      activations[member.name] = ActivationStatistics(
        mean: numbers[0], standardDeviation: numbers[1], zeros: numbers[2],
        saturated: numbers.count > 3 ? numbers[3] : nil)
    }
    self.init(step: step, gradientNorms: gradientNorms, activations: activations)
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
