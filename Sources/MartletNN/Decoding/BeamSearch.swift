// Beam search: the likeliest texts of a model that tells the next token, several at a time.

import MartletExecution
import MartletIR
import MartletOps

/// A text that a beam search found.
public struct Hypothesis: Hashable, Sendable {
  /// The tokens, the end mark included where it was reached.
  public let tokens: [Int32]
  /// Σ ln p of the tokens.
  public let logProbability: Double
  /// `logProbability / tokens.count^lengthNormalization`, what hypotheses are ranked by.
  public let score: Double
  /// Whether the end mark was reached.
  public let isFinished: Bool
}

/// Keeps the `width` likeliest beginnings from token to token.
///
///     let search = try BeamSearch(width: 4, maximumLength: 80, end: 0, lengthNormalization: 0.7)
///     let found = try search.run(from: state) { branches in … }   // best first
///
/// A hypothesis ends with the mark `end`, or at the maximum length. Long texts have more factors below
/// 1: with length normalization α their log-probability is divided by length^α (Wu et al.,
/// arXiv:1609.08144, without its constant); α = 0 ranks by probability. The search stops early where
/// nothing that is still open can get among the best.
public struct BeamSearch: Hashable, Sendable {
  /// B, the number of hypotheses that are kept, and returned.
  public let width: Int
  /// The most tokens of a hypothesis.
  public let maximumLength: Int
  /// The token that ends a text, if one does.
  public let end: Int32?
  /// α
  public let lengthNormalization: Double

  /// A beginning that is still open.
  public struct Branch<State> {
    /// Its tokens so far; empty in the first step.
    public let tokens: [Int32]
    /// What the model returned for the branch without its last token.
    public let state: State
  }

  /// A search.
  ///
  /// - Throws: ``RunError`` unless width and length are at least 1 and α is finite and at least 0.
  public init(
    width: Int, maximumLength: Int, end: Int32? = nil, lengthNormalization: Double = 0
  ) throws(RunError) {
    guard (1...(1 << 16)).contains(width), (1...(1 << 24)).contains(maximumLength),
      lengthNormalization.isFinite, lengthNormalization >= 0
    else {
      throw RunError(
        .input,
        "a width of \(width), \(maximumLength) tokens, length normalization \(lengthNormalization)",
        at: "BeamSearch", hint: "expected at least 1, at least 1, and a finite number from 0")
    }
    self.width = width
    self.maximumLength = maximumLength
    self.end = end
    self.lengthNormalization = lengthNormalization
  }

  private struct Open<State> {
    var tokens: [Int32]
    var logProbability: Double
    var state: State
  }

  /// The best hypotheses, best first: `width` of them, or all there are.
  ///
  /// `next` gets all open branches at once, and returns for each the logits of its next token and
  /// the state behind its last one; in the first step there is one branch, without tokens and with
  /// the state given here.
  ///
  /// - Throws: What `next` throws; ``RunError`` where it returns another number of branches, logits
  ///   that differ in number, NaN or +∞.
  public func run<State>(
    from state: State,
    next: (_ branches: [Branch<State>]) throws -> [(logits: [Float], state: State)]
  ) throws -> [Hypothesis] {
    var open = [Open(tokens: [], logProbability: 0, state: state)]
    var finished: [Hypothesis] = []
    for length in 1...maximumLength {
      let answers = try next(open.map { Branch(tokens: $0.tokens, state: $0.state) })
      guard answers.count == open.count,
        answers.allSatisfy({ $0.logits.count == answers[0].logits.count })
      else {
        throw RunError(
          .input, "\(answers.count) answers for \(open.count) branches, or logits of several sizes",
          at: "BeamSearch", hint: "one answer for each branch, in order")
      }
      let candidates = try extended(open, answers.map(\.logits))
      var following: [Open<State>] = []
      for candidate in candidates {
        let token = Int32(candidate.token)
        let tokens = open[candidate.branch].tokens + [token]
        if token == end {
          finished.append(hypothesis(tokens, candidate.logProbability, isFinished: true))
        } else if following.count < width {
          following.append(
            Open(
              tokens: tokens, logProbability: candidate.logProbability,
              state: answers[candidate.branch].state))
        }
      }
      finished = Array(finished.sorted(by: BeamSearch.isBetter).prefix(width))
      if length == maximumLength {
        finished += following.map { hypothesis($0.tokens, $0.logProbability, isFinished: false) }
        break
      }
      open = following
      // A log-probability only falls; divided by the greatest length it is a bound of all that follows.
      let bound = open.map { normalized($0.logProbability, maximumLength) }.max()
      guard let bound else { break }
      if finished.count == width, let worst = finished.last, worst.score >= bound { break }
    }
    return Array(finished.sorted(by: BeamSearch.isBetter).prefix(width))
  }

  /// The likeliest extensions: enough that `width` stay open however many of them end.
  private func extended<State>(
    _ open: [Open<State>], _ logits: [[Float]]
  ) throws(RunError) -> [(branch: Int, token: Int, logProbability: Double)] {
    var all: [(branch: Int, token: Int, logProbability: Double)] = []
    for (branch, row) in logits.enumerated() {
      let base = open[branch].logProbability
      for (token, logProbability) in try MartletNN.logProbabilities(row, at: "BeamSearch")
        .enumerated() where logProbability > -.infinity
      { all.append((branch, token, base + logProbability)) }
    }
    all.sort {
      ($1.logProbability, $0.branch, $0.token) < ($0.logProbability, $1.branch, $1.token)
    }
    return Array(all.prefix(2 * width))
  }

  private func normalized(_ logProbability: Double, _ length: Int) -> Double {
    lengthNormalization == 0
      ? logProbability : logProbability / LibM.pow(Double(length), lengthNormalization)
  }

  private func hypothesis(
    _ tokens: [Int32], _ logProbability: Double, isFinished: Bool
  ) -> Hypothesis {
    Hypothesis(
      tokens: tokens, logProbability: logProbability,
      score: normalized(logProbability, tokens.count), isFinished: isFinished)
  }

  private static func isBetter(_ a: Hypothesis, _ b: Hypothesis) -> Bool {
    a.score != b.score
      ? a.score > b.score : a.tokens.lexicographicallyPrecedes(b.tokens)
  }
}
