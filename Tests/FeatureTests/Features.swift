// What there is beside operations and composites, by chapter of practice.

let sections: [Section] = [
  Section(
    title: "Differentiation",
    features: [
      Feature(
        "Reverse mode, to any order", "gradients", "valueAndGrad",
        by: "GradientTests/rulesMatchDifferencesTwice", "DerivativeTests/sumOverBothPaths"),
      Feature(
        "Forward mode", "jvp", by: "ForwardTests/tangentsMatchDifferencesAndReverseMode"),
      Feature(
        "Hessian–vector products", "hessianVectorProduct",
        by: "CurvatureTests/curvatureFollowsPyTorch"),
      Feature("Jacobians", "jacobian", by: "ForwardTests/jacobiansByRowsAndByColumns"),
      Feature(
        "Operations of one's own over C text or a C function, with a gradient of one's own",
        "CustomOperation", by: "CustomOperationTests/expressionsRunAndDifferentiate",
        "CustomOperationTests/functionsOfTheProcessAreCalled",
        "CustomOperationTests/gradientsHoldAgainstDifferences"),
      Feature(
        "A function whose gradient is replaced", "customGradient",
        by: "CustomOperationTests/gradientsAreReplaced"),
      Feature("Stop-gradient", "stopGradient", by: "GradientTests/nothingFlowsThroughAStop"),
    ]),
  Section(
    title: "Integer inference",
    features: [
      Feature(
        "Weights of int8 by channel, activations of uint8 calibrated over samples, exact sums",
        "Calibration", "quantized", by: "QuantizationTests/productsFollowTheirDefinition",
        "QuantizationTests/lenet5HasTheSameBitsHoweverItRuns",
        "QuantizationTests/chainsStayInBytes", "QuantizationTests/poolsAreOverSums",
        "QuantizationTests/pooledSumsEqualPooledBytes",
        "EqualityTests/quantizedLenet5")
    ]),
  Section(
    title: "Layers",
    features: [
      Feature(
        "Linear, convolution, pooling, flatten, sequences", "Linear", "Conv2D", "MaxPool2D",
        "AveragePool2D", "GlobalAveragePool2D", "Flatten", "Sequential",
        by: "PyTorchTests/leNetLogitsAndGradients", "DeepModelTests/logitsAndGradients"),
      Feature(
        "Batch norm with running statistics (unbiased variance); layer, group, instance, RMS norm",
        "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm",
        by: "LayerTests/instanceNormIsGroupNormOfEachChannel",
        "PyTorchTests/batchNormTrainsAndPredicts", "FixtureTests/agreesWithPyTorch"),
      Feature(
        "Dropout, inverted or by weight scaling, on inputs too", "Dropout",
        by: "RandomTests/dropoutKeepsScalesAndStopsAtInference",
        "AnalysisTests/dropoutOnInputsByWeightScaling"),
      Feature(
        "Batch norm with statistics of the whole set", "recomputeBatchNormStatistics",
        by: "AnalysisTests/wholeSetStatisticsArePyTorchs"),
      Feature(
        "Convolution of sequences and volumes, transposed, depthwise, separable; pooling of sequences",
        "Conv1D", "Conv3D", "ConvTranspose1D", "ConvTranspose2D", "ConvTranspose3D",
        "DepthwiseConv2D", "SeparableConv2D", "MaxPool1D", "AveragePool1D",
        by: "LayerTests/convolutionVariantsLearn", "FixtureTests/agreesWithPyTorch",
        "TransposedTests/sequences", "TransposedTests/images", "TransposedTests/volumes"),
      Feature(
        "Recurrence as one C loop, forward and backward", "scan",
        by: "LoopTests/isTheWrittenOutSteps",
        "LoopTests/derivatives", "LoopTests/codeDoesNotGrowWithTheSteps"),
      Feature(
        "Simple RNN, GRU (both resets), LSTM; both directions, stacked, pyramid", "SimpleRNN",
        "GRU",
        "LSTM", "Bidirectional", "StackedRecurrent", by: "RecurrentTests/matchesPyTorch",
        "RecurrentTests/pyramidHalvesTheRate"),
      Feature(
        "Decoding: greedy, temperature, top-k, nucleus, beam search", "TokenSampler", "BeamSearch",
        "Hypothesis", by: "DecodingTests/wideBeamsFindWhatEnumerationFinds",
        "DecodingTests/narrowBeamsKeepTheBest", "DecodingTests/drawsFollowTheProbabilities",
        "DecodingTests/limitsAreThoseOfEnumeration"),
      Feature(
        "Character models, recurrent or a transformer: training, sampling from a cache, beam search; "
          + "interrupted and resumed bit for bit", "martlet train char-lm",
        "martlet sample",
        by: "CharacterTests/learnsAndComesBack", "CharacterTests/decodesBehindItsContext",
        "CharacterTests/resumesBitForBit", "CharacterTests/refusesWhatItDoesNotKnow"),
      Feature(
        "Classifiers of texts, by the mean of word vectors or a bidirectional LSTM",
        "martlet train sentiment", by: "SentimentTests/learnsTheDecidingWord"),
      Feature(
        "Forecasts of series beside the naive ones, with a plot", "martlet train forecast",
        by: "ForecastTests/beatsTheSeasonBefore", "ForecastTests/transformsThereAndBack"),
      Feature(
        "Scaled dot-product attention as one kernel, forward and backward: causal, masks, key lengths, "
          + "grouped queries; nothing of the size T · S is stored", "scaledDotProductAttention",
        "attentionWithLogSumExp", "AttentionCausality",
        by: "AttentionTests/groupedQueriesAndAnAddedMask",
        "AttentionTests/memoryGrowsWithTheLength", "AttentionTests/decodingCopiesNoCache",
        "GradientTests/rulesMatchDifferencesTwice"),
      Feature(
        "Multi-head attention, additive and multiplicative attention; transformer blocks, norm in front "
          + "or behind", "MultiHeadAttention", "AdditiveAttention", "MultiplicativeAttention",
        "TransformerEncoderBlock", "TransformerDecoderBlock", "FeedForward",
        "attentionDroppingWeights", "maskedSoftmax", by: "AttentionTests/matchesPyTorch",
        "AttentionTests/droppingNothingIsTheKernel"),
      Feature(
        "Sinusoidal, learned and rotary positions", "SinusoidalPositions", "LearnedPositions",
        "RotaryPositions", by: "AttentionTests/positionsAreTheFormulas"),
      Feature(
        "Decoding from a key-value cache; a transformer language model", "KeyValueCache",
        "KeyValues",
        "TransformerLanguageModel", by: "AttentionTests/decodesAsTheWhole",
        "AttentionTests/languageModelDecodes"),
      Feature(
        "Packed sequences, stack-augmented net", "PackedSequence", "StackRNN",
        by: "SequenceTests/packedMatchesPyTorch", "SequenceTests/packsAsPyTorchDoes",
        "SequenceTests/stacksMatchPyTorch"),
      Feature(
        "Embeddings updated by rows: sparse SGD, AdaGrad, Adam", "Embedding", "updatesRows",
        by: "SparseTests/rowsTakeTheBitsOfTheDenseUpdate", "SparseTests/followsPyTorch",
        "SparseTests/costsNothingForOtherRows"),
      Feature(
        "How far gradients reach back; code as long for 1,000 steps as for 10", "gradientNorms",
        by: "GradientHealthTests/simpleNetsForgetWhereLSTMsRemember",
        "GradientHealthTests/codeIsAsLongForAThousandStepsAsForTen",
        "GradientHealthTests/unrolledThousandStepsCompile"),
      Feature(
        "Learned slope, embedding", "PReLU", "Embedding",
        by: "LayerTests/embeddingsMoveOnlyWhereTheyWereRead"),
      Feature(
        "Residual and parallel branches", "Residual", "Parallel",
        by: "LayerTests/branchesJoinAndLearn"),
      Feature(
        "Famous models", "MLP", "LeNet5", "VGG16", "ResNet20",
        by: "DeepModelTests/logitsAndGradients", "DeepModelTests/lossesWithMomentum"),
    ]),
  Section(
    title: "Optimizers",
    features: [
      Feature(
        "SGD; momentum as velocity, accumulated, exponential average; Nesterov", "SGD", "Momentum",
        "Nesterov", by: "OptimizerTests/optimizersFollowTheReference"),
      Feature(
        "AdaGrad, RMSProp (plain, bias-corrected, with momentum), Adadelta", "AdaGrad", "RMSProp",
        "Adadelta", by: "OptimizerTests/optimizersFollowTheReference"),
      Feature(
        "Adam, AdamW, NAdam, Lion", "Adam", "AdamW", "NAdam", "Lion",
        by: "OptimizerTests/optimizersFollowTheReference"),
      Feature(
        "L-BFGS over a compiled loss and gradient", "LBFGS",
        by: "OptimizerTests/lbfgsFollowsTheValley"),
      Feature(
        "L2, decoupled decay and L1; clipping by value, norm, global norm; max-norm", "weightDecay",
        "clipping", "maxNorm",
        by: "OptimizerTests/optimizersFollowTheReference", "OptimizerTests/l1PullsByTheSign"),
      Feature(
        "Parameter groups: rates, freezing, no decay on bias and norm", "ParameterSelection",
        by: "OptimizerTests/groupsFreezeAndScale"),
      Feature(
        "Gradient accumulation", "accumulating", by: "OptimizerTests/optimizersFollowTheReference"),
      Feature(
        "Exponential moving average of weights", "averagingWeights",
        by: "OptimizerTests/averagesOfWeightsAreKeptAndSwapped"),
      Feature(
        "Norm of all gradients as an output", "reportingGradientNorm",
        by: "OptimizerTests/gradientNormIsReported"),
      Feature(
        "Schedules: time decay, exponential, k/√epoch, staircase, linear, polynomial, cosine with "
          + "warm-up and restarts, one-cycle, chained", "Schedule",
        by: "OptimizerTests/schedulesFollowPyTorch", "OptimizerTests/schedulesCompose"),
      Feature("Plateau", "Plateau", by: "OptimizerTests/plateausLowerTheRate"),
    ]),
  Section(
    title: "Initial values",
    features: [
      Feature(
        "Constant, uniform, normal, truncated, Xavier, He and LeCun (both kinds)", "Initializer",
        by: "InitializerTests/momentsAreTheirs"),
      Feature("Orthogonal", "orthogonal", by: "InitializerTests/orthogonalMatricesKeepLengths"),
      Feature("Given or from a file", "values", by: "InitializerTests/givenValuesAreTaken"),
    ]),
  Section(
    title: "Compilation and runs",
    features: [
      Feature(
        "Fusion, folding, CSE, planning: each pass may be switched off, same bits",
        "CompileOptions", by: "RandomGraphTests/compiledMatchesTheInterpreter"),
      Feature(
        "Batch norm folded into frozen filters", "compile(frozen:)",
        by: "PlannerTests/aFactorOfEachChannelBecomesPartOfTheFilter"),
      Feature(
        "A bound on the arena by computing again", "memoryBudget",
        by: "MemoryBudgetTests/residualNetwork"),
      Feature(
        "Loops that store √T steps, asked for or under a budget", "scan(checkpointEvery:)",
        by: "LoopCheckpointTests/storesTheRootOfTheSteps"),
      Feature(
        "Times of kernels", "Session.profile", by: "ObservationTests/profilesTimeEveryKernel"),
      Feature(
        "The first value that is not finite, by layer and line", "MARTLET_CHECK environment",
        by: "ObservationTests/checksNameTheFirstValueThatIsNotFinite"),
      Feature(
        "bf16 and f16 stored, f32 arithmetic; integers of all widths", "DType",
        by: "StorageDTypeTests/halfArithmetic", "StorageDTypeTests/everyHalf",
        "StorageDTypeTests/integerArithmetic", "StorageDTypeTests/programsOverStorageDTypes"),
      Feature(
        "Weights stored as bf16 or f16, with float32 gradients, updates and optimizer state",
        "withWeights", "WeightStorage", by: "HalfWeightTests/fiftyStepsStayNearThoseOfFloat32",
        "HalfWeightTests/smallStepsAddUp", "SafetensorsTests/halvesAreThoseOfPyTorch"),
      Feature(
        "Bits independent of threads, passes and form", "CompileOptions.threads",
        by: "DeterminismTests/stepsAreEqualBitForBit", "DeterminismTests/formsAreEqualBitForBit",
        "HundredStepsTests/losses"),
    ]),
  Section(
    title: "Training",
    features: [
      Feature(
        "The loop: batches by seed and epoch, prefetched by threads, the same bits with any number",
        "Trainer", by: "RunTests/theLoopIsTheLoopByHand", "RunTests/bitsDoNotDependOnPrefetching",
        "RunTests/everyExampleOncePerEpoch"),
      Feature("Callbacks", "Callback", by: "RunTests/callbacksMayStop"),
      Feature(
        "Loss, accuracy, top-k, precision, recall, F1, AUC, R² and one's own", "Metric",
        by: "MetricTests/metricsAreScikitLearns", "MetricTests/aMetricOfOnesOwn"),
      Feature(
        "Confusion matrix", "ConfusionMatrix", by: "MetricTests/confusionMatrixIsScikitLearns"),
      Feature(
        "Early stopping with the best weights put back", "EarlyStopping",
        by: "RunTests/earlyStoppingRestoresTheBest"),
      Feature(
        "Checkpoints: keep-best, keep-last, exact resumption", "CheckpointPolicy", "Checkpoint",
        by: "CheckpointTests/resumptionIsExact", "CheckpointTests/anInterruptedRunGoesOn",
        "CheckpointTests/damageIsNoticed", "CheckpointTests/twoRunsOnOneDirectory",
        "CheckpointTests/checkpointsThatCannotBeWritten"),
      Feature(
        "The first number that is none: operation, layer, line", "NonFiniteGuard",
        by: "AnalysisTests/theFirstBadOperationHasALayerAndALine",
        "ObservationTests/theLineInsideOfALoopIsNamed"),
      Feature(
        "Norms of gradients and statistics of activations", "StepStatistics",
        by: "AnalysisTests/stepsTellOfGradientsAndActivations",
        "ObservationTests/normsAreThoseOfTheGradients"),
      Feature(
        "Worst examples; bias and variance", "worst", "biasVariance",
        by: "AnalysisTests/worstExamplesAreThoseOfTheHighestLoss", "AnalysisTests/biasAndVariance"),
      Feature(
        "Transfer learning: load by name, freeze, a new head", "load", "Frozen",
        by: "AnalysisTests/loadingByName", "AnalysisTests/whatIsFrozenStays"),
      Feature(
        "Several losses over a shared trunk", "Objective",
        by: "RunTests/severalLossesOverASharedTrunk"),
    ]),
  Section(
    title: "Data",
    features: [
      Feature(
        "IDX, Fashion-MNIST, 5,000 digits inside the tool", "Dataset",
        by: "DatasetTests/embedsFiveThousandDigits", "DatasetTests/readsFashionMNIST"),
      Feature(
        "CSV with categories and missing values", "Table",
        by: "TableTests/readsWhatPythonWrites", "TableTests/categoriesBecomeNumbers",
        "TableTests/fillsAndDropsMissingValues", "TableTests/noMutationTraps"),
      Feature(
        "Iris, wine, breast cancer, diabetes, 8×8 digits", "TabularSet",
        by: "TableTests/embedsTheClassicTables"),
      Feature(
        ".npy and .npz", "Npz", by: "NumPyTests/readsNumPysArchives",
        "NumPyTests/writesArchives", "NumPyTests/refusesBombs"),
      Feature(
        "PNG and JPEG, folders of pictures", "PixelImage", "ImageFolder",
        by: "ImageFileTests/decodesAsPILDoes", "ImageFileTests/aFolderIsASet"),
      Feature(
        "Scaling by column, fitted on the training part, saved with the model", "Scaling",
        by: "ExamplesTests/scalesByColumn", "TableTests/aModelRemembersItsTable"),
      Feature(
        "Joining sources, splits, folds", "JoinedExamples", "Fold",
        by: "ExamplesTests/joinsSets", "ExamplesTests/stratifiedPartsKeepTheClasses"),
      Feature(
        "Flips, crops, turns, elastic and local warps, colours, PCA colour shift, erasing",
        "Augmentation", "ElasticDeformation", "LocalWarp", "ColorJitter", "ColorShift",
        "RandomErasing", by: "AugmentationTests/neitherBatchNorThreadMatters",
        "AugmentationTests/hueTurnsAsColorsysDoes",
        "AugmentationTests/principalColoursAreEigenvectors"),
      Feature(
        "Texts and series", "TextCorpus", "TimeSeries",
        by: "SequenceTests/windowsCutTheTextUp", "SequenceTests/seriesGiveWindows"),
    ]),
  Section(
    title: "ONNX",
    features: [
      Feature(
        "ONNX files compiled: shapes bound from inputs or by name, shape computations folded",
        "ONNXModel", "ONNXProgram", "martlet run", by: "ImportTests/shapeChainsVanish",
        "ImportTests/dimensionsHaveToBeBound", "ImportTests/shapesThatAreInputsSpecialise",
        "LayoutTests/transposesBetweenConvolutionsVanish"),
      Feature(
        "The ONNX project's node tests", "martlet conform", "make conform",
        by: "ImportTests/missingOperatorsAreNamedAtOnce"),
      Feature(
        "Images inside of models: BMP, PNM, TIFF, and formats that a program adds", "ONNXImages",
        by: "ImageDecoderTests/formatsGiveTheirPixels", "ImageDecoderTests/damagedFilesAreRefused",
        "ImageDecoderTests/programsAddFormats"),
      Feature(
        "Eight-bit weights that a file unpacks itself, in one pass", "ONNXModel",
        by: "DeferredWeightTests/castsAndProducts", "DeferredWeightTests/rowsOfTables",
        "DeferredWeightTests/dequantized"),
      Feature(
        "An imported model as a layer that trains", "ONNXLayer",
        by: "ONNXLayerTests/importedModelsTrain", "ExportedProgramTests/writtenBatchesAreNoBound"),
      Feature(
        "Fine-tuning of ONNX files: frozen weights, a new head, the file written again",
        "ONNXTransfer", "martlet train --model FILE.onnx", by: "ExportedProgramTests/newHeadsTrain",
        "ExportedProgramTests/tunedFilesKeepTheirGraph", "Tests/cli/run.sh: fine-tuning"),
    ]),
  Section(
    title: "The tool",
    features: [
      Feature(
        "Recipes as YAML, each problem with its place", "martlet train RECIPE.yaml",
        by: "CheckerTests/allProblemsAreReportedWithTheirPlaces",
        "CheckerTests/hostileFilesAreRefused", "RunTests/builtInRecipesRun"),
      Feature("Built-in recipes", "martlet recipes", by: "RunTests/builtInRecipesRun"),
      Feature(
        "Predictions of recipes' models: pictures, tables, several outputs", "martlet predict",
        "martlet summary", by: "SavedRecipeTests/aFolderOfPicturesIsLearnedSavedAndRecognised",
        "SavedRecipeTests/aTableWithWordsAndTwoHeadsIsReadAgainFromItsFile"),
      Feature(
        "Search: random, grid, coarse-to-fine, TPE, median pruning, ASHA, a journal",
        "martlet search", by: "SearchTests/parzenEstimatorsBeatRandomSearch",
        "SearchTests/medianPruningEndsTheWorse",
        "SearchTests/successiveHalvingDecidesAsOptunaDoes",
        "SearchTests/aResumedSearchGoesOnAsItWouldHave"),
      Feature(
        "Event files for TensorBoard", "EventLog",
        by: "EventTests/eventsAreTheBytesThatTensorBoardHasRead"),
      Feature(
        "A report of a run as one HTML file", "HTMLReport",
        by: "EventTests/aRunLeavesEventsCheckpointsAndAReport"),
      Feature(
        "Ctrl-C and SIGTERM save; kills leave a whole checkpoint", "martlet train --resume",
        by: "Tests/cli/run.sh: 130", "Tests/cli/kill_checkpoints.sh: checkpoint"),
    ]),
  Section(
    title: "The C library and Swift packages",
    features: [
      Feature(
        "A model directory in Swift: predict, train on, save", "Classifier",
        by: "Tests/capi/test_models.c: trains"),
      Feature(
        "libmartlet.so: load, compile, bind by name, run, train, save", "martlet_model_load (C)",
        "martlet_session_create (C)", "martlet_train_step (C)",
        by: "Tests/capi/test_models.c: agrees"),
      Feature(
        "Status codes for whatever a caller does wrong; handles that cannot be stale",
        "martlet_last_error (C)", by: "Tests/capi/test_errors.c: MARTLET_BAD_HANDLE"),
      Feature(
        "Beside another Swift runtime in one process", "make lib",
        by: "Tests/capi/run.sh: host_dlopen", "Tests/capi/run.sh: host_linked"),
      Feature(
        "Python without a wheel", "import martlet",
        by: "Tests/capi/run.sh: Examples/python"),
      Feature(
        "A package outside; a Swift type for each model among its resources",
        "plugin MartletModels",
        by: "Tests/package/run.sh: 9.9.9"),
      Feature(
        "A model as a C target with a Swift class over it", "swift package compile-model",
        by: "Tests/package/run.sh: compile-model"),
    ]),
  Section(
    title: "ONNX out, and files of others",
    features: [
      Feature(
        "Programs as ONNX files, with the paths of layers and parameters", "ONNXExport",
        "martlet convert", by: "ExportTests/trainedLeNetRoundTrips",
        "ExportTests/operationsRoundTrip", "ExportTests/whatCannotBeWrittenIsNamed",
        "ExportedProgramTests/programsKeepTheirValues"),
      Feature(
        "Every operation as ONNX, gradients too, beside its oracle and ONNX Runtime", "ONNXExport",
        by: "OperationExportTests/operationsKeepTheirValues",
        "OperationExportTests/gradientsOfModelsKeepTheirValues"),
      Feature(
        "ONNX files for any batch", "martlet convert", by: "ExportedProgramTests/theBatchStaysFree"),
      Feature(
        "Weights to PyTorch and back, bit for bit", "pyTorchWeights",
        "martlet convert --layout pytorch", "martlet convert --weights", "make exchange",
        by: "PyTorchWeightsTests/namesAndOrders", "PyTorchWeightsTests/pyTorchTakesThem",
        "Tests/cli/run.sh: from PyTorch"),
      Feature("Sound files", "WaveFile", "martlet run", by: "WaveTests/readsWhatOthersWrite"),
      Feature(
        "Hostile models: sizes, names, nesting, external data", "ONNXLimits",
        by: "HostileTests/sizesThatLie", "HostileTests/valuesThatGrow",
        "HostileTests/externalDataOutsideOfTheFolder", "HostileTests/namesReachNoText",
        "HostileTests/nestingAndRecursionEnd", "HostileTests/loopsThatDoNotEnd",
        "HostileTests/constantsThatAddUp"),
      Feature(
        "Mutated models, weights, arrays and IR text; libFuzzer", "make fuzz",
        "make test-fuzz", by: "HostileTests/mutations", "HostileTests/changesForAWhile"),
    ]),
]
