// Metrics beside scikit-learn's, whole and batch by batch.

import MartletExecution
import MartletIR
import MartletTraining
import Testing

private let all: [Metric] = [
  .accuracy, .topK(2), .topK(3), .precision(.binary), .precision(.micro), .precision(.macro),
  .recall(.binary), .recall(.micro), .recall(.macro), .f1(.binary), .f1(.micro), .f1(.macro), .auc,
  .meanSquaredError, .rootMeanSquaredError, .meanAbsoluteError, .rSquared,
]

@Test(arguments: ["classes", "full", "binary", "pair", "numbers"])
func metricsAreScikitLearns(_ name: String) throws {
  let fixture = try Fixture("metrics").arrays
  let outputs = try #require(fixture["\(name).outputs"])
  let targets = try #require(fixture["\(name).targets"])
  let rows = outputs.shape[0]
  var compared = 0
  for metric in all {
    let key =
      metric.name.contains(" ") || !["precision", "recall", "F1"].contains(metric.name)
      ? metric.name : "binary \(metric.name)"
    guard let expected = try fixture["\(name).\(key)"]?.item() else { continue }
    compared += 1
    let whole = try metric(Predictions(outputs: outputs, targets: targets))
    #expect(abs(whole - expected) < 1e-12, "\(metric.name): \(whole), scikit-learn \(expected)")
    // Batches of 13, the last one shorter: the number of the whole set, not a mean of batches'.
    var sums: [Double] = []
    for start in stride(from: 0, to: rows, by: 13) {
      let range = start..<min(rows, start + 13)
      try metric.add(
        Predictions(outputs: outputs.rows(range), targets: targets.rows(range)), &sums)
    }
    #expect(abs(metric.value(sums) - expected) < 1e-12, "\(metric.name) in batches")
  }
  #expect(compared >= (name == "pair" ? 1 : 4))
}

@Test(arguments: ["classes", "full", "binary"])
func confusionMatrixIsScikitLearns(_ name: String) throws {
  let fixture = try Fixture("metrics").arrays
  let matrix = try ConfusionMatrix(
    Predictions(
      outputs: #require(fixture["\(name).outputs"]), targets: #require(fixture["\(name).targets"])))
  let expected = try #require(fixture["\(name).confusion"])
  #expect(matrix.counts == (try expected.elements(as: Int64.self).map { Int($0) }))
}

@Test func confusionMatrixAsText() throws {
  let outputs = try NDArray([[2, 1, 0], [0, 3, 1], [0, 2, 1], [9, 1, 1]] as [[Float]])
  let targets = try NDArray([0, 1, 2, 2] as [Int32])
  let matrix = try ConfusionMatrix(
    Predictions(outputs: outputs, targets: targets), names: ["cat", "dog", "owl"])
  #expect(
    matrix.description == """
      target \\ predicted  cat  dog  owl  recall
                     cat    1    0    0  100.0 %
                     dog    0    1    0  100.0 %
                     owl    1    1    0   0.0 %
      """)
  #expect(matrix.accuracy == 0.5)
  #expect(matrix.worst(1).map(\.predicted) == [0])
}

@Test func metricsRefuseWhatDoesNotFit() throws {
  let three = try NDArray(zeros: [4, 3])
  #expect(throws: RunError.self) {
    try Predictions(outputs: three, targets: NDArray(zeros: [5], .int32))
  }
  let outside = try Predictions(outputs: three, targets: NDArray([0, 1, 2, 3] as [Int32]))
  let error = #expect(throws: RunError.self) { try Metric.accuracy(outside) }
  #expect(error?.code == .range)
  let labels = try Predictions(outputs: three, targets: NDArray(zeros: [4], .int32))
  #expect(throws: RunError.self) { try Metric.meanSquaredError(labels) }
}

@Test func metricsOfNothingAndNaN() throws {
  let scores = try NDArray([.nan, 1, 2] as [Float])
  let labels = try NDArray([0, 1, 1] as [Int32])
  #expect(try Metric.auc(Predictions(outputs: scores, targets: labels)).isNaN)
  // Without a row of one class there is no area.
  let ones = try Predictions(
    outputs: NDArray([3, 1, 2] as [Float]), targets: NDArray([1, 1, 1] as [Int32]))
  #expect(try Metric.auc(ones).isNaN)
  #expect(Metric.accuracy.value([]).isNaN)
  // Sums come from checkpoints, which may hold anything.
  for metric in all {
    for sums in [[.nan], [1e300, 2], [-1, .infinity, 3], [3, 0, 1, 2, 3, 4, 5, 6]] as [[Double]] {
      _ = metric.value(sums)
      var sums = sums
      try? metric.add(ones, &sums)
      _ = metric.value(sums)
    }
  }
}

@Test func aMetricOfOnesOwn() throws {
  let largest = Metric("largest error", higherIsBetter: false) { batch, sums in
    if sums.isEmpty { sums = [0] }
    for (a, b) in zip(batch.outputs, batch.targets) { sums[0] = max(sums[0], abs(a - b)) }
  } value: {
    $0.first ?? .nan
  }
  let fixture = try Fixture("metrics").arrays
  let (p, t) = (try #require(fixture["numbers.outputs"]), try #require(fixture["numbers.targets"]))
  let expected = zip(p.doubles, t.doubles).map { abs($0 - $1) }.max()
  #expect(try largest(Predictions(outputs: p, targets: t)) == expected)
}
