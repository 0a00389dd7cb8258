// The benchmark workloads: their shapes, layers, losses and optimizers are fixed, so that figures of
// different days and frameworks compare.

import Martlet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What one workload runs, step after step.
package struct Workload {
  package var name: String
  package var summary: String
  /// Draws inputs and first weights; set-up, as in the peers' scripts, and no part of the first step.
  package var prepare: () throws -> PreparedWorkload
}

/// A workload with its inputs and weights in memory, to be compiled.
package struct PreparedWorkload {
  package var inputs: [NDArray]
  /// Compiles it, from the model's closure on; called once, timed.
  package var build: (CompileOptions) throws -> BuiltWorkload
}

/// A compiled workload.
package struct BuiltWorkload {
  package var session: Session
  package var parameters: Int
  /// The training step, if it is one.
  package var training: TrainingStep?
  /// One step; what it gives: of a training step, the loss.
  package var step: ([NDArray]) throws -> [NDArray]

  package var program: Program { session.program }
}

extension Workload {
  package static var all: [Workload] {
    [
      mlp("mlp_tiny", [4, 16, 3], batch: 16, SGD(learningRate: 0.01)),
      mlp("mlp", [784, 512, 256, 10], batch: 128, Adam(learningRate: 1e-3)),
      mlp("mlp_wide", [1024, 2048, 2048, 1000], batch: 256, Adam(learningRate: 1e-3)),
      classifier(
        "lenet5", "LeNet-5, batch 64, momentum: one training step", image: [28, 28, 1], classes: 10,
        batch: 64, Momentum(learningRate: 0.01, momentum: 0.9)
      ) { LeNet5() },
      classifier(
        "resnet20", "ResNet-20, 32×32, batch 32, momentum: one training step", image: [32, 32, 3],
        classes: 10, batch: 32, Momentum(learningRate: 0.01, momentum: 0.9)
      ) { ResNet20() },
      vgg(),
      language("lstm", "LSTM", LSTM(256, 256)),
      language("gru", "GRU", GRU(256, 256)),
      recurrentGradients(),
      transformer(),
      attention("attention2k", heads: 8, length: 2048, width: 64),
      chain("chain64k", 1 << 16),
      chain("chain16m", 1 << 24),
      gemm("gemm512", 512),
      gemm("gemm1024", 1024),
      function("softmax", "softmax over the rows of f32[4096,1024]", [[4096, 1024]]) {
        softmax($0[0], axis: -1)
      },
      function(
        "layernorm", "layer normalisation of f32[4096,1024] with scale and bias",
        [[4096, 1024], [1024], [1024]]
      ) { layerNorm($0[0], scale: $0[1], bias: $0[2]) },
    ]
  }

  /// What is measured by name alone.
  package static var further: [Workload] {
    [embedding("embedding_dense", sparse: false), embedding("embedding_sparse", sparse: true)]
  }

  package static func named(_ name: String) -> Workload? {
    (all + further).first { $0.name == name }
  }

  // MARK: - Training steps

  private static func mlp(
    _ name: String, _ sizes: [Int], batch: Int, _ optimizer: some Optimizer
  ) -> Workload {
    classifier(
      name,
      "MLP \(sizes.map(String.init).joined(separator: "-")), batch \(batch), "
        + "\(type(of: optimizer)): one training step",
      image: [sizes[0]], classes: sizes[sizes.count - 1], batch: batch, optimizer
    ) { MLP(sizes) }
  }

  /// Forward, cross-entropy, backward and update of a model with labels.
  private static func classifier<Model: Layer>(
    _ name: String, _ summary: String, image: [Int], classes: Int, batch: Int,
    _ optimizer: some Optimizer, _ make: @escaping () -> Model
  ) -> Workload {
    let shape = Shape([batch] + image)
    return Workload(name: name, summary: summary) {
      let model = make()
      let parameters = try drawn(model)
      var draws = NormalDraws()
      let inputs = [try draws.normal(shape), try draws.labels(batch, below: classes)]
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = name
        let step = try compile(
          training: model, with: optimizer, TensorSpec(shape, name: "x"),
          TensorSpec([batch], .int32, name: "y"), options: options
        ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
        return BuiltWorkload(
          session: step.session, parameters: parameters, training: step,
          step: { [try step.run($0).loss] })
      }
    }
  }

  // MARK: - Recurrent nets

  /// Embedding, a recurrent layer, a dense layer to the vocabulary.
  private struct LanguageModel<Recurrence: RecurrentLayer>: Layer {
    let embedding = Embedding(65, 256)
    let recurrence: Recurrence
    let output = Linear(256, 65)
    /// Tokens [T, B] to logits [T · B, 65].
    func callAsFunction(_ x: Tensor) -> Tensor {
      output(recurrence(embedding(x)).reshaped([x.count, 256]))
    }
  }

