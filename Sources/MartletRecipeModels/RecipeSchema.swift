// The schema of a recipe's top level, data, losses and what happens during the run.

extension Schema {
  static let recipeSection = Section(
    "recipe", "The top level of the file.",
    [
      .optional("name", .text, "the file's name", "What the run is called."),
      .optional("description", .text, nil, "A line for `martlet recipes`."),
      .required("data", .section("data"), "What is learned from."),
      .optional(
        "model", .either([.list(.choice("layer"), count: 1...10_000), .choice("model")]),
        nil, "Layers in order, or a model by its name. Needed unless `heads` are given."),
      .optional(
        "heads", .list(.section("head"), count: 1...64), nil,
        "Several tasks over one trunk: the layers of `model` come before each head's own."),
      .optional(
        "loss", .choice("loss"), "crossEntropy for classes, meanSquaredError for numbers",
        "What is made small."),
      .optional("optimizer", .choice("optimizer"), "adam", "How the weights are changed."),
      .optional("schedule", .choice("schedule"), "constant", "The learning rate over time."),
      .optional(
        "weights", .word(["float32", "bfloat16", "float16"]), "float32",
        "How weights are stored; they are computed with and updated in float32."),
      .optional(
        "regularization", .section("regularization"), nil, "What keeps the weights small."),
      .optional("epochs", .integer(1...100_000), "10", "Passes over the training set."),
      .optional(
        "batch", .either([.integer(1...65_536), .word(["all"])]), "32",
        "Examples in a step; `all` for the whole set."),
      .optional(
        "seed", .integer(0...Int.max), "0", "Makes initial weights, order, dropout, augmentation."),
      .optional(
        "metrics", .list(.word(metricNames), count: 1...16),
        "accuracy for classes, r2 for numbers",
        "What is measured; the first is the measure of the last line."),
      .optional("callbacks", .section("callbacks"), nil, "What else happens during the run."),
      .optional("search", .section("search"), nil, "What `martlet search` tries."),
    ])

  static let metricNames = [
    "accuracy", "top5", "precision", "recall", "f1", "auc", "r2", "rmse", "mae",
  ]

  // MARK: - Data

  static let dataSections = [
    Section(
      "data", "What is learned from.", shorthand: "source",
      [
        .required("source", .choice("source"), "The examples."),
        .optional("split", .section("split"), nil, "Which examples are held out."),
        .optional(
          "scaling", .word(["none", "standard", "minMax"]), "standard",
          "Of inputs, fitted on the training set: z-scores, or into 0…1. Images: over all pixels."),
        .optional(
          "scaleTargets", .boolean, "true",
          "Numbers to be predicted are learned as z-scores and reported in their own unit."),
        .optional(
          "augmentation", .section("augmentation"), nil,
          "Random changes of training images, new in each epoch."),
      ]),
    Section(
      "split",
      "Which examples are held out, at random by the seed. Sources that come with a test "
        + "set keep it.",
      [
        .optional("test", .fraction, "0.2", "The share of the examples to test on."),
        .optional(
          "validation", .fraction, "0.1",
          "The share of the rest to validate on after each epoch; 0 for none."),
        .optional("seed", .integer(0...Int.max), "0", "Makes the split; not the recipe's seed."),
        .optional(
          "stratified", .boolean, "true", "Whether each class is split in the same proportion."),
      ]),
    Section(
      "augmentation", "Random changes of training images.",
      [
        .optional("shift", .number(low: 0, high: 4096), "0", "Pixels along each axis, at most."),
        .optional("rotation", .number(low: 0, high: 180), "0", "Degrees either way, at most."),
        .optional(
          "zoom", .number(low: 0, high: 0.9), "0", "Relative change of size, at most."),
        .optional("mirror", .boolean, "false", "Whether every other image is mirrored."),
        .optional("flip", .boolean, "false", "Whether every other image is upside down."),
        .optional("crop", .integer(0...1024), "0", "A random crop out of a border so wide."),
        .optional(
          "elastic", .section("elastic"), nil, "Bends, as hands do (Simard et al. 2003)."),
        .optional("warp", .section("warp"), nil, "Local warps on a coarse grid."),
        .optional("colors", .section("colors"), nil, "Brightness, contrast, saturation, hue."),
        .optional(
          "colorShift", .number(low: 0, high: 10), "0",
          "Deviation of a shift along the principal components of the training set's colours "
            + "(Krizhevsky et al. 2012; they took 0.1)."),
        .optional(
          "erasing", .section("erasing"), nil, "A rectangle of noise (Zhong et al. 2017)."),
        .optional(
          "border", .word(["black", "edge"]), "black", "What comes in from outside of the image."),
      ]),
    Section(
      "elastic", "Elastic deformation of handwriting.", shorthand: "strength",
      [
        .optional(
          "strength", .number(low: 0, high: 4096), "34", "What the smoothed field is times."),
        .optional(
          "smoothness", .number(low: 0.1, high: 64), "4", "The Gaussian's deviation in pixels."),
      ]),
    Section(
      "warp", "Local warps: the points of a coarse grid are moved.", shorthand: "strength",
      [
        .optional("strength", .number(low: 0, high: 4096), "2", "Pixels, at most."),
        .optional("points", .integer(2...64), "4", "Points along each axis."),
      ]),
    Section(
      "colors", "Colour jitter. Saturation and hue are for images in colour.",
      [
        .optional("brightness", .number(low: 0, high: 1), "0", "Relative change, at most."),
        .optional("contrast", .number(low: 0, high: 1), "0", "Relative change, at most."),
        .optional("saturation", .number(low: 0, high: 1), "0", "Relative change, at most."),
        .optional("hue", .number(low: 0, high: 0.5), "0", "Part of a turn, either way."),
      ]),
    Section(
      "erasing", "A rectangle filled with noise.", shorthand: "probability",
      [
        .optional("probability", .number(low: 0, high: 1), "0.5", "How probable it is."),
        .optional(
          "area", .list(.number(low: 0, high: 1), count: 2...2), "[0.02, 0.33]",
          "The part of the image that it takes: from, to."),
      ]),
  ]

