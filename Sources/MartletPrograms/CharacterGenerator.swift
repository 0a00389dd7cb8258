// Text from a character model, one character after the other.

import MartletData
import MartletExecution
import MartletIR
import MartletNN

/// Continues texts with a trained character model.
package final class CharacterGenerator {
  /// What a model has read: of one with a context its last characters, whose keys and values are in
  /// the arrays.
  private struct Past {
    var seen: [Int32] = []
    var arrays: [NDArray]
  }

  private let saved: SavedCharacterModel
  private let options: CompileOptions
  private var programs: [[Int]: Function] = [:]

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
    let tokens = try encoded(prompt)
    if let model = saved.model as? TransformerCharacterModel {
      let decoder = CachedDecoder(model, options: options)
      return try continued(tokens, length, sampler, emit) { try decoder.next($0) }
    }
    var past = Past(arrays: try saved.model.zeroState(1))
    try continued(tokens, length, sampler, emit) { token in
      let next = try step([token], [past])[0]
      past = next.past
      return next.logits
    }
  }

  private func continued(
    _ prompt: [Int32], _ length: Int, _ sampler: TokenSampler, _ emit: (String) -> Void,
    next: (Int32) throws -> [Float]
  ) throws {
    var logits: [Float] = []
    for token in prompt { logits = try next(token) }
    for position in 0..<length {
      let token = try sampler.token(logits, position: position)
      emit(saved.vocabulary.values[token])
      if position < length - 1 { logits = try next(Int32(token)) }
    }
  }

  /// The likeliest continuations of a prompt, best first.
  package func beam(_ prompt: String, _ search: BeamSearch) throws -> [(text: String, Hypothesis)] {
    var past = Past(arrays: try saved.model.zeroState(1))
    var logits: [Float] = []
    for token in try encoded(prompt) { (logits, past) = try step([token], [past])[0] }
    let first = [(logits: logits, state: past)]
    let found = try search.run(from: past) { branches in
      guard !branches[0].tokens.isEmpty else { return first }
      return try step(
        branches.map { $0.tokens[$0.tokens.count - 1] }, branches.map(\.state)
      ).map { (logits: $0.logits, state: $0.past) }
    }
    return found.map { hypothesis in
      (hypothesis.tokens.map { saved.vocabulary.values[Int($0)] }.joined(), hypothesis)
    }
  }

  /// The characters of a prompt, a line break for none; of a long one those that the model can see.
  private func encoded(_ prompt: String) throws -> [Int32] {
    let tokens = try saved.vocabulary.encode(prompt, at: "the prompt")
    if tokens.isEmpty { return [Int32(saved.vocabulary.index(of: "\n") ?? 0)] }
    return saved.model.context.map { Array(tokens.suffix($0)) } ?? tokens
  }

  /// One character of each text: the logits of the next, and the past with it.
  private func step(
    _ tokens: [Int32], _ pasts: [Past]
  ) throws -> [(logits: [Float], past: Past)] {
    let count = tokens.count
    var seen = zip(tokens, pasts).map { saved.model.context == nil ? [] : $1.seen + [$0] }
    var arrays = try stacked(pasts.map(\.arrays))
    var (new, position) = (tokens, pasts[0].seen.count)
    // A full context: the later half is read again from its beginning. Texts are of one length here.
    if let context = saved.model.context, position == context {
      let kept = max(1, context / 2)
      seen = seen.map { Array($0.suffix(kept)) }
      new = (0..<kept).flatMap { t in seen.map { $0[t] } }
      arrays = try saved.model.zeroState(count)
      position = 0
    }
    let length = new.count / count
    var inputs = [try NDArray(new, shape: [length, count])]
    if saved.model.context != nil {
      inputs.append(try NDArray([Int32](repeating: Int32(position), count: count)))
    }
    let results = try program(length, count).run(inputs + arrays)
    let logits = results[0].floats
    let width = saved.vocabulary.count
    return try (0..<count).map { row in
      let from = ((length - 1) * count + row) * width
      let own =
        count == 1 ? Array(results[1...]) : try results[1...].map { try $0.rows(row..<(row + 1)) }
      return (Array(logits[from..<(from + width)]), Past(seen: seen[row], arrays: own))
    }
  }

  /// Rows of states one below the other.
  private func stacked(_ states: [[NDArray]]) throws -> [NDArray] {
    guard states.count > 1 else { return states[0] }
    return try states[0].indices.map { index in
      let rows = states.map { $0[index].floats }
      let shape = Shape([states.count] + states[0][index].shape.dimensions.dropFirst())
      return try NDArray(rows.flatMap { $0 }, shape: shape)
    }
  }

  private func program(_ length: Int, _ count: Int) throws -> Function {
    if let known = programs[[length, count]] { return known }
    let model = saved.model
    var specs = [TensorSpec([length, count], .int32, name: "tokens")]
    if model.context != nil { specs.append(TensorSpec([count], .int32, name: "position")) }
    let fixed = specs.count
    let function = try compile(specs + model.stateSpecs(count), options: options) { inputs in
      let made = model.run(
        inputs[0], state: Array(inputs[fixed...]), position: fixed > 1 ? inputs[1] : nil)
      return [made.logits] + made.state
    }
    programs[[length, count]] = function
    return function
  }
}

/// A transformer that reads one character after the other: the keys and values of those before stay in
/// its state, so that a step costs one character's products and a pass over the cache.
package final class CachedDecoder {
  private let network: TransformerLanguageModel
  private let caches: [KeyValueCache]
  private let options: CompileOptions
  private var programs: [Int: Function] = [:]
  private var seen: [Int32] = []

  package init(_ model: TransformerCharacterModel, options: CompileOptions) {
    network = model.network
    caches = network.blocks.map {
      KeyValueCache($0.attention, batches: 1, capacity: model.network.positions.capacity)
    }
    self.options = options
  }

  /// The logits of the character behind one more.
  ///
  /// Where the context is full, the later half of it is read again from its beginning, in one go.
  package func next(_ token: Int32) throws -> [Float] {
    let capacity = network.positions.capacity
    seen.append(token)
    guard seen.count > capacity else { return try read([token], at: seen.count - 1) }
    seen = Array(seen.suffix(max(1, capacity / 2)))
    return try read(seen, at: 0)
  }

  private func read(_ tokens: [Int32], at position: Int) throws -> [Float] {
    let count = tokens.count
    let results = try program(count).run([
      try NDArray(tokens, shape: [1, count]), try NDArray(scalar: Int32(position)),
    ])
    return results[0].floats
  }

  /// Logits of the last of `count` characters.
  private func program(_ count: Int) throws -> Function {
    if let known = programs[count] { return known }
    let (network, caches) = (network, caches)
    let specs = [
      TensorSpec([1, count], .int32, name: "tokens"), TensorSpec([], .int32, name: "position"),
    ]
    let function = try compile(specs, options: options) { inputs in
      let made = network(
        inputs[0], caches: caches.map { $0.read(in: inputs[0]) }, position: inputs[1])
      for (cache, new) in zip(caches, made.caches) { cache.write(new) }
      return [made.logits.sliced((count - 1)..<count, axis: 1)]
    }
    programs[count] = function
    return function
  }
}
