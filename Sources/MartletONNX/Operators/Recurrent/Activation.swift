import MartletOps

/// An activation of a recurrent operator, with its numbers.
struct Activation: Sendable {
  let name: String
  let alpha: Double
  let beta: Double

  /// Activations that take numbers, with what they are if not given.
  private static let numbers: [String: (alpha: Double?, beta: Double?)] = [
    "affine": (1, 0), "leakyrelu": (0.01, nil), "thresholdedrelu": (1, nil),
    "scaledtanh": (1, 1), "hardsigmoid": (0.2, 0.5), "elu": (1, nil),
  ]
  private static let plain = ["relu", "tanh", "sigmoid", "softsign", "softplus"]

  /// The activations of all directions. Given numbers go to those that take some, in order.
  static func read(
    _ node: NodeContext, _ defaults: [String], directions: Int
  ) throws -> [Activation] {
    var names = try node.strings("activations") ?? []
    if names.isEmpty { names = (0..<directions).flatMap { _ in defaults } }
    guard names.count == defaults.count * directions else {
      throw node.invalid("\(names.count) activations, not \(defaults.count * directions)")
    }
    var alphas = try node.floats("activation_alpha") ?? []
    var betas = try node.floats("activation_beta") ?? []
    return try names.map { spelled in
      let name = spelled.lowercased()
      let taken = numbers[name]
      guard taken != nil || plain.contains(name) else {
        throw node.invalid("the activation '\(printable(spelled))'")
      }
      var (alpha, beta) = (taken?.alpha ?? 0, taken?.beta ?? 0)
      if taken?.alpha != nil, !alphas.isEmpty { alpha = alphas.removeFirst() }
      if taken?.beta != nil, !betas.isEmpty { beta = betas.removeFirst() }
      return Activation(name: name, alpha: alpha, beta: beta)
    }
  }

  func apply(_ x: Tensor) -> Tensor {
    switch name {
    case "relu": maximum(x, 0)
    case "sigmoid": logistic(x)
    case "softsign": softsign(x)
    case "softplus": softplus(x)
    case "affine": x * alpha + beta
    case "leakyrelu": select(x .< 0, x * alpha, x)
    case "thresholdedrelu": select(x .>= alpha, x, 0)
    case "scaledtanh": tanh(x * beta) * alpha
    case "hardsigmoid": (x * alpha + beta).clipped(low: 0, high: 1)
    case "elu": elu(x, alpha: alpha)
    default: tanh(x)
    }
  }
}
