// Tensors whose elements are known: initializers, attributes, what was folded, given inputs.

import MartletExecution
import MartletIR
import MartletOps

/// A tensor on the host, with its ONNX element type: numbers in the type's carrier, or strings.
package struct HostTensor: Sendable {
  package enum Storage: Sendable {
    case numbers(HostArray)
    /// Dense memory of the carrier's dtype: weights as they came from the file.
    case memory(NDArray)
    /// float32 that was not computed yet.
    case deferred(DeferredFloats)
    case strings([String])
  }
  package let elementType: ElementType
  package let shape: Shape
  package let storage: Storage

  /// Numbers, of the dtype's own element type unless said otherwise.
  package init(_ array: HostArray, as type: ElementType? = nil) {
    elementType = type ?? ElementType(array.dtype)
    shape = array.shape
    storage = .numbers(array)
  }

  package init(_ array: NDArray, as type: ElementType? = nil) {
    elementType = type ?? ElementType(array.dtype)
    shape = array.shape
    storage = .memory(array)
  }

  init(_ weights: DeferredFloats) {
    elementType = .float
    shape = weights.shape
    storage = .deferred(weights)
  }

  package init(_ strings: [String], _ shape: Shape) {
    elementType = .string
    self.shape = shape
    storage = .strings(strings)
  }

  /// A vector of i64: shapes, axes.
  package init(_ integers: [Int]) {
    self.init(HostArray(TensorType(.int64, [integers.count]), integers.map(Int64.init)))
  }

  package var count: Int { shape.count }

  /// The memory that it takes, about; of what is not computed yet, as if it were.
  var heldBytes: Int {
    switch storage {
    case .numbers(let x):
      switch x.storage {
      case .float, .integer: x.count * 8
      case .bytes, .shared: x.type.byteCount
      }
    case .memory(let x): x.type.byteCount
    case .deferred(let x): x.shape.count * 4
    case .strings(let x): x.reduce(0) { $0 + 16 + $1.utf8.count }
    }
  }

  /// The strings; nil for numbers.
  package var strings: [String]? {
    if case .strings(let x) = storage { return x }
    return nil
  }

  /// The numbers as the graph's literals and the interpreter hold them; nil for strings. Large
  /// `float32` memory is shared, not copied.
  package var array: HostArray? {
    switch storage {
    case .numbers(let x): return x
    case .strings: return nil
    case .deferred(let x): return x.array.flatMap { HostTensor($0).array }
    case .memory(let x):
      guard x.dtype == .float32 else { return x.hostArray }
      return HostArray(
        x.shape,
        shared: SharedFloats(
          UnsafePointer(x.base.assumingMemoryBound(to: Float.self)), count: x.count,
          owner: x.memory))
    }
  }

  /// The numbers as a program takes them; nil for strings.
  package func ndArray() throws -> NDArray? {
    switch storage {
    case .numbers(let x): try NDArray(x)
    case .memory(let x): x
    case .deferred(let x): x.array
    case .strings: nil
    }
  }

  /// The carrier's type; nil for strings.
  package var type: TensorType? {
    switch storage {
    case .numbers(let x): x.type
    case .memory(let x): x.type
    case .deferred(let x): TensorType(.float32, x.shape)
    case .strings: nil
    }
  }

  package var integers: [Int64] { array?.integers ?? [] }
  package var doubles: [Double] { array?.doubles ?? [] }

  /// The elements with axes permuted, in memory of their own.
  package func transposed(_ permutation: [Int]) throws -> HostTensor {
    guard permutation != Array(0..<shape.rank) else { return self }
    if case .deferred(let x) = storage, let array = x.array {
      return try HostTensor(array).transposed(permutation)
    }
    let target = Shape(permutation.map { shape[$0] })
    let strides = permutation.map { shape.strides[$0] }
    guard case .memory(let array) = storage, array.dtype == .float32, count > 0 else {
      guard let array else { return self }
      let own = target.strides
      let places = (0..<count).map { flat in
        (0..<target.rank).reduce(0) { $0 + flat / own[$1] % target[$1] * strides[$1] }
      }
      return HostTensor(array.gathered(places, target), as: elementType)
    }
    let result = try NDArray(zeros: target)
    let source = array.base.assumingMemoryBound(to: Float.self)
    let written = result.base.assumingMemoryBound(to: Float.self)
    // Tiles of the last axes of both, with an odometer over the others: each line of memory is then
    // read while it is near.
    let rank = target.rank
    let own = target.strides
    let line = permutation.firstIndex(of: rank - 1) ?? rank - 1
    let (inner, step) = (target[rank - 1], strides[rank - 1])
    let outer = line == rank - 1 ? 1 : target[line]
    let others = (0..<(rank - 1)).filter { $0 != line }
    let wide = own[line]
    var index = [Int](repeating: 0, count: rank)
    let tile = 16
    for _ in 0..<(count / (inner * outer)) {
      let from = others.reduce(0) { $0 + index[$1] * strides[$1] }
      let to = others.reduce(0) { $0 + index[$1] * own[$1] }
      for top in stride(from: 0, to: outer, by: tile) {
        for left in stride(from: 0, to: inner, by: tile) {
          let columns = left..<min(inner, left + tile)
          for o in top..<min(outer, top + tile) {
            let (row, column) = (written + (to + o * wide), source + (from + o))
            for i in columns { row[i] = column[i &* step] }
          }
        }
      }
      for axis in others.reversed() {
        index[axis] += 1
        if index[axis] < target[axis] { break }
        index[axis] = 0
      }
    }
    return HostTensor(result, as: elementType)
  }

  /// The same elements under another shape of equal count.
  package func reshaped(_ shape: Shape) -> HostTensor {
    switch storage {
    case .numbers(let x): HostTensor(x.reshaped(shape), as: elementType)
    case .memory(let x):
      (try? x.reshaped(shape)).map { HostTensor($0, as: elementType) } ?? self
    case .deferred(let x): x.array.map { HostTensor($0).reshaped(shape) } ?? self
    case .strings(let x): HostTensor(x, shape)
    }
  }
}

