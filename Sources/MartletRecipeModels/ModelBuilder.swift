// Layers of a recipe → layers of MartletNN, with the shape of one example followed all the way.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// One layer of the model, for summaries.
package struct LayerRow: Sendable {
  /// Its place in the recipe: `model.3.residual.body.0`.
  package var path: String
  /// Its name in the recipe: `conv2d`.
  package var name: String
  /// The shape of one example behind it.
  package var output: [Int]
  /// The layer; its parameters have their paths once the whole model is named.
  package var layer: any Layer
}

/// Builds models; problems have the place of the layer that has them.
package struct ModelBuilder {
  package private(set) var problems: [RecipeError.Problem] = []
  package private(set) var rows: [LayerRow] = []
  private let classes: Int?
  private let targets: Int
  private var parameters = 0
  private var layerCount = 0

  /// - Parameters:
  ///   - classes: What `linear: classes` means; nil where the targets are numbers.
  ///   - targets: What `linear: targets` means.
  package init(classes: Int?, targets: Int = 1) {
    self.classes = classes
    self.targets = targets
  }

  /// A whole model by its name.
  package mutating func model(
    _ fields: CheckedFields, input: [Int], outputs: Int
  ) -> (layer: any Layer, output: [Int])? {
    switch fields.name {
    case "lenet5":
      guard input == [28, 28, 1] else {
        report(fields, "model.lenet5", "takes images of 28 × 28 × 1, got \(text(input))")
        return nil
      }
      let model = LeNet5(classes: outputs)
      let parts: [(String, any Layer, [Int])] = [
        ("convolution1", model.convolution1, [28, 28, 6]), ("pool1", MaxPool2D(2), [14, 14, 6]),
        ("convolution2", model.convolution2, [10, 10, 16]), ("pool2", MaxPool2D(2), [5, 5, 16]),
        ("dense1", model.dense1, [120]), ("dense2", model.dense2, [84]),
        ("output", model.output, [outputs]),
      ]
      for (name, layer, output) in parts {
        add("model.lenet5.\(name)", ModelBuilder.kind(layer), layer, output)
      }
      return (model, [outputs])
    case "mlp":
      let sizes = [input.reduce(1, *)] + (fields.integers("hidden") ?? [512, 256]) + [outputs]
      for (a, b) in zip(sizes, sizes.dropFirst()) {
        guard count(a * b + b, fields, "model.mlp") else { return nil }
      }
      let model = MLP(sizes)
      for (index, layer) in model.layers.enumerated() {
        add("model.mlp.layers.\(index)", "linear", layer, [sizes[index + 1]])
      }
      return (model, [outputs])
    default:
      report(fields, "model.\(fields.name)", "`martlet train` alone opens such files")
      return nil
    }
  }

  /// Layers in order, from the shape of one example; nil after the first problem of a chain, since
  /// nobody knows the shapes behind it.
  package mutating func layers(
    _ list: [Checked], input: [Int], path: String
  ) -> (layers: [any Layer], output: [Int])? {
    var shape = input
    var result: [any Layer] = []
    for (index, element) in list.enumerated() {
      guard case .fields(let fields) = element.value else { return nil }
      layerCount += 1
      guard layerCount <= 20_000 else {
        report(fields, path, "the model has more than 20,000 layers")
        return nil
      }
      guard let made = layer(fields, shape, "\(path).\(index).\(fields.name)") else { return nil }
      result.append(made.layer)
      shape = made.output
    }
    return (result, shape)
  }

  // MARK: - Problems

  private mutating func report(_ fields: CheckedFields, _ path: String, _ message: String) {
    problems.append(.init("\(path): \(message)", at: fields.position))
  }
  private func text(_ shape: [Int]) -> String {
    shape.isEmpty ? "a number" : shape.map(String.init).joined(separator: " × ")
  }
  private mutating func add(
    _ fields: CheckedFields, _ path: String, _ layer: any Layer, _ output: [Int]
  ) -> (layer: any Layer, output: [Int])? {
    rows.append(LayerRow(path: path, name: fields.name, output: output, layer: layer))
    return (layer, output)
  }
  /// A part of a model that has a name of its own.
  private mutating func add(
    _ path: String, _ name: String, _ layer: any Layer, _ output: [Int]
  ) {
    rows.append(LayerRow(path: path, name: name, output: output, layer: layer))
  }
  private static func kind(_ layer: any Layer) -> String {
    switch layer {
    case is MartletNN.Conv2D: "conv2d"
    case is MaxPool2D: "maxPool2d"
    default: "linear"
    }
  }
  /// Counts parameters before they are allocated.
  private mutating func count(_ more: Int, _ fields: CheckedFields, _ path: String) -> Bool {
    parameters += more
    guard parameters <= 1 << 29 else {
      report(fields, path, "the model has more than \(1 << 29) parameters here")
      return false
    }
    return true
  }
  private mutating func image(_ fields: CheckedFields, _ shape: [Int], _ path: String) -> Bool {
    guard shape.count == 3 else {
      report(
        fields, path,
        "takes images, height × width × channels; got \(text(shape))"
          + (shape.count == 1 ? " (reshape: [H, W, C] makes images of rows)" : ""))
      return false
    }
    return true
  }

  // MARK: - Layers

  private mutating func layer(
    _ fields: CheckedFields, _ shape: [Int], _ path: String
  ) -> (layer: any Layer, output: [Int])? {
    if let function = ModelBuilder.activation(fields) {
      return add(fields, path, Activation(function), shape)
    }
    guard let last = shape.last else {
      report(fields, path, "takes arrays, got a number")
      return nil
    }
    switch fields.name {
    case "linear": return linear(fields, shape, last, path)
    case "conv2d": return convolution(fields, shape, last, path)
    case "maxPool2d", "averagePool2d": return pool(fields, shape, path)
    case "globalAveragePool2d":
      guard image(fields, shape, path) else { return nil }
      return add(fields, path, GlobalAveragePool2D(), [last])
    case "flatten": return add(fields, path, Flatten(), [shape.reduce(1, *)])
    case "reshape":
      let target = fields.integers("shape") ?? shape
      guard target.reduce(1.0, { $0 * Double($1) }) == Double(shape.reduce(1, *)) else {
        report(
          fields, path, "\(text(shape)) has \(shape.reduce(1, *)) elements, \(text(target)) has not"
        )
        return nil
      }
      return add(fields, path, Reshape(target), target)
    case "prelu":
      let channels = fields.boolean("shared") == true ? 1 : last
      guard count(channels, fields, path) else { return nil }
      return add(fields, path, PReLU(channels), shape)
    case "maxout":
      let pieces = fields.integer("pieces") ?? 2
      guard last % pieces == 0 else {
        report(fields, path, "\(pieces) pieces do not divide \(last) channels")
        return nil
      }
      return add(
        fields, path, Activation { maxout($0, pieces: pieces) }, shape.dropLast() + [last / pieces])
    case "glu":
      guard last % 2 == 0 else {
        report(fields, path, "halves the channels, and \(last) is odd")
        return nil
      }
      return add(fields, path, Activation { glu($0) }, shape.dropLast() + [last / 2])
    case "dropout":
      let scaling: DropoutScaling =
        fields.text("scaling") == "atInference" ? .atInference : .inverted
      return add(fields, path, Dropout(fields.number("rate") ?? 0.5, scaling: scaling), shape)
    case "batchNorm":
      guard count(2 * last, fields, path) else { return nil }
      return add(
        fields, path,
        BatchNorm(
          last, momentum: fields.number("momentum") ?? 0.1,
          epsilon: fields.number("epsilon") ?? 1e-5), shape)
    case "layerNorm":
      guard count(2 * last, fields, path) else { return nil }
      return add(fields, path, LayerNorm(last, epsilon: fields.number("epsilon") ?? 1e-5), shape)
    case "rmsNorm":
      guard count(last, fields, path) else { return nil }
      return add(fields, path, RMSNorm(last, epsilon: fields.number("epsilon") ?? 1e-6), shape)
    case "instanceNorm":
      guard shape.count > 1 else {
        report(fields, path, "takes channels with places, got \(text(shape))")
        return nil
      }
      guard count(2 * last, fields, path) else { return nil }
      return add(fields, path, InstanceNorm(last, epsilon: fields.number("epsilon") ?? 1e-5), shape)
    case "groupNorm":
      let groups = fields.integer("groups") ?? 1
      guard last % groups == 0 else {
        report(fields, path, "\(groups) groups do not divide \(last) channels")
        return nil
      }
      guard count(2 * last, fields, path) else { return nil }
      return add(
        fields, path, GroupNorm(last, groups: groups, epsilon: fields.number("epsilon") ?? 1e-5),
        shape)
    default: return block(fields, shape, path)
    }
  }

  private mutating func linear(
    _ fields: CheckedFields, _ shape: [Int], _ last: Int, _ path: String
  ) -> (layer: any Layer, output: [Int])? {
    var out = fields.integer("out") ?? 1
    switch fields.text("out") {
    case "classes":
      guard let classes else {
        report(fields, path, "the data has no classes: say a number, or `targets`")
        return nil
      }
      out = classes
    case "targets": out = targets
    default: break
    }
    guard count(last * out + out, fields, path) else { return nil }
    let layer = Linear(
      last, out, bias: fields.boolean("bias") ?? true, initializer: initializer(fields))
    return add(fields, path, layer, shape.dropLast() + [out])
  }

  private mutating func convolution(
    _ fields: CheckedFields, _ shape: [Int], _ last: Int, _ path: String
  ) -> (layer: any Layer, output: [Int])? {
    guard image(fields, shape, path) else { return nil }
    let (out, kernel) = (fields.integer("out") ?? 1, fields.integer("kernel") ?? 3)
    let groups = fields.integer("groups") ?? 1
    guard last % groups == 0, out % groups == 0 else {
      report(
        fields, path, "\(groups) groups do not divide \(last) channels into \(out)")
      return nil
    }
    let dilations = fields.integers("dilations") ?? [1]
    guard
      let area = windows(
        fields, shape, path, kernel: kernel, strides: fields.integers("strides") ?? [1],
        dilations: dilations),
      count(kernel * kernel * (last / groups) * out + out, fields, path)
    else { return nil }
    let layer = Conv2D(
      last, out, kernel: kernel, strides: fields.integers("strides") ?? [1],
      padding: padding(fields), dilations: dilations, groups: groups,
      bias: fields.boolean("bias") ?? true, initializer: initializer(fields))
    return add(fields, path, layer, area + [out])
  }

  private mutating func pool(
    _ fields: CheckedFields, _ shape: [Int], _ path: String
  ) -> (layer: any Layer, output: [Int])? {
    guard image(fields, shape, path) else { return nil }
    let window = fields.integer("window") ?? 2
    let strides = fields.integers("strides") ?? [window]
    if let pad = fields.integer("padding"), pad >= window {
      report(fields, path, "padding \(pad) leaves a window of \(window) without a pixel")
      return nil
    }
    guard let area = windows(fields, shape, path, kernel: window, strides: strides, dilations: [1])
    else { return nil }
    let output = area + [shape[2]]
    if fields.name == "maxPool2d" {
      return add(
        fields, path, MaxPool2D(window, strides: strides, padding: padding(fields)), output)
    }
    return add(
      fields, path, AveragePool2D(window, strides: strides, padding: padding(fields)), output)
  }

  private func padding(_ fields: CheckedFields) -> Padding2D {
    if let pixels = fields.integer("padding") { return .all(pixels) }
    return fields.text("padding") == "same" ? .same : .valid
  }

  /// Height and width behind a sliding window.
  private mutating func windows(
    _ fields: CheckedFields, _ shape: [Int], _ path: String, kernel: Int, strides: [Int],
    dilations: [Int]
  ) -> [Int]? {
    var area: [Int] = []
    for axis in 0..<2 {
      let stride = strides[strides.count > 1 ? axis : 0]
      let dilation = dilations[dilations.count > 1 ? axis : 0]
      let extent = dilation * (kernel - 1) + 1
      if fields.text("padding") == "same" {
        area.append((shape[axis] + stride - 1) / stride)
        continue
      }
      let pad = fields.integer("padding") ?? 0
      guard shape[axis] + 2 * pad >= extent else {
        report(
          fields, path,
          "a window of \(extent) does not fit \(text(shape)) with a padding of \(pad)")
        return nil
      }
      area.append((shape[axis] + 2 * pad - extent) / stride + 1)
    }
    return area
  }

  private mutating func block(
    _ fields: CheckedFields, _ shape: [Int], _ path: String
  ) -> (layer: any Layer, output: [Int])? {
    switch fields.name {
    case "residual":
      guard let body = layers(fields.list("body") ?? [], input: shape, path: "\(path).body")
      else { return nil }
      var shortcut: (layers: [any Layer], output: [Int])?
      if let list = fields.list("shortcut") {
        guard let made = layers(list, input: shape, path: "\(path).shortcut") else { return nil }
        shortcut = made
      }
      let other = shortcut?.output ?? shape
      guard body.output == other else {
        report(
          fields, path, "the body gives \(text(body.output)), the shortcut \(text(other))")
        return nil
      }
      guard let shortcut else { return (Residual { body.layers }, shape) }
      return (Residual({ body.layers }, shortcut: { shortcut.layers }), other)
    case "parallel":
      var branches: [any Layer] = []
      var output: [Int]?
      var channels = 0
      for (index, branch) in (fields.list("branches") ?? []).enumerated() {
        guard case .list(let list) = branch.value,
          let made = layers(list, input: shape, path: "\(path).\(index)")
        else { return nil }
        if let output, output.dropLast() != made.output.dropLast() {
          report(
            fields, path,
            "branch \(index) gives \(text(made.output)), the first \(text(output)): only the last "
              + "extents may differ")
          return nil
        }
        output = output ?? made.output
        channels += made.output.last ?? 0
        branches.append(Sequential(made.layers))
      }
      return (Parallel { branches }, (output ?? shape).dropLast() + [channels])
    case "repeat":
      var shape = shape
      var all: [any Layer] = []
      for round in 0..<(fields.integer("count") ?? 1) {
        guard
          let made = layers(fields.list("layers") ?? [], input: shape, path: "\(path).\(round)")
        else { return nil }
        all.append(Sequential(made.layers))
        shape = made.output
      }
      return (Sequential(all), shape)
    default:
      report(fields, path, "no such layer")
      return nil
    }
  }

  private func initializer(_ fields: CheckedFields) -> Initializer {
    guard let own = fields.fields("initializer") else { return .torchUniform }
    switch own.name {
    case "heNormal": return .heNormal
    case "heUniform": return .heUniform
    case "xavierNormal": return .xavierNormal
    case "xavierUniform": return .xavierUniform
    case "lecunNormal": return .lecunNormal
    case "lecunUniform": return .lecunUniform
    case "zeros": return .zeros
    case "ones": return .ones
    case "constant": return .constant(own.number("value") ?? 0)
    case "uniform":
      let bound = own.number("bound") ?? 1
      return .uniform(-bound, bound)
    case "normal": return .normal(standardDeviation: own.number("deviation") ?? 1)
    case "truncatedNormal":
      return .truncatedNormal(standardDeviation: own.number("deviation") ?? 1)
    case "orthogonal": return .orthogonal(gain: own.number("gain") ?? 1)
    default: return .torchUniform
    }
  }

  /// Layers without parameters that keep the shape; nil for others.
  private static func activation(_ fields: CheckedFields) -> (@Sendable (Tensor) -> Tensor)? {
    let alpha = fields.number("alpha") ?? 1
    switch fields.name {
    case "relu": return { relu($0) }
    case "leakyRelu":
      let slope = fields.number("slope") ?? 0.01
      return { leakyRelu($0, slope: slope) }
    case "elu": return { elu($0, alpha: alpha) }
    case "celu": return { celu($0, alpha: alpha) }
    case "selu": return { selu($0) }
    case "gelu":
      let approximation: GELUApproximation =
        fields.text("approximation") == "tanh" ? .tanh : .none
      return { gelu($0, approximation: approximation) }
    case "sigmoid": return { sigmoid($0) }
    case "tanh": return { tanh($0) }
    case "silu": return { silu($0) }
    case "softplus": return { softplus($0) }
    case "softsign": return { softsign($0) }
    case "mish": return { mish($0) }
    case "relu6": return { relu6($0) }
    case "hardSigmoid": return { hardSigmoid($0) }
    case "hardSwish": return { hardSwish($0) }
    case "hardTanh": return { hardTanh($0) }
    case "softmax": return { softmax($0, axis: -1) }
    case "logSoftmax": return { logSoftmax($0, axis: -1) }
    default: return nil
    }
  }
}

/// The same elements of each example in another shape.
struct Reshape: Layer {
  let shape: [Int]
  init(_ shape: [Int]) { self.shape = shape }
  func callAsFunction(_ x: Tensor) -> Tensor { x.reshaped(Shape([x.shape[0]] + shape)) }
}
