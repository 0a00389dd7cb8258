// Decoders against brute force on small vocabularies.

import MartletExecution
import MartletIR
import MartletNN
import MartletTestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Logits that depend on the last two tokens and the place: nothing a beam could guess.
private func logits(_ tokens: [Int32], vocabulary: Int) -> [Float] {
  let last = Int(tokens.last ?? 7)
  let before = Int(tokens.dropLast().last ?? 5)
  return (0..<vocabulary).map { token in
    let x = Double(token * 31 + last * 17 + before * 7 + tokens.count * 3)
    return Float(2.5 * sin(x * 1.37))
  }
}

private func logSoftmax(_ row: [Float]) -> [Double] {
  let sum = row.reduce(0.0) { $0 + exp(Double($1)) }
  return row.map { Double($0) - log(sum) }
}

/// Every text that ends with the mark or has the full length, best first.
private func allTexts(
  vocabulary: Int, length: Int, end: Int32?, alpha: Double
) -> [(tokens: [Int32], logProbability: Double, score: Double)] {
  var found: [(tokens: [Int32], logProbability: Double, score: Double)] = []
  func extend(_ tokens: [Int32], _ sum: Double) {
    if tokens.count == length || (end != nil && tokens.last == end) {
      found.append((tokens, sum, sum / pow(Double(tokens.count), alpha)))
      return
    }
    for (token, p) in logSoftmax(logits(tokens, vocabulary: vocabulary)).enumerated() {
      extend(tokens + [Int32(token)], sum + p)
    }
  }
  extend([], 0)
  return found.sorted { $0.score > $1.score }
}

@Suite struct DecodingTests {
  @Test(
    arguments: [(3, 5, nil, 0.0), (3, 5, 0, 0.0), (3, 5, 0, 0.7), (4, 4, 2, 1.3), (2, 7, 1, 1)]
      as [(Int, Int, Int32?, Double)])
  func wideBeamsFindWhatEnumerationFinds(
    _ vocabulary: Int, _ length: Int, _ end: Int32?, _ alpha: Double
  ) throws {
    let expected = allTexts(vocabulary: vocabulary, length: length, end: end, alpha: alpha)
    let search = try BeamSearch(
      width: expected.count, maximumLength: length, end: end, lengthNormalization: alpha)
    let found = try search.run(from: ()) { branches in
      branches.map { (logits($0.tokens, vocabulary: vocabulary), ()) }
    }
    #expect(found.map(\.tokens) == expected.map(\.tokens))
    for (a, b) in zip(found, expected) {
      #expect(abs(a.logProbability - b.logProbability) < 1e-9)
      #expect(abs(a.score - b.score) < 1e-9)
      #expect(a.isFinished == (end != nil && a.tokens.last == end))
    }
  }

