// A search at work: which trial is next, what an epoch means for it, what has been best.

import MartletData

/// The state of a search. Who runs the trials asks for the next one, tells of epochs and ends, and
/// may run as many at a time as it likes.
package final class Search {
  package let plan: SearchPlan
  package private(set) var trials: [Trial]
  /// Whether larger numbers are better; as the trials say.
  package private(set) var rising: Bool
  private let journal: SearchJournal?
  /// Trials that were running when an earlier process ended.
  private var interrupted: [Int]

  package init(_ plan: SearchPlan, journal: SearchJournal?, rising: Bool = false) {
    self.plan = plan
    self.journal = journal
    self.rising = journal?.rising ?? rising
    trials = journal?.trials ?? []
    interrupted = trials.filter { $0.state == .running }.map(\.number)
  }

  /// Starts the next trial; nil when all have been started.
  package func next() throws(DataError) -> Trial? {
    if let number = interrupted.first {
      interrupted.removeFirst()
      trials[number].curve = []
      try journal?.start(trials[number])
      return trials[number]
    }
    guard trials.count < plan.trials,
      let values = plan.values(of: trials.count, after: trials, rising: rising)
    else { return nil }
    let trial = Trial(number: trials.count, values: values)
    trials.append(trial)
    try journal?.start(trial)
    return trial
  }

  /// Notes the watched number after an epoch; true when the trial is to be ended.
  package func epoch(_ number: Int, _ value: Double, rising: Bool) throws(DataError) -> Bool {
    self.rising = rising
    trials[number].curve.append(value)
    try journal?.epoch(trials[number], value, rising: rising)
    return plan.pruning.prunes(trials[number], among: trials, rising: rising)
  }

  /// Notes the end of a trial; its value is the best of its epochs unless one is given.
  package func end(
    _ number: Int, _ state: Trial.State, value: Double? = nil, seconds: Double = 0,
    message: String? = nil
  ) throws(DataError) {
    trials[number].state = state
    let numbers = trials[number].curve.filter { !$0.isNaN }
    trials[number].value = value ?? (rising ? numbers.max() : numbers.min())
    trials[number].seconds = seconds
    trials[number].message = message
    try journal?.end(trials[number])
  }

  /// The trials that came to a number, the best first.
  package var ranking: [Trial] {
    trials.compactMap { trial -> (Trial, Double)? in
      guard let score = trial.score(rising: rising), score < .infinity else { return nil }
      return (trial, score)
    }.sorted { ($0.1, $0.0.number) < ($1.1, $1.0.number) }.map(\.0)
  }

  /// The best trials as a table of text.
  package func table(_ count: Int) -> String {
    var rows = [["trial", "value", "epochs", ""] + plan.axes.map(\.path)]
    for trial in ranking.prefix(count) {
      rows.append(
        ["\(trial.number)", trial.value.map { NumberText.short($0) } ?? "–"]
          + ["\(trial.curve.count)", trial.state == .pruned ? "pruned" : ""]
          + trial.values.map { $0.short })
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, text) in row.enumerated() {
        let fill = String(repeating: " ", count: widths[column] - text.count)
        line += (column > 0 ? "  " : "") + (column == 3 ? text + fill : fill + text)
      }
      return line
    }.joined(separator: "\n")
  }

  /// The trials as an SVG: the value by the trial, with the best so far, and by each axis.
  package func plot(measure: String) -> String {
    let ended = trials.filter { $0.state == .done || $0.state == .pruned }
    var best: [(Double, Double)] = []
    for trial in ended {
      guard let value = trial.value else { continue }
      let last = best.last?.1
      best.append(
        (Double(trial.number), last.map { rising ? max($0, value) : min($0, value) } ?? value))
    }
    func points(_ x: (Trial) -> Double?) -> [(Double, Double)] {
      ended.compactMap { trial in
        guard let x = x(trial), let y = trial.value else { return nil }
        return (x, y)
      }
    }
    var charts = [
      Chart(
        title: "\(measure) by trial", x: "trial", y: measure,
        series: [
          .init("best so far", best),
          .init("trials", points { Double($0.number) }, isPoints: true),
        ])
    ]
    for (index, axis) in plan.axes.enumerated() {
      var chart = Chart(title: axis.path, x: axis.path, y: measure)
      switch axis.kind {
      case .choice(let values):
        chart.categories = values.map(\.short)
        chart.series = [
          .init("trials", points { axis.coordinate(of: $0.values[index]) }, isPoints: true)
        ]
      default:
        if case .log = axis.kind { chart.isLogX = true }
        if case .integer(_, _, isLog: true) = axis.kind { chart.isLogX = true }
        let found = points { trial in
          switch trial.values[index] {
          case .integer(let x): Double(x)
          case .number(let x): x
          default: nil
          }
        }
        chart.series = [.init("trials", found, isPoints: true)]
      }
      charts.append(chart)
    }
    return Chart.page(charts)
  }
}

extension AxisValue {
  var short: String {
    switch self {
    case .number(let x): NumberText.short(x)
    default: yaml
    }
  }
}
