// The schema of optimizers, what is done around their rules, and schedules.

extension Schema {
  /// What every optimizer takes beside its own numbers.
  private static func optimizer(
    _ name: String, _ summary: String, rate: String, _ own: [Field] = []
  ) -> Section {
    Section(
      name, summary, shorthand: "learningRate",
      [.optional("learningRate", .rate, rate, "η, before the schedule.")] + own + [
        .optional(
          "weightDecay", .section("weightDecay"), name == "adamw" ? "0.01" : nil,
          "Pulls weights towards 0 beside the rule."),
        .optional("clipping", .section("clipping"), nil, "Keeps gradients from exploding."),
        .optional(
          "groups", .list(.section("group"), count: 1...1000), nil,
          "Parameters with a rate of their own."),
        .optional(
          "averageWeights", .fraction, nil,
          "The decay of a moving average of the weights, which is evaluated and saved."),
        .optional(
          "accumulate", .integer(1...65_536), "1", "Batches whose gradients make one update."),
      ])
  }
  private static let epsilon = FieldKind.number(low: 0, high: 1)
  private static let forms: [String] = [
    "scaledVelocity", "velocity", "accumulated", "exponentialAverage",
  ]
  private static let betas: [Field] = [
    .optional("beta1", .fraction, "0.9", "Decay of the first moment."),
    .optional("beta2", .fraction, "0.999", "Decay of the second moment."),
    .optional("epsilon", epsilon, "1e-08", "Beside the root."),
  ]
  private static let epsilonPlace = Field.optional(
    "epsilonPlace", .word(["insideRoot", "outsideRoot"]), "insideRoot", "`√(s + ε)` or `√s + ε`.")

  static let optimizerChoice = Choice(
    name: "optimizer", summary: "How weights are changed.",
    cases: [
      optimizer("sgd", "`W ← W − η·g`", rate: "0.01"),
      optimizer(
        "momentum", "Gradient descent with inertia.", rate: "0.01",
        [
          .optional("momentum", .fraction, "0.9", "ρ"),
          .optional("form", .word(forms), "scaledVelocity", "Which definition."),
        ]),
      optimizer(
        "nesterov", "Momentum, with the gradient taken ahead.", rate: "0.01",
        [
          .optional("momentum", .fraction, "0.9", "ρ"),
          .optional("form", .word(forms), "velocity", "Which definition."),
        ]),
      optimizer(
        "adagrad", "Rates from the sum of squares.", rate: "0.01",
        [.optional("epsilon", epsilon, "1e-10", "Beside the squares."), epsilonPlace]),
      optimizer(
        "rmsprop", "Rates from an average of squares.", rate: "0.01",
        [
          .optional("decay", .fraction, "0.99", "γ of the average."),
          .optional("momentum", .fraction, "0", "ρ"),
          .optional("epsilon", epsilon, "1e-08", "Beside the squares."), epsilonPlace,
          .optional("correctsBias", .boolean, "false", "Divides the average by 1−γᵗ."),
          .optional("centered", .boolean, "false", "The variance instead of the mean square."),
        ]),
      optimizer(
        "adadelta", "RMSProp with the unit of the weights.", rate: "1",
        [
          .optional("decay", .fraction, "0.9", "ρ of both averages."),
          .optional("epsilon", epsilon, "1e-06", "Beside the squares."),
        ]),
      optimizer("adam", "Momentum and a rate for each element.", rate: "0.001", betas),
      optimizer("adamw", "Adam with decoupled weight decay.", rate: "0.001", betas),
      optimizer(
        "nadam", "Adam with Nesterov's momentum.", rate: "0.002",
        betas + [.optional("momentumDecay", .nonNegative, "0.004", "ψ")]),
      optimizer(
        "lion", "The sign of a momentum.", rate: "0.0001",
        [
          .optional("beta1", .fraction, "0.9", "Of the step."),
          .optional("beta2", .fraction, "0.99", "Of the momentum."),
        ]),
      Section(
        "lbfgs", "Limited-memory BFGS over the whole training set at once; no epochs, no schedule.",
        shorthand: "iterations",
        [
          .optional("iterations", .integer(1...100_000), "100", "At most."),
          .optional("history", .integer(1...1000), "10", "Pairs that approximate the curvature."),
          .optional(
            "gradientTolerance", .nonNegative, "1e-06", "Ends below this largest element."),
          .optional(
            "lossTolerance", .nonNegative, "1e-10", "Ends when the loss falls by less, relatively."),
        ]),
    ])

  private static let selection = Field.optional(
    "of", .text, "weights",
    "`weights` (two axes and more), `all`, or the path of a layer, such as `2` or `0.body`.")