  /// The textbook's search, written down step by step, at widths that prune.
  @Test(arguments: [1, 2, 3, 5], [0.0, 0.8]) func narrowBeamsKeepTheBest(
    _ width: Int, _ alpha: Double
  ) throws {
    let (vocabulary, length, end) = (4, 6, Int32(3))
    var open: [(tokens: [Int32], sum: Double)] = [([], 0)]
    var finished: [(tokens: [Int32], score: Double)] = []
    for step in 1...length {
      let all = open.flatMap { branch in
        logSoftmax(logits(branch.tokens, vocabulary: vocabulary)).enumerated().map {
          (tokens: branch.tokens + [Int32($0)], sum: branch.sum + $1)
        }
      }.sorted { $0.sum > $1.sum }.prefix(2 * width)
      finished += all.filter { $0.tokens.last == end }
        .map { ($0.tokens, $0.sum / pow(Double(step), alpha)) }
      open = Array(all.filter { $0.tokens.last != end }.prefix(width))
    }
    finished += open.map { ($0.tokens, $0.sum / pow(Double(length), alpha)) }
    let expected = finished.sorted { $0.score > $1.score }.prefix(width)
    var calls = 0
    let found = try BeamSearch(
      width: width, maximumLength: length, end: end, lengthNormalization: alpha
    ).run(from: 0) { branches in
      calls += 1
      #expect(branches.count <= width)
      // The state is what the last answer gave: here the number of tokens.
      for branch in branches { #expect(branch.state == branch.tokens.count) }
      return branches.map { (logits($0.tokens, vocabulary: vocabulary), $0.state + 1) }
    }
    #expect(found.map(\.tokens) == expected.map(\.tokens))
    #expect(calls <= length)
  }

  @Test func greedyTakesTheLargest() throws {
    #expect(try TokenSampler.greedy.token([0, 3, 3, -1], position: 9) == 1)
    #expect(try TokenSampler(temperature: 0, topP: 0.1).token([-9, -3], position: 0) == 1)
    let one = try BeamSearch(width: 1, maximumLength: 5).run(from: ()) { branches in
      branches.map { (logits($0.tokens, vocabulary: 5), ()) }
    }
    var tokens: [Int32] = []
    for position in 0..<5 {
      tokens.append(
        Int32(
          try TokenSampler.greedy.token(logits(tokens, vocabulary: 5), position: position)))
    }
    #expect(one.map(\.tokens) == [tokens])
  }

  @Test func limitsAreThoseOfEnumeration() throws {
    let row: [Float] = [0.3, 2, -1, 1.5, 2, .init(-Float.infinity)]
    let whole = row.map { exp(Double($0) / 0.7) }
    func expect(_ sampler: TokenSampler, _ kept: Set<Int>) throws {
      let sum = kept.reduce(0) { $0 + whole[$1] }
      for (token, p) in try sampler.probabilities(row).enumerated() {
        #expect(abs(p - (kept.contains(token) ? whole[token] / sum : 0)) < 1e-12)
      }
    }
    try expect(TokenSampler(temperature: 0.7), [0, 1, 2, 3, 4])
    try expect(TokenSampler(temperature: 0.7, topK: 1), [1])
    try expect(TokenSampler(temperature: 0.7, topK: 3), [1, 3, 4])
    // The smallest set of the likeliest that has the share, found by trying all sizes.
    let order = [1, 4, 3, 0, 2]
    for share in [0.05, 0.3, 0.38, 0.5, 0.75, 0.9, 0.96, 0.99, 1] {
      let total = whole.reduce(0, +)
      let size = try #require(
        (1...5).first { n in
          order.prefix(n).reduce(0) { $0 + whole[$1] } >= share * total * (1 - 1e-12)
        })
      try expect(TokenSampler(temperature: 0.7, topP: share), Set(order.prefix(size)))
    }
    // Of the three largest, the fewest that have half of what the three have.
    try expect(TokenSampler(temperature: 0.7, topK: 3, topP: 0.5), [1, 4])
  }

  @Test func drawsFollowTheProbabilities() throws {
    let row: [Float] = [0, 1, -0.5, 2]
    let sampler = try TokenSampler(temperature: 1.3, seed: 11)
    let probabilities = try sampler.probabilities(row)
    var counts = [Double](repeating: 0, count: 4)
    let n = 20_000
    for position in 0..<n { counts[try sampler.token(row, position: position)] += 1 }
    // χ² with 3 degrees of freedom: above 16.3 once in a thousand; the seed is fixed.
    let chi = zip(counts, probabilities).reduce(0) {
      $0 + ($1.0 - Double(n) * $1.1) * ($1.0 - Double(n) * $1.1) / (Double(n) * $1.1)
    }
    #expect(chi < 16.3)
    let again = try TokenSampler(temperature: 1.3, seed: 11)
    let other = try TokenSampler(temperature: 1.3, seed: 12)
    let first = try (0..<50).map { try sampler.token(row, position: $0) }
    #expect(try (0..<50).map { try again.token(row, position: $0) } == first)
    #expect(try (0..<50).map { try other.token(row, position: $0) } != first)
  }

  @Test func badInputIsNamed() {
    #expect(throws: RunError.self) { try TokenSampler(temperature: -1) }
    #expect(throws: RunError.self) { try TokenSampler(temperature: .nan) }
    #expect(throws: RunError.self) { try TokenSampler(topK: 0) }
    #expect(throws: RunError.self) { try TokenSampler(topP: 0) }
    #expect(throws: RunError.self) { try TokenSampler(topP: 1.5) }
    #expect(throws: RunError.self) { try TokenSampler.greedy.token([], position: 0) }
    #expect(throws: RunError.self) { try TokenSampler.greedy.token([0, .nan], position: 0) }
    #expect(throws: RunError.self) { try TokenSampler.greedy.token([.infinity], position: 0) }
    #expect(throws: RunError.self) { try TokenSampler().token([-.infinity], position: 0) }
    #expect(throws: RunError.self) { try BeamSearch(width: 0, maximumLength: 3) }
    #expect(throws: RunError.self) { try BeamSearch(width: 1, maximumLength: 0) }
    #expect(throws: RunError.self) {
      try BeamSearch(width: 2, maximumLength: 3).run(from: ()) { _ in [] }
    }
    #expect(throws: RunError.self) {
      try BeamSearch(width: 2, maximumLength: 3).run(from: ()) { $0.map { _ in ([.nan], ()) } }
    }
  }
}
