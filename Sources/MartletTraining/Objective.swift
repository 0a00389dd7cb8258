// What a training loop minimises, and what it measures beside it.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// A loss in a trace, with the outputs and targets that metrics are computed from.
///
///     Objective(loss: softmaxCrossEntropy(logits: logits, labels: y), outputs: logits, targets: y)
///
/// Several losses over a shared trunk make one objective:
///
///     Objective([
///       .init("digit", softmaxCrossEntropy(logits: digit, labels: y[1]), outputs: digit, targets: y[1]),
///       .init("parity", sigmoidCrossEntropy(logits: parity, targets: y[2]), weight: 0.3),
///     ])
public struct Objective {
  /// One of several losses.
  public struct Term {
    /// What it is called; its mean is the measure `NAME loss`.
    public var name: String
    /// The loss, a scalar: a mean over the batch.
    public var loss: Tensor
    /// Its share in the sum that is minimised.
    public var weight: Double
    /// What the model says, `[B, …]`; nil where no metric reads it.
    public var outputs: Tensor?
    /// What it should say, `[B, …]`.
    public var targets: Tensor?

    /// A loss with its share, and what metrics of this name read.
    public init(
      _ name: String, _ loss: Tensor, weight: Double = 1, outputs: Tensor? = nil,
      targets: Tensor? = nil
    ) {
      self.name = name
      self.loss = loss
      self.weight = weight
      self.outputs = outputs
      self.targets = targets
    }
  }

  /// What is minimised, a scalar: a mean over the batch.
  public let loss: Tensor
  /// The losses that it is the weighted sum of; one without a name where it is no sum.
  public let terms: [Term]

  /// One loss, and what metrics read.
  public init(loss: Tensor, outputs: Tensor? = nil, targets: Tensor? = nil) {
    self.loss = loss
    terms = [Term("", loss, outputs: outputs, targets: targets)]
  }

  /// The weighted sum of several losses; there must be at least one.
  ///
  /// - Throws: ``RunError`` without terms, and for two of one name.
  public init(_ terms: [Term]) throws(RunError) {
    guard let first = terms.first else {
      throw RunError(.input, "an objective without a loss", at: "training")
    }
    var names: Set<String> = []
    for term in terms where term.name.isEmpty || !names.insert(term.name).inserted {
      throw RunError(
        .input, "the losses of an objective need names of their own, got '\(term.name)'",
        at: "training")
    }
    self.terms = terms
    loss = terms.dropFirst().reduce(Objective.scaled(first)) { $0 + Objective.scaled($1) }
  }

  private static func scaled(_ term: Term) -> Tensor {
    term.weight == 1 ? term.loss : term.loss * term.weight
  }
}

/// What a program over an objective gives beside the loss, found while it was traced.
struct ObjectiveLayout {
  /// Where an array of a batch comes from.
  enum Source: Equatable {
    /// The batch itself.
    case field(Int)
    /// A result of the program.
    case result(String)
  }
  struct Head {
    var name: String
    var outputs: Source
    var targets: Source
  }
  /// The names of losses that are measured one by one.
  var terms: [String] = []
  var heads: [Head] = []

  init() {}

  /// The results by name, and where to find everything again.
  init(_ objective: Objective, inputs: [Tensor], results: inout [String: Tensor], heads: Bool) {
    func source(_ x: Tensor, _ name: String) -> Source {
      if let field = inputs.firstIndex(where: { $0.value != nil && $0.value == x.value }) {
        return .field(field)
      }
      results[name] = x
      return .result(name)
    }
    for (index, term) in objective.terms.enumerated() {
      if !term.name.isEmpty {
        terms.append(term.name)
        results["loss.\(term.name)"] = term.loss
      }
      if heads, let outputs = term.outputs, let targets = term.targets {
        self.heads.append(
          Head(
            name: term.name, outputs: source(outputs, "outputs\(index)"),
            targets: source(targets, "targets\(index)")))
      }
    }
  }

  func array(_ source: Source, _ batch: [NDArray], _ results: [String: NDArray]) -> NDArray? {
    switch source {
    case .field(let index): batch[index]
    case .result(let name): results[name]
    }
  }

  /// What the metrics of a head read.
  func predictions(
    of head: String?, _ batch: [NDArray], _ results: [String: NDArray]
  ) throws(RunError) -> Predictions {
    guard let found = head.map({ name in heads.first { $0.name == name } }) ?? heads.first,
      let outputs = array(found.outputs, batch, results),
      let targets = array(found.targets, batch, results)
    else {
      throw RunError(
        .input, "a metric needs outputs and targets" + (head.map { " of '\($0)'" } ?? ""),
        at: "training",
        hint: heads.isEmpty
          ? "give the objective outputs and targets"
          : "the objective has " + heads.map { "'\($0.name)'" }.joined(separator: ", "))
    }
    return try Predictions(outputs: outputs, targets: targets)
  }
}
