// The search's samplers, pruning and journal.

import Foundation
import MartletData
import MartletExecution
import Testing

import MartletRecipes

/// The best value that a plan finds.
private func best(_ plan: SearchPlan, _ function: ([AxisValue]) -> Double) throws -> Double {
  let search = Search(plan, journal: nil)
  while let trial = try search.next() {
    try search.end(trial.number, .done, value: function(trial.values))
  }
  return try #require(search.ranking.first?.value)
}

private func number(_ value: AxisValue) -> Double {
  switch value {
  case .number(let x): x
  case .integer(let x): Double(x)
  default: .nan
  }
}

/// Branin and Hoo (1972): three minima of 0.397887.
private func branin(_ values: [AxisValue]) -> Double {
  let (x, y) = (number(values[0]), number(values[1]))
  let a = y - 5.1 / (4 * .pi * .pi) * x * x + 5 / .pi * x - 6
  return a * a + 10 * (1 - 1 / (8 * .pi)) * cos(x) + 10
}

/// A quadratic in the logarithm of a rate, one integer and a choice: least 0 at 1e-3, 7 and `b`.
private func mixed(_ values: [AxisValue]) -> Double {
  let rate = log10(number(values[0])) + 3
  let size = number(values[1]) - 7
  return rate * rate + size * size / 25 + (values[2] == .text("b") ? 0 : 1)
}

private let braninAxes = [Axis("x", .linear(-5, 10)), Axis("y", .linear(0, 15))]
private let mixedAxes = [
  Axis("rate", .log(1e-6, 1)), Axis("size", .integer(1, 32, isLog: false)),
  Axis("kind", .choice([.text("a"), .text("b"), .text("c"), .text("d")])),
]

@Test func parzenEstimatorsBeatRandomSearch() throws {
  for (axes, function) in [(braninAxes, branin), (mixedAxes, mixed)] {
    func bests(_ method: SearchPlan.Method) throws -> [Double] {
      try (0..<20).map { seed in
        var plan = SearchPlan(axes: axes)
        (plan.method, plan.trials, plan.seed) = (method, 60, UInt64(seed))
        return try best(plan, function)
      }
    }
    let (tpe, random) = (try bests(.tpe), try bests(.random))
    func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    let wins = zip(tpe, random).count { $0 < $1 }
    // 15 of 20 by luck alone has a probability of 2 %.
    #expect(wins >= 15, "TPE won \(wins) of 20: \(tpe) \(random)")
    #expect(median(tpe) < median(random) * 0.6 + 0.4 * 0.397887 * (axes.count == 2 ? 1 : 0))
  }
}

@Test func coarseToFineBeatsRandomSearch() throws {
  let wins = try (0..<20).count { seed in
    var plan = SearchPlan(axes: mixedAxes)
    (plan.trials, plan.seed, plan.method) = (60, UInt64(seed), .random)
    let random = try best(plan, mixed)
    plan.method = .coarseToFine
    return try best(plan, mixed) < random
  }
  #expect(wins >= 15, "\(wins) of 20")
}

@Test func gridsHoldEveryPointOnce() throws {
  var plan = SearchPlan(axes: mixedAxes)
  plan.method = .grid
  plan.points = 3
  #expect(plan.gridCount == 3 * 3 * 4)
  plan.trials = 1000
  let search = Search(plan, journal: nil)
  var seen: Set<[AxisValue]> = []
  while let trial = try search.next() {
    seen.insert(trial.values)
    try search.end(trial.number, .done, value: mixed(trial.values))
  }
  #expect(search.trials.count == 36 && seen.count == 36)
  let rates = Set(seen.map { number($0[0]) }).sorted()
  #expect(zip(rates, [1e-6, 1e-3, 1]).allSatisfy { abs($0 / $1 - 1) < 1e-12 }, "\(rates)")
}