  static let optimizerSections = [
    Section(
      "weightDecay", "`W ← (1 − ηλ)W` beside the rule, or λW added to the gradient.",
      shorthand: "rate",
      [
        .required("rate", .nonNegative, "λ"),
        .optional(
          "form", .word(["decoupled", "l2", "l1"]), "decoupled", "How it pulls."), selection,
      ]),
    Section(
      "clipping", "How gradients are kept from exploding: one of", shorthand: "globalNorm",
      [
        .optional("value", .positive, nil, "Each element into −c … c."),
        .optional("norm", .positive, nil, "Each parameter's gradient to this L2 norm."),
        .optional("globalNorm", .positive, nil, "All gradients together to this L2 norm."),
      ]),
    Section(
      "group", "Parameters with a rate of their own.",
      [
        .required("of", .text, "As in weightDecay."),
        .required(
          "times", .number(low: 0, high: 1e6), "What their rate is multiplied by; 0 freezes them."),
      ]),
    Section(
      "stage", "One schedule of a chain.",
      [
        .required("schedule", .choice("schedule"), "It; from its own 0."),
        .optional("until", time, nil, "When the next one begins; not of the last."),
      ]),
  ]

  private static let time = FieldKind.number(low: 0, high: 1e9, excludesLow: true)

  /// What every schedule takes beside its own numbers.
  private static func schedule(
    _ name: String, _ summary: String, shorthand: String? = nil, _ own: [Field] = []
  ) -> Section {
    Section(
      name, summary, shorthand: shorthand,
      own + [
        .optional(
          "warmUp", .nonNegative, "0", "A linear rise from 0 before it, over this time."),
        .optional("unit", .word(["epochs", "steps"]), "epochs", "Of all times."),
      ])
  }
  private static let over = Field.optional(
    "over", time, "the rest of the run", "How long it takes; constant afterwards.")
  private static let to = Field.optional(
    "to", .number(low: 0, high: 1), "0", "The factor at its end.")

  static let scheduleChoice = Choice(
    name: "schedule", summary: "The factor on the learning rate over time t, from 0.",
    cases: [
      schedule("constant", "1"),
      schedule(
        "inverseTime", "`1/(1 + decay·t)`", shorthand: "decay",
        [
          .required("decay", .nonNegative, "How fast.")
        ]),
      schedule(
        "exponential", "`baseᵗ`", shorthand: "base",
        [
          .required("base", .number(low: 0, high: 1, excludesLow: true), "Such as 0.95 an epoch.")
        ]),
      schedule(
        "inverseSquareRoot", "`k/√t`, at 0 as at 1.", shorthand: "k",
        [
          .optional("k", .positive, "1", "k")
        ]),
      schedule(
        "staircase", "`factor^⌊t/every⌋`",
        [
          .required("every", time, "The length of a stair."),
          .optional("factor", .number(low: 0, high: 1), "0.1", "Its height."),
        ]),
      schedule(
        "milestones", "`factorⁿ` after n of the times.", shorthand: "times",
        [
          .required("times", .list(time, count: 1...1000), "The times."),
          .optional("factor", .number(low: 0, high: 1), "0.1", "What each multiplies by."),
        ]),
      schedule(
        "linear", "In equal steps.", shorthand: "over",
        [
          over, .optional("from", .nonNegative, "1", "The factor at its start."), to,
        ]),
      schedule(
        "polynomial", "`to + (1 − to)(1 − t/T)^power`", shorthand: "over",
        [
          over, .optional("power", .positive, "2", "The power."), to,
        ]),
      schedule("cosine", "Half a cosine.", shorthand: "over", [over, to]),
      schedule(
        "cosineRestarts", "Cosines one after another.", shorthand: "first",
        [
          .required("first", time, "The length of the first."),
          .optional(
            "multiplier", .integer(1...100), "1", "Each next one is so many times as long."),
          to,
        ]),
      schedule(
        "oneCycle", "Up and down once (Smith and Topin 2018).", shorthand: "over",
        [
          over, .optional("rise", .fraction, "0.3", "The share of the time for the way up."),
          .optional("divisor", .positive, "25", "The start is 1/divisor."),
          .optional("finalDivisor", .positive, "10000", "The end is so much below the start."),
        ]),
      schedule(
        "chain", "One schedule after another.", shorthand: "stages",
        [
          .required("stages", .list(.section("stage"), count: 1...100), "The schedules.")
        ]),
      schedule(
        "product", "The product of several.", shorthand: "factors",
        [
          .required("factors", .list(.choice("schedule"), count: 1...16), "The schedules.")
        ]),
      Section(
        "plateau", "Lowers the rate when the validation loss has stopped falling.",
        [
          .optional(
            "factor", .number(low: 0, high: 1, excludesHigh: true), "0.1",
            "What it is multiplied by."),
          .optional("patience", .integer(0...100_000), "10", "Epochs without progress it bears."),
          .optional("threshold", .fraction, "0.0001", "What counts as progress, relatively."),
          .optional("minimum", .number(low: 0, high: 1), "0", "The smallest factor."),
        ]),
    ])
}
