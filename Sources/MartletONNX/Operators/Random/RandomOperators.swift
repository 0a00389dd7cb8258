// Random draws. Programs draw by a counter-based generator (Philox): equal seeds give equal draws, but not
// those of other implementations; the attribute `seed` is one of the session. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let randomOperators: [OperatorEntry] = [
  OperatorEntry(Dropout.self), OperatorEntry(Bernoulli.self), OperatorEntry(Multinomial.self),
  OperatorEntry("RandomNormal", folds: false) { node in
    [.tensor(try node.normal(node.drawType()))]
  },
  OperatorEntry("RandomNormalLike", folds: false) { node in
    [.tensor(try node.normal(node.drawType(like: 0)))]
  },
  OperatorEntry("RandomUniform", folds: false) { node in
    [.tensor(try node.uniform(node.drawType()))]
  },
  OperatorEntry("RandomUniformLike", folds: false) { node in
    [.tensor(try node.uniform(node.drawType(like: 0)))]
  },
]

extension NodeContext {
  /// The type of draws by the attributes `shape` and `dtype`.
  fileprivate func drawType() throws -> TensorType {
    let type = TensorType(try drawDType(.float), try checked(ints("shape") ?? []))
    guard type.shape.dimensions.allSatisfy({ $0 >= 0 }) else {
      throw invalid("the shape \(type.shape)")
    }
    try checkSize(type)
    return type
  }

  fileprivate func drawType(like index: Int) throws -> TensorType {
    let type = try elementType(index)
    return TensorType(try drawDType(type), try shape(index))
  }

  private func drawDType(_ otherwise: ElementType) throws -> DType {
    let type = try elementType(attribute: "dtype") ?? otherwise
    guard let dtype = type.carrier, dtype.isFloatingPoint, type.isNative else {
      throw unsupported("draws of \(type.name)")
    }
    return dtype
  }

  fileprivate func uniform(_ type: TensorType) throws -> Tensor {
    let (low, high) = (try float("low", default: 0), try float("high", default: 1))
    return drawn(type) { $0.randomUniformLike(low: low, high: high) }
  }

  fileprivate func normal(_ type: TensorType) throws -> Tensor {
    let (mean, scale) = (try float("mean", default: 0), try float("scale", default: 1))
    return drawn(type) { $0.randomNormalLike() * scale + mean }
  }

  /// Draws in f32 or f64, in the type that is asked for.
  func drawn(_ type: TensorType, _ body: (Tensor) -> Tensor) -> Tensor {
    let wide: DType = type.dtype == .float64 ? .float64 : .float32
    let model = scalar(0, wide).broadcasted(to: type.shape)
    return body(model).converted(to: type.dtype)
  }
}