@Test func parzenDensitiesAreNormalised() {
  let estimator = ParzenEstimator([0.1, 0.11, 0.5, 0.99], bounds: (0, 1))
  let sum = (0..<100_000).reduce(0.0) { $0 + estimator.density((Double($1) + 0.5) / 1e5) } / 1e5
  #expect(abs(sum - 1) < 1e-3)
  var random = SearchRandom(seed: 1, trial: 2)
  let draws = (0..<20_000).map { _ in estimator.draw(&random) }
  #expect(draws.allSatisfy { (0...1).contains($0) })
  let mean = draws.reduce(0, +) / 2e4
  let expected = (0..<100_000).reduce(0.0) {
    let x = (Double($1) + 0.5) / 1e5
    return $0 + x * estimator.density(x) / 1e5
  }
  #expect(abs(mean - expected) < 0.01, "\(mean) \(expected)")
}

@Test func medianPruningEndsTheWorse() {
  var trials = (0..<6).map { number in
    var trial = Trial(number: number, values: [])
    trial.curve = [1, 0.5, 0.1 * Double(number + 1)]
    trial.state = .done
    return trial
  }
  var late = Trial(number: 6, values: [])
  late.curve = [1, 0.9, 0.36]
  trials.append(late)
  #expect(MedianPruning.prunes(late, among: trials, rising: false))
  late.curve = [1, 0.9, 0.34]
  #expect(!MedianPruning.prunes(late, among: trials, rising: false))
  late.curve = [0.1]
  #expect(!MedianPruning.prunes(late, among: trials, rising: false))
  late.curve = [1, 0.4, 0.34]
  #expect(!MedianPruning.prunes(late, among: Array(trials.prefix(4)), rising: false))
  late.curve = [1, 1, 1]
  #expect(!MedianPruning.prunes(late, among: trials, rising: true))
}

/// Epoch by epoch the very decisions of Optuna's SuccessiveHalvingPruner, several trials at a time.
@Test func successiveHalvingDecidesAsOptunaDoes() throws {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/asha.json")
  let json = try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)
  for item in try #require(json.array) {
    var plan = SearchPlan(axes: braninAxes)
    plan.trials = 100
    plan.pruning = .halving(
      first: try #require(item["first"]?.integer), factor: try #require(item["factor"]?.integer))
    let search = Search(plan, journal: nil)
    let rising = item["rising"]?.bool == true
    let log = try #require(item["log"]?.array)
    var ended = 0
    for entry in log {
      let number = try #require(entry.array?[0].integer)
      while search.trials.count <= number { _ = try search.next() }
      let stops = try search.epoch(
        number, try #require(entry.array?[1].number), rising: rising)
      #expect(
        stops == entry.array?[2].bool, "trial \(number), epoch \(search.trials[number].curve.count)"
      )
      if stops {
        try search.end(number, .pruned)
        ended += 1
      }
    }
    #expect(ended > 15)
    // The best of those that saw the end is among the best of all by their last numbers.
    #expect(log.count < search.trials.count * 27 / 2, "\(log.count) epochs")
  }
  var broken = Trial(number: 0, values: [])
  broken.curve = [.nan]
  #expect(
    SuccessiveHalving.prunes(broken, among: [], rising: false, first: 1, factor: 3))
}

@Suite struct JournalTests {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent(
    "journal-\(UUID().uuidString)"
  ).path
  private func plan() -> SearchPlan {
    var plan = SearchPlan(axes: mixedAxes)
    (plan.trials, plan.startup) = (20, 5)
    return plan
  }
  /// Runs until `count` ends.
  private func run(_ count: Int) throws -> [Trial] {
    let search = Search(
      plan(), journal: try SearchJournal(path, plan: plan(), recipe: "text"))
    var ends = 0
    while ends < count, let trial = try search.next() {
      _ = try search.epoch(trial.number, mixed(trial.values) + 1, rising: false)
      ends += 1
      // The last one is cut off in its middle, as by a kill.
      if ends == count, count < 20 { break }
      _ = try search.epoch(trial.number, mixed(trial.values), rising: false)
      try search.end(trial.number, .done, seconds: 1)
    }
    return search.trials
  }