extension HostTensor: Equatable {
  /// Equal type, shape and bits.
  package static func == (a: HostTensor, b: HostTensor) -> Bool {
    guard a.elementType == b.elementType, a.shape == b.shape else { return false }
    switch (a.storage, b.storage) {
    case (.strings(let x), .strings(let y)): return x == y
    case (.memory(let x), .memory(let y)):
      return x.withUnsafeBytes { left in
        y.withUnsafeBytes { right in left.elementsEqual(right) }
      }
    default: return a.array == b.array
    }
  }
}

/// What stands for a name of an ONNX graph during import.
package indirect enum ONNXValue {
  /// A value of the trace. `as` is its ONNX type where the dtype only carries it.
  case tensor(Tensor, as: ElementType? = nil)
  /// Known elements.
  case constant(HostTensor)
  case sequence([ONNXValue])
  case optional(ONNXValue?)
}

extension ONNXValue {
  /// True when no part of it is a value of the trace.
  package var isConstant: Bool {
    switch self {
    case .tensor: false
    case .constant: true
    case .sequence(let x): x.allSatisfy(\.isConstant)
    case .optional(let x): x?.isConstant ?? true
    }
  }

  /// The tensors of the trace in it, in order.
  package var leaves: [Tensor] {
    switch self {
    case .tensor(let x, _): [x]
    case .constant: []
    case .sequence(let x): x.flatMap(\.leaves)
    case .optional(let x): x?.leaves ?? []
    }
  }

  /// The value with each tensor of the trace replaced.
  package func mapTensors(
    _ body: (Tensor, ElementType?) throws -> ONNXValue
  ) rethrows -> ONNXValue {
    switch self {
    case .tensor(let x, let type): try body(x, type)
    case .constant: self
    case .sequence(let x): .sequence(try x.map { try $0.mapTensors(body) })
    case .optional(let x): .optional(try x?.mapTensors(body))
    }
  }

  /// The element type of a tensor; nil for sequences and optionals.
  package var elementType: ElementType? {
    switch self {
    case .tensor(let x, let type): type ?? ElementType(x.dtype)
    case .constant(let x): x.elementType
    default: nil
    }
  }

  /// The shape of a tensor; nil for sequences and optionals.
  package var shape: Shape? {
    switch self {
    case .tensor(let x, _): x.shape
    case .constant(let x): x.shape
    default: nil
    }
  }

  /// A short description for messages.
  package var description: String {
    switch self {
    case .tensor(let x, let type): "\(type.map { "\($0.name) " } ?? "")\(x.type)"
    case .constant(let x): "\(x.elementType.name)\(x.shape)"
    case .sequence(let x): "sequence of \(x.count)"
    case .optional(let x): x.map { "optional \($0.description)" } ?? "empty optional"
    }
  }
}
