// The schema of models: layers, named models, initial weights, heads.

extension Schema {
  static let modelSections = [
    Section(
      "head", "One task of several.",
      [
        .required("name", .text, "What the task is called."),
        .optional("target", .text, "the name", "The column that it predicts."),
        .required("layers", layers, "Its own layers, after the trunk's."),
        .optional(
          "loss", .choice("loss"), "crossEntropy for classes, meanSquaredError for numbers",
          "What is made small."),
        .optional("weight", .positive, "1", "Of its loss in the sum."),
      ])
  ]

  static let modelChoice = Choice(
    name: "model", summary: "A whole model by its name.",
    cases: [
      Section("lenet5", "LeNet-5 (1998) with ReLU and max pooling, for images of 28 × 28 × 1."),
      Section(
        "mlp", "Dense layers with ReLU between them.", shorthand: "hidden",
        [
          .optional(
            "hidden", .either([.count, .list(.count, count: 0...1000)]), "[512, 256]",
            "Sizes of the hidden layers.")
        ]),
      Section(
        "onnx", "An ONNX file, trained further; `martlet train` alone takes it.",
        shorthand: "file",
        [
          .required("file", .path, "The file, of one input."),
          .optional(
            "freeze", .list(.text, count: 1...1000), nil,
            "Weights that stay as they are, by their names in the file; `*` stands for anything."),
          .optional(
            "head", .boolean, "false",
            "Whether the last layer with weights is a new one, with as many outputs as the data has "
              + "classes or numbers."),
          .optional(
            "features", .text, "found out", "The value of the graph that the new layer reads."),
        ]),
    ])

  private static let layers = FieldKind.list(.choice("layer"), count: 0...10_000)
  private static let extent = FieldKind.integer(1...1024)
  private static let oneOrTwo = FieldKind.either([extent, .list(extent, count: 2...2)])
  private static let padding = FieldKind.either([.word(["valid", "same"]), .integer(0...1024)])
  private static let epsilon = FieldKind.number(low: 0, high: 1, excludesLow: true)

  private static let poolFields: [Field] = [
    .required("window", extent, "Its extent along both axes."),
    .optional("strides", oneOrTwo, "the window", "Steps: one number, or [height, width]."),
    .optional("padding", padding, "valid", "Pixels around, or `same`: size / stride, rounded up."),
  ]