  static let sourceChoice = Choice(
    name: "source", summary: "Where the examples come from.",
    cases: [
      Section("iris", "150 flowers, 4 measurements, 3 species.", tableFields),
      Section("wine", "178 wines, 13 measurements, 3 cultivars.", tableFields),
      Section("breastCancer", "569 biopsies, 30 measurements, 2 classes.", tableFields),
      Section("diabetes", "442 patients, 10 measurements, progression after a year.", tableFields),
      Section("digits", "1,797 handwritten digits of 8 × 8 pixels."),
      Section("mnist5k", "4,000 + 1,000 handwritten digits of 28 × 28 pixels."),
      Section("fashionMNIST", "60,000 + 10,000 clothes, from Debian's dataset-fashion-mnist."),
      Section(
        "csv", "A table with a line for each example.", shorthand: "file",
        [
          .required("file", .path, "The file."),
          .optional(
            "target", .either([.text, .list(.text, count: 1...64)]), "the last column",
            "The column to predict, or several for `heads`. Text makes classes."),
          .optional(
            "features", .list(.text, count: 1...65_536), "all other columns",
            "The columns to predict from."),
          .optional(
            "categorical", .list(.text, count: 1...65_536), nil,
            "Columns of words: each word becomes a column of 0 and 1."),
          .optional("header", .boolean, "found out", "Whether the first line names the columns."),
          .optional(
            "separator", .word([",", ";", "tab", "space"]), "found out", "Between columns."),
          .optional(
            "classes", .boolean, "true for text", "Whether the target is a class, not a number."),
        ]),
      Section(
        "npz", "Arrays of NumPy, a row for each example; more than two axes are left as they are.",
        shorthand: "file",
        [
          .required("file", .path, "The file."),
          .optional("x", .text, "x", "The inputs' array."),
          .optional("y", .text, "y", "The array of labels or numbers to predict."),
          .optional(
            "classes", .boolean, "true for integers",
            "Whether the target is a class from 0, not a number."),
        ]),
      Section(
        "images", "A directory with a folder of PNG or JPEG files for each class.",
        shorthand: "directory",
        [
          .required("directory", .path, "The directory."),
          .optional(
            "size", .list(.integer(1...4096), count: 2...2), "of the first image",
            "Height and width that all images are brought to."),
          .optional("channels", .integer(1...3), "of the first image", "1 gray, 3 colour."),
        ]),
      Section(
        "idx", "A directory with the four files of MNIST's format.", shorthand: "directory",
        [.required("directory", .path, "The directory.")]),
    ])

  private static let tableFields: [Field] = [
    .optional(
      "target", .either([.text, .list(.text, count: 1...64)]), "the set's own",
      "The column to predict, or several for `heads`."),
    .optional(
      "features", .list(.text, count: 1...65_536), "all other columns",
      "The columns to predict from."),
  ]

  // MARK: - Loss

  static let lossChoice = Choice(
    name: "loss", summary: "What is made small.",
    cases: [
      Section(
        "crossEntropy", "Softmax cross-entropy of class labels; the model gives a logit a class.",
        shorthand: "labelSmoothing",
        [
          .optional(
            "labelSmoothing", .fraction, "0", "How much of the target is spread over all classes.")
        ]),
      Section(
        "binaryCrossEntropy", "Logistic cross-entropy; two classes, the model gives one logit."),
      Section(
        "hinge", "Two classes as −1 and 1; the model gives one score.",
        [
          .optional("margin", .positive, "1", "The margin."),
          .optional("squared", .boolean, "false", "Whether the excess is squared."),
        ]),
      Section("meanSquaredError", "Of numbers."),
      Section("meanAbsoluteError", "Of numbers."),
      Section(
        "huber", "Squared near the target, absolute far from it.", shorthand: "delta",
        [.optional("delta", .positive, "1", "Where it changes.")]),
    ])

