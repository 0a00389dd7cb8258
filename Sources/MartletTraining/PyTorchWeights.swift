// Weights under PyTorch's names and in its orders of axes.

import MartletExecution
import MartletIR
import MartletNN

/// What a parameter is called in PyTorch, and in which order its axes stand there.
private struct PyTorchForm {
  var name: String
  /// PyTorch's axis i is this one of Martlet's.
  var permutation: [Int]

  /// The form of a layer's parameter; nil where the two agree.
  init?(_ label: String, of layer: Any, rank: Int) {
    let reversed = rank == 2 ? [1, 0] : Array(0..<rank)
    switch layer {
    case is Linear where label == "weight": self.init(name: label, permutation: [1, 0])
    case is Conv1D, is Conv2D, is Conv3D, is ConvTranspose1D, is ConvTranspose2D,
      is ConvTranspose3D, is DepthwiseConv2D:
      guard label == "weight", rank >= 3 else { return nil }
      self.init(name: label, permutation: [rank - 1, rank - 2] + Array(0..<(rank - 2)))
    case is any RecurrentLayer:
      let names = [
        "inputWeight": "weight_ih_l0", "hiddenWeight": "weight_hh_l0",
        "inputBias": "bias_ih_l0", "hiddenBias": "bias_hh_l0", "projection": "weight_hr_l0",
      ]
      guard layer is LSTM || layer is GRU || layer is SimpleRNN, let name = names[label] else {
        return nil
      }
      self.init(name: name, permutation: reversed)
    case is BatchNorm, is LayerNorm, is GroupNorm, is InstanceNorm, is RMSNorm, is PReLU,
      is Embedding:
      let names = [
        "scale": "weight", "slope": "weight", "table": "weight", "runningMean": "running_mean",
        "runningVariance": "running_var",
      ]
      guard let name = names[label] else { return nil }
      self.init(name: name, permutation: Array(0..<rank))
    default: return nil
    }
  }

  private init(name: String, permutation: [Int]) {
    self.name = name
    self.permutation = permutation
  }

  /// The forms of all parameters of a model that have one of their own, by the parameter.
  static func all(of model: Any) -> [ObjectIdentifier: PyTorchForm] {
    var found: [ObjectIdentifier: PyTorchForm] = [:]
    func visit(_ value: Any, _ depth: Int) {
      guard depth < 32, !(value is Parameter) else { return }
      for child in Mirror(reflecting: value).children {
        let unwrapped =
          (child.value as? Parameter)
          ?? Mirror(reflecting: child.value).children.first { $0.label == "some" }?.value
          as? Parameter
        if let parameter = unwrapped {
          found[ObjectIdentifier(parameter)] = PyTorchForm(
            child.label ?? "", of: value, rank: parameter.shape.rank)
        } else {
          visit(child.value, depth + 1)
        }
      }
    }
    visit(model, 0)
    return found
  }

  /// The name of a parameter at a path.
  func name(at path: String) -> String {
    guard let dot = path.lastIndex(of: ".") else { return name }
    return path[...dot] + name
  }

  func inverse(_ rank: Int) -> [Int] {
    var result = [Int](repeating: 0, count: rank)
    for (place, axis) in permutation.enumerated() { result[axis] = place }
    return result
  }

  /// The elements with axes permuted, byte for byte.
  static func permuted(_ array: NDArray, _ permutation: [Int]) throws -> NDArray {
    let rank = array.shape.rank
    guard permutation != Array(0..<rank) else { return array }
    let target = Shape(permutation.map { array.shape[$0] })
    let strides = permutation.map { array.shape.strides[$0] }
    let width = array.dtype.byteCount
    let result = try NDArray(zeros: target, array.dtype)
    let own = target.strides
    array.withUnsafeBytes { source in
      for flat in 0..<target.count {
        var place = 0
        for axis in 0..<rank { place += flat / own[axis] % target[axis] * strides[axis] }
        (result.base + flat * width).copyMemory(
          from: source.baseAddress.map { $0 + place * width } ?? UnsafeRawPointer(result.base),
          byteCount: width)
      }
    }
    return result
  }
}

extension Layer {
  /// The parameters as PyTorch's `load_state_dict` takes them: its names (`weight` of a norm,
  /// `weight_ih_l0` of a recurrent layer) and its orders of axes (`[out, in]`, `[out, in, height,
  /// width]`), with the same bits.
  ///
  ///     try Safetensors.save(model.pyTorchWeights(), to: "model.safetensors")
  ///     # model.load_state_dict(safetensors.torch.load_file("model.safetensors"))
  ///
  /// Paths are the model's own: properties are to be called as in the other model. A dense layer behind
  /// a flattened image reads `height · width · channels` here, `channels · height · width` there.
  ///
  /// - Throws: ``RunError`` when a parameter cannot be read.
  public func pyTorchWeights() throws -> [NamedArray] {
    let forms = PyTorchForm.all(of: self)
    return try Naming.paths(of: self).map { parameter, path in
      guard let form = forms[ObjectIdentifier(parameter)] else {
        return NamedArray(path, try parameter.value())
      }
      return NamedArray(
        form.name(at: path), try PyTorchForm.permuted(parameter.value(), form.permutation))
    }
  }

  /// Loads what PyTorch's `state_dict` holds: ``load(_:renaming:)`` with its names and orders of axes.
  /// Its counters `num_batches_tracked` are passed over.
  ///
  /// - Throws: ``RunError`` when a session uses the model; nothing is changed then.
  @discardableResult
  public func load(
    pyTorch arrays: [NamedArray], renaming: (String) -> String? = { $0 }
  ) throws -> LoadReport {
    let forms = PyTorchForm.all(of: self)
    var places: [String: (path: String, form: PyTorchForm?)] = [:]
    for (parameter, path) in Naming.paths(of: self) {
      let form = forms[ObjectIdentifier(parameter)]
      places[form?.name(at: path) ?? path] = (path, form)
    }
    var converted: [NamedArray] = []
    for item in arrays {
      guard let name = renaming(item.name), !name.hasSuffix("num_batches_tracked") else { continue }
      guard let place = places[name] else {
        converted.append(NamedArray(name, item.array))
        continue
      }
      let rank = item.array.shape.rank
      let array =
        try place.form.map { form in
          form.permutation.count == rank
            ? try PyTorchForm.permuted(item.array, form.inverse(rank)) : item.array
        } ?? item.array
      converted.append(NamedArray(place.path, array))
    }
    return try load(converted)
  }
}