  private static func language<Recurrence: RecurrentLayer>(
    _ name: String, _ kind: String, _ recurrence: @autoclosure @escaping () -> Recurrence
  ) -> Workload {
    let (steps, batch) = (64, 32)
    return Workload(
      name: name, summary: "\(kind) 256 over 64 tokens of 65, batch 32, Adam: one training step"
    ) {
      let model = LanguageModel(recurrence: recurrence())
      let parameters = try drawn(model)
      var draws = NormalDraws()
      let tokens = try draws.labels(batch * steps, below: 65).reshaped([batch, steps])
      let inputs = [tokens, try draws.labels(batch * steps, below: 65)]
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = name
        let step = try compile(
          training: model, with: Adam(learningRate: 1e-3),
          TensorSpec([batch, steps], .int32, name: "x"),
          TensorSpec([batch * steps], .int32, name: "y"), options: options
        ) { x, y in
          // The mean over all tokens does not depend on their order: time leads.
          let labels = y.reshaped([batch, steps]).transposed([1, 0]).reshaped([batch * steps])
          return softmaxCrossEntropy(logits: model(x.transposed([1, 0])), labels: labels)
        }
        return BuiltWorkload(
          session: step.session, parameters: parameters, training: step,
          step: { [try step.run($0).loss] })
      }
    }
  }

  /// A small LSTM: the mean of its squared outputs, and the gradients of all parameters.
  private static func recurrentGradients() -> Workload {
    Workload(
      name: "lstm_small",
      summary: "LSTM 64 over 128 steps, batch 8, mean(h²) and the gradients of all parameters"
    ) {
      let model = LSTM(64, 64)
      let parameters = try drawn(model)
      var draws = NormalDraws()
      return PreparedWorkload(inputs: [try draws.normal([128, 8, 64])]) { options in
        var options = options
        options.name = "lstm_small"
        let function = try compile([TensorSpec([128, 8, 64], name: "x")], options: options) { x in
          let h = model(x[0])
          let (loss, grads) = valueAndGrad((h * h).mean(), wrt: model)
          return [loss] + model.parameters.compactMap { grads[$0] }
        }
        return BuiltWorkload(
          session: function.session, parameters: parameters, step: { try function.run($0) })
      }
    }
  }

  /// The mean of 32 words of 100,000 and a dense layer, batch 32, Adam: the table's update by rows or
  /// as a whole.
  private static func embedding(_ name: String, sparse: Bool) -> Workload {
    struct Bag: Layer {
      let table: Embedding
      let output = Linear(64, 2)
      func callAsFunction(_ x: Tensor) -> Tensor { output(table(x).mean(axes: [1])) }
    }
    return Workload(
      name: name,
      summary: "mean of 32 of 100,000 words of 64, batch 32, Adam"
        + (sparse ? " by rows" : "") + ": one training step"
    ) {
      let model = Bag(table: Embedding(100_000, 64, sparse: sparse))
      let parameters = try drawn(model)
      var draws = NormalDraws()
      let words = try draws.labels(32 * 32, below: 100_000).reshaped([32, 32])
      let inputs = [words, try draws.labels(32, below: 2)]
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = name
        let step = try compile(
          training: model, with: Adam(learningRate: 1e-3), TensorSpec([32, 32], .int32, name: "x"),
          TensorSpec([32], .int32, name: "y"), options: options
        ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
        return BuiltWorkload(
          session: step.session, parameters: parameters, training: step,
          step: { [try step.run($0).loss] })
      }
    }
  }

  // MARK: - Attention

  /// Causal blocks over 128 tokens of 512: one training step.
  private static func transformer() -> Workload {
    let (batch, length, vocabulary) = (8, 128, 512)
    return Workload(
      name: "transformer",
      summary:
        "transformer, 4 blocks of width 256 over 128 tokens, batch 8, Adam: one training step"
    ) {
      let model = TransformerLanguageModel(
        vocabulary: vocabulary, capacity: length, width: 256, heads: 4, layers: 4)
      let parameters = try drawn(model)
      var draws = NormalDraws()
      let tokens = try draws.labels(batch * length, below: vocabulary).reshaped([batch, length])
      let inputs = [tokens, try draws.labels(batch * length, below: vocabulary)]
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = "transformer"
        let step = try compile(
          training: model, with: Adam(learningRate: 1e-3),
          TensorSpec([batch, length], .int32, name: "x"),
          TensorSpec([batch * length], .int32, name: "y"), options: options
        ) { x, y in
          softmaxCrossEntropy(
            logits: model(x).reshaped([batch * length, vocabulary]), labels: y)
        }
        return BuiltWorkload(
          session: step.session, parameters: parameters, training: step,
          step: { [try step.run($0).loss] })
      }
    }
  }

  /// Causal attention and its gradient, for a given cotangent.
  private static func attention(
    _ name: String, heads: Int, length: Int, width: Int
  ) -> Workload {
    let shape: Shape = [1, heads, length, width]
    return Workload(
      name: name,
      summary:
        "causal attention, \(heads) heads of \(width) over \(length) positions, and its gradient"
    ) {
      var draws = NormalDraws()
      let inputs = try (0..<4).map { _ in try draws.normal(shape) }
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = name
        let function = try compile(
          ["q", "k", "v", "dy"].map { TensorSpec(shape, name: $0) }, options: options
        ) { v in
          let y = scaledDotProductAttention(v[0], v[1], v[2], causality: .fromStart)
          return [y] + gradients(of: (y * v[3]).sum(), wrt: Array(v[0..<3]))
        }
        return BuiltWorkload(
          session: function.session, parameters: 0, step: { try function.run($0) })
      }
    }
  }

  /// Gives a model its first weights; the number of the trainable ones.
  private static func drawn(_ model: some Layer) throws -> Int {
    let parameters = model.parameters
    try StateBlock.allocate(parameters.map(\.variable), seed: 0)
    for parameter in parameters { parameter.variable.initialize() }
    return parameters.reduce(0) { $0 + ($1.isTrainable ? $1.type.count : 0) }
  }

  // MARK: - Inference

  /// VGG-16 with its weights frozen into the program.
  private static func vgg() -> Workload {
    let shape: Shape = [1, 224, 224, 3]
    return Workload(
      name: "vgg_infer", summary: "VGG-16, 224×224, batch 1, frozen weights: inference"
    ) {
      let model = VGG16()
      let parameters = try drawn(model)
      var draws = NormalDraws()
      return PreparedWorkload(inputs: [try draws.normal(shape)]) { options in
        var options = options
        options.name = "vgg_infer"
        let function = try compile(frozen: model, TensorSpec(shape, name: "x"), options: options) {
          model($0)
        }
        return BuiltWorkload(
          session: function.session, parameters: parameters, step: { try function.run($0) })
      }
    }
  }

  // MARK: - Functions

  private static func function(
    _ name: String, _ summary: String, _ shapes: [Shape],
    _ body: @escaping ([Tensor]) -> Tensor
  ) -> Workload {
    Workload(name: name, summary: summary) {
      var draws = NormalDraws()
      var inputs: [NDArray] = []
      for shape in shapes { inputs.append(try draws.normal(shape)) }
      return PreparedWorkload(inputs: inputs) { options in
        var options = options
        options.name = name
        let function = try compile(shapes.map { TensorSpec($0) }, options: options) { [body($0)] }
        return BuiltWorkload(
          session: function.session, parameters: 0, step: { try function.run($0) })
      }
    }
  }

  private static func chain(_ name: String, _ count: Int) -> Workload {
    function(
      name, "σ(a·b + c)·a + ½·relu(c) over f32[\(count)]", [[count], [count], [count]]
    ) { logistic($0[0] * $0[1] + $0[2]) * $0[0] + relu($0[2]) * 0.5 }
  }

  private static func gemm(_ name: String, _ size: Int) -> Workload {
    function(name, "f32[\(size),\(size)] · f32[\(size),\(size)]", [[size, size], [size, size]]) {
      matmul($0[0], $0[1])
    }
  }
}