  @Test func aResumedSearchGoesOnAsItWouldHave() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try run(8)
    let resumed = try run(20)
    try FileManager.default.removeItem(atPath: path)
    #expect(try resumed == run(20))
  }

  @Test func aTornTailIsCutOffAtEveryByte() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try run(3)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for length in stride(from: 0, through: whole.count, by: 7) {
      try whole.prefix(length).write(to: URL(fileURLWithPath: path))
      let journal = try SearchJournal(path, plan: plan(), recipe: "text")
      #expect(journal.trials.count <= 3)
      let now = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(now.last == 0x0a && (length < 80 || whole.starts(with: now)))
    }
  }

  @Test func damageAndStrangersAreRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try run(3)
    #expect(throws: DataError.self) {
      try SearchJournal(path, plan: plan(), recipe: "another text")
    }
    var lines = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n")
    lines[2] = "{\"trial\":0,"
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: DataError.self) { try SearchJournal(path, plan: plan(), recipe: "text") }
  }

  @Test func twoSearchesOnOneJournalAreRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let first = try SearchJournal(path, plan: plan(), recipe: "text")
    #expect(throws: DataError.self) { try SearchJournal(path, plan: plan(), recipe: "text") }
    withExtendedLifetime(first) {}
  }
}

@Test func plansAreReadFromRecipesAndLeadSomewhere() throws {
  func plan(_ search: String) throws -> SearchPlan? {
    try SearchPlan(
      Recipe(
        YAMLNode.parse(
          Array("data: iris\nmodel: [linear: 8]\noptimizer: adam\nsearch: \(search)".utf8),
          file: "r"), file: "r", folder: "."))
  }
  let good = try #require(
    try plan("{space: {optimizer.adam.learningRate: {log: [1e-4, 1]}, epochs: {integer: [1, 9]}}}"))
  #expect(good.axes.map(\.path) == ["optimizer.adam.learningRate", "epochs"])
  #expect(good.method == .tpe && good.trials == 20 && good.pruning == .none)
  let halving = try plan("{space: {epochs: {integer: [1, 9]}}, pruning: asha, reduction: 3}")
  #expect(halving?.pruning == .halving(first: 1, factor: 3))
  #expect(throws: RecipeError.self) { try plan("{space: {optimizer.sgd.rate: {log: [1e-4, 1]}}}") }
  #expect(throws: RecipeError.self) { try plan("{space: {model.7: {choice: [relu]}}}") }
  let search = Search(good, journal: nil)
  while let trial = try search.next() {
    try search.end(trial.number, .done, value: Double(trial.number % 7))
  }
  #expect(search.table(3).split(separator: "\n").count == 4)
  let plot = search.plot(measure: "a<b")
  #expect(plot.contains("a&lt;b by trial") && !plot.contains("a<b"))
  _ = try XMLDocumentCheck.parse(plot)
}

/// Tags that open and close in order; FoundationXML is more than a test needs.
enum XMLDocumentCheck {
  static func parse(_ text: String) throws -> Int {
    var open: [Substring] = []
    var count = 0
    for part in text.split(separator: "<").dropFirst(0) {
      guard let end = part.firstIndex(of: ">") else { throw CocoaError(.fileReadCorruptFile) }
      let tag = part[..<end]
      if tag.hasPrefix("/") {
        #expect(open.popLast() == tag.dropFirst().prefix { $0 != " " }, "\(tag)")
      } else if !tag.hasSuffix("/") && !tag.hasPrefix("!") && !tag.hasPrefix("?") {
        open.append(tag.prefix { $0 != " " && $0 != "\n" })
      }
      count += 1
    }
    #expect(open.isEmpty)
    return count
  }
}
