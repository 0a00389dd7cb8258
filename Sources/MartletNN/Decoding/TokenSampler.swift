// The next token from a model's logits: the largest, or a draw that depends on (seed, position) alone.

import MartletExecution
import MartletIR
import MartletOps

/// How the next token is chosen from a model's logits.
///
///     let sampler = try TokenSampler(temperature: 0.8, topK: 40, topP: 0.95, seed: 7)
///     let token = try sampler.token(logits, position: 12)
///
/// The logits are divided by the temperature; the `topK` largest stay; of these, the fewest that have
/// `topP` of the probability stay (nucleus sampling: Holtzman et al., arXiv:1904.09751). A draw is a
/// function of (seed, position): the same text comes again, however it is cut into calls.
/// Temperature 0 takes the largest logit, the first of equal ones.
public struct TokenSampler: Hashable, Sendable {
  /// What logits are divided by; 0 for the largest logit.
  public let temperature: Double
  /// The number of tokens that may be drawn; nil for all.
  public let topK: Int?
  /// The share of probability that may be drawn; nil for all of it.
  public let topP: Double?
  /// Another seed draws another text.
  public let seed: UInt64

  /// The largest logit, always.
  public static let greedy = TokenSampler()

  private init() {
    temperature = 0
    topK = nil
    topP = nil
    seed = 0
  }

  /// A sampler.
  ///
  /// - Throws: ``RunError`` unless the temperature is finite and at least 0, `topK` at least 1 and
  ///   `topP` above 0 and at most 1.
  public init(
    temperature: Double = 1, topK: Int? = nil, topP: Double? = nil, seed: UInt64 = 0
  ) throws(RunError) {
    guard temperature.isFinite, temperature >= 0 else {
      throw RunError(
        .input, "the temperature is \(temperature), expected a finite number of at least 0",
        at: "TokenSampler", hint: "0 takes the likeliest token, 1 draws as the model says")
    }
    if let topK, topK < 1 {
      throw RunError(
        .input, "topK is \(topK), expected at least 1", at: "TokenSampler",
        hint: "nil draws from all tokens")
    }
    if let topP, !(topP > 0 && topP <= 1) {
      throw RunError(
        .input, "topP is \(topP), expected a number above 0, at most 1", at: "TokenSampler",
        hint: "nil draws from all tokens")
    }
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
  }

  /// The probabilities that tokens are drawn with; zeros where topK or topP leave one out.
  ///
  /// - Throws: ``RunError`` where there are no logits, one is NaN or +∞, or all are −∞.
  public func probabilities(_ logits: [Float]) throws(RunError) -> [Double] {
    var result = [Double](repeating: 0, count: logits.count)
    for (token, probability) in try ranked(logits) { result[token] = probability }
    return result
  }

  /// The token at a position of the text.
  ///
  /// - Throws: ``RunError`` where there are no logits, one is NaN or +∞, or all are −∞.
  public func token(_ logits: [Float], position: Int) throws(RunError) -> Int {
    let ranked = try ranked(logits)
    let draw = Philox(
      seed: Int64(bitPattern: seed), step: Int64(position), stream: 0x7e47
    ).uniform(0, .float64)
    var sum = 0.0
    for (token, probability) in ranked {
      sum += probability
      if draw < sum { return token }
    }
    // Rounding may leave the sum just below 1.
    return ranked[ranked.count - 1].token
  }

  /// The tokens that may be drawn, the likeliest first; of equal ones the first. Never empty.
  private func ranked(
    _ logits: [Float]
  ) throws(RunError) -> [(token: Int, probability: Double)] {
    let largest = try checkedMaximum(of: logits, at: "TokenSampler")
    if temperature == 0 { return [(logits.firstIndex(of: largest) ?? 0, 1)] }
    var order = Array(logits.indices)
    // Sorting is by far the most of it; without limits any order draws alike.
    if topK != nil || topP != nil {
      order.sort { (logits[$1], $0) < (logits[$0], $1) }
    }
    if let topK { order = Array(order.prefix(topK)) }
    var weights = order.map { LibM.exp((Double(logits[$0]) - Double(largest)) / temperature) }
    var total = weights.reduce(0, +)
    if let topP, topP < 1 {
      var (sum, count) = (0.0, 0)
      repeat {
        sum += weights[count]
        count += 1
      } while count < weights.count && sum < topP * total
      order.removeSubrange(count...)
      weights.removeSubrange(count...)
      total = sum
    }
    return zip(order, weights).map { ($0, $1 / total) }
  }
}

/// The largest of logits that a distribution can be made of.
func checkedMaximum(of logits: [Float], at place: String) throws(RunError) -> Float {
  var largest = -Float.infinity
  for (token, logit) in logits.enumerated() {
    guard !logit.isNaN, logit < .infinity else {
      throw RunError(
        .nonFinite, "the logit of token \(token) is \(logit)", at: place,
        hint: "CompileOptions.stopsAtNonFinite names the operation that gave it")
    }
    largest = max(largest, logit)
  }
  guard largest > -.infinity else {
    throw RunError(
      .nonFinite, logits.isEmpty ? "there are no logits" : "all logits are -inf", at: place,
      hint: "a distribution needs a token that may be drawn")
  }
  return largest
}

/// ln softmax, in double precision.
func logProbabilities(_ logits: [Float], at place: String) throws(RunError) -> [Double] {
  let largest = Double(try checkedMaximum(of: logits, at: place))
  let sum = logits.reduce(0.0) { $0 + LibM.exp(Double($1) - largest) }
  let logSum = largest + LibM.log(sum)
  return logits.map { Double($0) - logSum }
}