/// Normally distributed inputs, the same in every run.
package struct NormalDraws {
  private var state: UInt64 = 0

  package init() {}

  // SplitMix64, https://doi.org/10.1145/2714064.2660195
  private mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  /// Uniform in −1 ..< 1.
  private mutating func symmetric() -> Float {
    Float(Int64(bitPattern: bits() >> 40) - (1 << 23)) * 0x1p-23
  }

  /// N(0, 1) by the polar method (Marsaglia and Bray 1964).
  package mutating func normal(_ shape: Shape) throws -> NDArray {
    var array = try NDArray(zeros: shape)
    try array.withUnsafeMutableBytes { bytes in
      let values = bytes.bindMemory(to: Float.self)
      var index = 0
      while index < values.count {
        let (u, v) = (symmetric(), symmetric())
        let s = u * u + v * v
        guard s > 0, s < 1 else { continue }
        let factor = (-2 * logf(s) / s).squareRoot()
        values[index] = u * factor
        if index + 1 < values.count { values[index + 1] = v * factor }
        index += 2
      }
    }
    return array
  }

  /// Uniform in 0 ..< bound.
  package mutating func labels(_ count: Int, below bound: Int) throws -> NDArray {
    try NDArray((0..<count).map { _ in Int32(truncatingIfNeeded: bits() % UInt64(bound)) })
  }
}
