// Bits per character of a text that a character model has not seen.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps

extension CharacterTraining {
  /// The held-out text in bits per character, `−log2 p` of each character after what came before it, on
  /// average.
  ///
  /// A recurrent model carries its state through the text. With one stream every character but the
  /// first counts after all before it; several are faster, and each begins without a past. A
  /// transformer sees windows that overlap by half: a character counts where at least half a window is
  /// before it (but for those of the first window).
  package func bitsPerCharacter(streams: Int = 1) throws -> Double {
    if let context = model.context { return try windowedBits(context) }
    let stream = (heldOut.count - 1) / streams
    var length = min(stream, 128)
    guard length > 0 else { throw tooShort(streams + 1) }
    var state = try model.zeroState(streams)
    var (first, sum) = (0, 0.0)
    while first < stream {
      length = min(length, stream - first)
      let (tokens, targets) = try heldOut.window(
        at: (0..<streams).map { $0 * stream + first }, length: length)
      let results = try measuring(length, streams).run([tokens, targets] + state)
      sum += results[0].doubles.reduce(0, +)
      state = Array(results[1...])
      first += length
    }
    return sum / Double(stream * streams) / naturalLogarithmOf2
  }

  private func windowedBits(_ context: Int) throws -> Double {
    let count = heldOut.count - 1
    guard count > 0 else { throw tooShort(2) }
    let length = min(context, count)
    let half = max(1, length / 2)
    // The last window ends with the text, and may overlap by more.
    var starts = Array(stride(from: 0, through: count - length, by: half))
    if let last = starts.last, last + length < count { starts.append(count - length) }
    let rows = min(16, starts.count)
    var (sum, counted) = (0.0, 0)
    for first in stride(from: 0, to: starts.count, by: rows) {
      // A batch that is not full repeats its last window, which then counts nothing.
      let batch = (0..<rows).map { starts[min(first + $0, starts.count - 1)] }
      let (tokens, targets) = try heldOut.window(at: batch, length: length)
      let losses = try measuring(length, rows).run([tokens, targets])[0].doubles
      for (row, start) in batch.enumerated() {
        guard start + length > counted else { continue }
        for t in max(0, counted - start)..<length { sum += losses[t * rows + row] }
        counted = start + length
      }
    }
    return sum / Double(count) / naturalLogarithmOf2
  }

  private func tooShort(_ least: Int) -> DataError {
    DataError(
      .outOfRange, "the held-out text is too short to measure", at: heldOut.name,
      got: "\(heldOut.count) characters", expected: "at least \(least)")
  }

  /// The loss of each character of pieces of a text, `[T, B]`, and the state behind them.
  private func measuring(_ length: Int, _ streams: Int) throws -> Function {
    let key = [length, streams]
    if let known = measures[key] { return known }
    let model = model
    let spec = TensorSpec([length, streams], .int32, name: "tokens")
    let targets = TensorSpec([length, streams], .int32, name: "targets")
    let carried = model.carriedSpecs(streams)
    let function = try compile([spec, targets] + carried, options: options) { inputs in
      let state = carried.isEmpty ? nil : Array(inputs[2...])
      let made = model.run(inputs[0], state: state, position: nil)
      return [
        softmaxCrossEntropy(logits: made.logits, labels: inputs[1], reduction: .none)
      ] + made.state
    }
    measures[key] = function
    return function
  }
}
