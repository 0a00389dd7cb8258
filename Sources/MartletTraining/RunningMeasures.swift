// Loss and metrics over the batches of an epoch.

import MartletExecution
import MartletIR

/// Sums over batches; means and metrics are taken from them at any time.
struct RunningMeasures {
  private(set) var examples = 0.0
  private(set) var loss = 0.0
  private(set) var termNames: [String] = []
  private(set) var terms: [Double] = []
  private(set) var metrics: [Metric] = []
  private(set) var sums: [[Double]] = []

  init() {}

  init(_ terms: [String], metrics: [Metric]) {
    termNames = terms
    self.terms = terms.map { _ in 0 }
    self.metrics = metrics
    sums = metrics.map { _ in [] }
  }

  /// Takes the results of a batch, whose losses are means over its examples.
  mutating func add(
    loss value: Double, examples count: Int, _ layout: ObjectiveLayout, batch: [NDArray],
    results: [String: NDArray]
  ) throws {
    loss += value * Double(count)
    examples += Double(count)
    for (index, name) in termNames.enumerated() {
      terms[index] += (try results["loss.\(name)"]?.item() ?? .nan) * Double(count)
    }
    // Most metrics read the same outputs.
    var cache: [String?: Predictions] = [:]
    for (index, metric) in metrics.enumerated() {
      let known = cache[metric.term]
      let predictions =
        try known ?? layout.predictions(of: metric.term, batch, results)
      cache[metric.term] = predictions
      try metric.add(predictions, &sums[index])
    }
  }

  /// Mean losses, without the metrics that may take time to compute.
  var losses: Measures {
    var result: Measures = ["loss": examples > 0 ? loss / examples : .nan]
    for (name, sum) in zip(termNames, terms) {
      result["\(name) loss"] = examples > 0 ? sum / examples : .nan
    }
    return result
  }

  /// Losses and metrics.
  var measures: Measures {
    var result = losses
    for (metric, sums) in zip(metrics, sums) { result[metric.name] = metric.value(sums) }
    return result
  }

  mutating func reset() { self = RunningMeasures(termNames, metrics: metrics) }

  // MARK: - In a checkpoint

  /// Everything that was added up, by name.
  var state: [(name: String, values: [Double])] {
    [("losses", [examples, loss] + terms)]
      + zip(metrics, sums).map { (name: "metric/\($0.name)", values: $1) }
  }

  /// Takes the sums back; false when they are of other measures.
  mutating func restore(_ values: [String: [Double]]) -> Bool {
    guard let losses = values["losses"], losses.count == 2 + terms.count else { return false }
    var found: [[Double]] = []
    for metric in metrics {
      guard let sums = values["metric/\(metric.name)"] else { return false }
      found.append(sums)
    }
    (examples, loss, terms) = (losses[0], losses[1], Array(losses[2...]))
    sums = found
    return true
  }
}