  static let layerChoice = Choice(
    name: "layer", summary: "Part of a model. Sizes of inputs are worked out from the data.",
    cases: [
      Section(
        "linear", "`x·W + b` over the last axis.", shorthand: "out",
        [
          .required(
            "out", .either([.count, .word(["classes", "targets"])]),
            "Outputs; `classes` for as many as the data has, `targets` for the numbers to predict."
          ),
          .optional("bias", .boolean, "true", "Whether b is there."),
          .optional("initializer", .choice("initializer"), "torchUniform", "W's first values."),
        ]),
      Section(
        "conv2d", "A convolution of images.", shorthand: "out",
        [
          .required("out", .count, "Channels of the result."),
          .optional("kernel", extent, "3", "Its extent along both axes."),
          .optional("strides", oneOrTwo, "1", "Steps: one number, or [height, width]."),
          .optional("padding", padding, "valid", "Pixels around, or `same`."),
          .optional("dilations", oneOrTwo, "1", "Distances of the kernel's elements."),
          .optional("groups", .count, "1", "Groups of channels that do not see each other."),
          .optional("bias", .boolean, "true", "Whether a bias is there."),
          .optional("initializer", .choice("initializer"), "torchUniform", "First values."),
        ]),
      Section(
        "maxPool2d", "The largest element of each window.", shorthand: "window", poolFields),
      Section("averagePool2d", "The mean of each window.", shorthand: "window", poolFields),
      Section("globalAveragePool2d", "The mean of each channel."),
      Section("flatten", "All axes as one."),
      Section(
        "reshape", "The same elements in another shape.", shorthand: "shape",
        [.required("shape", .list(.count, count: 1...4), "Of one example.")]),
      Section("relu", "`max(x, 0)`"),
      Section(
        "leakyRelu", "`x` above 0, else `slope·x`.", shorthand: "slope",
        [
          .optional("slope", .number(low: 0, high: 1), "0.01", "Below 0.")
        ]),
      Section(
        "prelu", "As leakyRelu, with a slope learned for each channel.",
        [
          .optional("shared", .boolean, "false", "One slope for all channels.")
        ]),
      Section(
        "elu", "`x` above 0, else `alpha·(eˣ − 1)`.", shorthand: "alpha",
        [
          .optional("alpha", .positive, "1", "Its limit below 0.")
        ]),
      Section(
        "celu", "As elu, smooth at 0 for every alpha.", shorthand: "alpha",
        [
          .optional("alpha", .positive, "1", "Its limit below 0.")
        ]),
      Section("selu", "Self-normalising elu."),
      Section(
        "gelu", "`x·Φ(x)`", shorthand: "approximation",
        [
          .optional("approximation", .word(["none", "tanh"]), "none", "How Φ is computed.")
        ]),
      Section("sigmoid", "`1/(1 + e⁻ˣ)`"),
      Section("tanh", "The hyperbolic tangent."),
      Section("silu", "`x·sigmoid(x)`"),
      Section("softplus", "`ln(1 + eˣ)`"),
      Section("softsign", "`x/(1 + |x|)`"),
      Section("mish", "`x·tanh(softplus(x))`"),
      Section("relu6", "`min(max(x, 0), 6)`"),
      Section("hardSigmoid", "Three straight pieces near sigmoid."),
      Section("hardSwish", "`x·hardSigmoid(x)`"),
      Section("hardTanh", "Clipped to −1 … 1."),
      Section(
        "maxout", "The largest of each group of channels.", shorthand: "pieces",
        [
          .required("pieces", .integer(2...1024), "Channels in a group.")
        ]),
      Section("glu", "One half of the channels times the sigmoid of the other."),
      Section("softmax", "Probabilities over the last axis. A loss wants logits instead."),
      Section("logSoftmax", "Their logarithms."),
      Section(
        "dropout", "Drops elements while training.", shorthand: "rate",
        [
          .required("rate", .fraction, "The probability of dropping."),
          .optional(
            "scaling", .word(["inverted", "atInference"]), "inverted",
            "Where the dropped are made up for."),
        ]),
      Section(
        "batchNorm", "Over all axes but the last, with running statistics.",
        [
          .optional("momentum", .number(low: 0, high: 1), "0.1", "The weight of a new batch."),
          .optional("epsilon", epsilon, "1e-05", "Under the root."),
        ]),
      Section(
        "layerNorm", "Over the last axis.",
        [
          .optional("epsilon", epsilon, "1e-05", "Under the root.")
        ]),
      Section(
        "groupNorm", "Over groups of channels.", shorthand: "groups",
        [
          .required("groups", .count, "How many; they divide the channels."),
          .optional("epsilon", epsilon, "1e-05", "Under the root."),
        ]),
      Section(
        "instanceNorm", "Each channel of each image over its places.",
        [
          .optional("epsilon", epsilon, "1e-05", "Under the root.")
        ]),
      Section(
        "rmsNorm", "Divided by the root of the mean square.",
        [
          .optional("epsilon", epsilon, "1e-06", "Under the root.")
        ]),
      Section(
        "residual", "`body(x) + shortcut(x)`", shorthand: "body",
        [
          .required("body", layers, "The branch that learns."),
          .optional("shortcut", layers, "the identity", "The other branch."),
        ]),
      Section(
        "parallel", "Branches over one input, joined along the last axis.",
        shorthand: "branches",
        [.required("branches", .list(layers, count: 1...64), "The branches.")]),
      Section(
        "repeat", "The same layers several times, each with its own weights.",
        [
          .required("count", .integer(1...1000), "How often."),
          .required("layers", layers, "Which."),
        ]),
    ])

  static let initializerChoice = Choice(
    name: "initializer", summary: "The first values of weights.",
    cases: [
      Section("torchUniform", "Uniform on ±√(1/in)."), Section("heNormal", "For ReLU."),
      Section("heUniform", "For ReLU."), Section("xavierNormal", "For tanh."),
      Section("xavierUniform", "For tanh."), Section("lecunNormal", "For SELU."),
      Section("lecunUniform", "For SELU."), Section("zeros", "0"), Section("ones", "1"),
      Section(
        "constant", "One value.", shorthand: "value",
        [
          .required("value", .number(low: -1e9, high: 1e9), "It.")
        ]),
      Section(
        "uniform", "Uniform on ±bound.", shorthand: "bound",
        [
          .required("bound", .positive, "The bound.")
        ]),
      Section(
        "normal", "Of mean 0.", shorthand: "deviation",
        [
          .optional("deviation", .positive, "1", "The standard deviation.")
        ]),
      Section(
        "truncatedNormal", "Of mean 0, cut at two deviations.", shorthand: "deviation",
        [
          .optional("deviation", .positive, "1", "The standard deviation.")
        ]),
      Section(
        "orthogonal", "Orthonormal rows or columns.", shorthand: "gain",
        [
          .optional("gain", .positive, "1", "Their norm.")
        ]),
    ])
}
