// Text from a character model, one character after the other.

import MartletData
import MartletExecution
import MartletIR
import MartletNN

/// Continues texts with a trained character model.
package final class CharacterGenerator {
  private let saved: SavedCharacterModel
  private let options: CompileOptions
  private var programs: [Int: Function] = [:]

  package init(_ saved: SavedCharacterModel, options: CompileOptions) {
    self.saved = saved
    self.options = options
  }

  /// What follows a prompt.
  ///
  /// - Parameters:
  ///   - prompt: The text before; empty for a line break.
  ///   - length: The number of characters to draw.
  ///   - emit: Gets each character when it is drawn.
  /// - Throws: ``DataError`` for a prompt with a character that the model does not know.
  package func sample(
    _ prompt: String, length: Int, with sampler: TokenSampler, emit: (String) -> Void
  ) throws {
    var (logits, state) = try read(prompt)
    for position in 0..<length {
      let token = try sampler.token(logits, position: position)
      emit(saved.vocabulary.values[token])
      if position == length - 1 { break }
      let next = try step([Int32(token)], state)
      (logits, state) = (next[0].logits, next[0].state)
    }
  }

  /// The likeliest continuations of a prompt, best first.
  package func beam(_ prompt: String, _ search: BeamSearch) throws -> [(text: String, Hypothesis)] {
    let first = try read(prompt)
    let found = try search.run(from: first.state) { branches in
      guard !branches[0].tokens.isEmpty else { return [first] }
      return try step(
        branches.map { $0.tokens[$0.tokens.count - 1] }, stacked(branches.map(\.state)))
    }
    return found.map { hypothesis in
      (hypothesis.tokens.map { saved.vocabulary.values[Int($0)] }.joined(), hypothesis)
    }
  }

  /// Logits and state, one row each, behind a prompt.
  private func read(_ prompt: String) throws -> (logits: [Float], state: [NDArray]) {
    var tokens = try saved.vocabulary.encode(prompt, at: "the prompt")
    if tokens.isEmpty { tokens = [Int32(saved.vocabulary.index(of: "\n") ?? 0)] }
    var state = try saved.model.zeroState(1)
    var logits: [Float] = []
    for token in tokens {
      let next = try step([token], state)
      (logits, state) = (next[0].logits, next[0].state)
    }
    return (logits, state)
  }

  /// One character of each text: its logits and state.
  private func step(
    _ tokens: [Int32], _ state: [NDArray]
  ) throws -> [(logits: [Float], state: [NDArray])] {
    let count = tokens.count
    let results = try program(count).run([try NDArray(tokens, shape: [1, count])] + state)
    let logits = results[0].floats
    let width = saved.vocabulary.count
    return try (0..<count).map { row in
      (
        Array(logits[(row * width)..<((row + 1) * width)]),
        count == 1 ? Array(results[1...]) : try results[1...].map { try $0.rows(row..<(row + 1)) }
      )
    }
  }

  /// Rows of states one below the other.
  private func stacked(_ states: [[NDArray]]) throws -> [NDArray] {
    guard states.count > 1 else { return states[0] }
    return try states[0].indices.map { index in
      let rows = states.map { $0[index].floats }
      return try NDArray(rows.flatMap { $0 }, shape: [states.count, rows[0].count])
    }
  }

  private func program(_ count: Int) throws -> Function {
    if let known = programs[count] { return known }
    let model = saved.model
    let tokens = TensorSpec([1, count], .int32, name: "tokens")
    let function = try compile([tokens] + model.stateSpecs(count), options: options) { inputs in
      let made = model.run(inputs[0], state: Array(inputs[1...]))
      return [made.logits] + made.state
    }
    programs[count] = function
    return function
  }
}