  // MARK: - The run

  static let runSections = [
    Section(
      "regularization", "What keeps the weights small; bias and norm are left alone.",
      [
        .optional("l1", .nonNegative, "0", "λ of λ·Σ|W|, through the optimizer's rule."),
        .optional("l2", .nonNegative, "0", "λ of λ/2·ΣW², through the optimizer's rule."),
        .optional(
          "maxNorm", .positive, nil, "The largest L2 norm of the weights into one unit."),
      ]),
    Section(
      "callbacks",
      "What else happens during the run. Relative paths are from the current directory.",
      [
        .optional(
          "earlyStopping", .section("earlyStopping"), nil, "Ends a run that no longer gets better."
        ),
        .optional("checkpoints", .section("checkpoints"), nil, "Saves the run as it goes."),
        .optional("events", .section("events"), nil, "Event files for TensorBoard."),
        .optional("report", .section("report"), nil, "An HTML page about the run."),
      ]),
    Section(
      "earlyStopping", "Ends a run that no longer gets better.", shorthand: "patience",
      [
        .optional("patience", .integer(0...100_000), "10", "Epochs without progress it bears."),
        .optional("minimalChange", .nonNegative, "0", "What counts as progress."),
        .optional(
          "monitor", .word(["loss", "measure"]), "loss",
          "Of the validation set: the loss, or the first metric."),
        .optional("restoreBest", .boolean, "true", "Whether the best weights come back."),
      ]),
    Section(
      "checkpoints", "Saves the run as it goes.", shorthand: "directory",
      [
        .optional("directory", .path, "checkpoints", "Where."),
        .optional("keepLast", .integer(1...1000), "2", "How many of the newest stay."),
        .optional("keepBest", .boolean, "true", "Whether the best one stays."),
        .optional("every", .integer(1...100_000), "1", "Epochs between them."),
      ]),
    Section(
      "events", "Event files for TensorBoard: scalars of each epoch.", shorthand: "directory",
      [
        .optional("directory", .path, "events", "Where."),
        .optional("histograms", .boolean, "true", "Weights after each epoch."),
        .optional("images", .integer(0...64), "8", "Examples of the first epoch."),
        .optional("graph", .boolean, "true", "The model's graph."),
      ]),
    Section(
      "report", "A self-contained HTML page about the run.", shorthand: "file",
      [
        .optional("file", .path, "report.html", "Where."),
        .optional("worst", .integer(0...256), "24", "Examples with the largest loss."),
      ]),
    Section(
      "search", "What `martlet search` tries.",
      [
        .required("space", .map(.choice("axis")), "Paths into the recipe, each with its values."),
        .optional(
          "method", .word(["tpe", "random", "grid", "coarseToFine"]), "tpe",
          "How the next trial is chosen."),
        .optional("trials", .integer(1...100_000), "20", "How many."),
        .optional("parallel", .integer(1...256), "1", "Trials at a time, each a process."),
        .optional(
          "monitor", .word(["loss", "measure"]), "measure",
          "Of the validation set: the loss, or the first metric."),
        .optional(
          "pruning", .word(["none", "median", "asha"]), "none",
          "Ends trials: those worse than the median of the others at the same epoch, or by "
            + "asynchronous successive halving."),
        .optional(
          "firstRung", .integer(1...100_000), "1", "Epochs before asha's first decision."),
        .optional(
          "reduction", .integer(2...64), "4",
          "Of asha: one in so many goes on past a rung, for so many times the epochs."),
        .optional("startup", .integer(1...10_000), "10", "Random trials before TPE's first."),
        .optional("points", .integer(2...1000), "4", "A grid's values on a range."),
        .optional("seed", .integer(0...Int.max), "0", "Makes the trials."),
      ]),
  ]

  static let axisChoice = Choice(
    name: "axis", summary: "The values that a search tries for one path.",
    cases: [
      Section(
        "linear", "Numbers, all parts of the range alike.", shorthand: "range",
        [
          .required("range", .list(anyNumber, count: 2...2), "From, to.")
        ]),
      Section(
        "log", "Numbers, all orders of magnitude alike.", shorthand: "range",
        [
          .required("range", .list(.positive, count: 2...2), "From, to, both above 0.")
        ]),
      Section(
        "integer", "Integers.", shorthand: "range",
        [
          .required(
            "range", .list(.integer(-1_000_000_000...1_000_000_000), count: 2...2),
            "From, to, both included."),
          .optional("log", .boolean, "false", "Whether orders of magnitude are alike."),
        ]),
      Section(
        "choice", "One of several words or numbers.", shorthand: "values",
        [
          .required(
            "values", .list(.either([anyInteger, anyNumber, .boolean, .text]), count: 1...1000),
            "The values.")
        ]),
    ])

  private static let anyNumber = FieldKind.number(low: -1e9, high: 1e9)
  private static let anyInteger = FieldKind.integer(Int.min...Int.max)
}
