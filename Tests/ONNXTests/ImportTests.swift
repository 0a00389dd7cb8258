// Models made here, message by message: what is computed at import, and what is refused.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletONNXFormat
import MartletOps
import SwiftProtobuf
import Testing

/// A small model from nodes.
func model(
  _ nodes: [OnnxNodeProto], inputs: [(String, ElementType, [ONNXDimension])],
  outputs: [String], initializers: [OnnxTensorProto] = [], opset: Int64 = 21
) throws -> ONNXModel {
  var graph = OnnxGraphProto()
  graph.name = "g"
  graph.node = nodes
  graph.initializer = initializers
  graph.input = inputs.map { name, type, dimensions in
    var info = OnnxValueInfoProto()
    info.name = name
    info.type.tensorType.elemType = Int32(type.rawValue)
    info.type.tensorType.shape.dim = dimensions.map { dimension in
      var dim = OnnxTensorShapeProto.Dimension()
      switch dimension {
      case .fixed(let n): dim.dimValue = Int64(n)
      case .symbolic(let name): dim.dimParam = name
      case .unknown: break
      }
      return dim
    }
    return info
  }
  graph.output = outputs.map { name in
    var info = OnnxValueInfoProto()
    info.name = name
    return info
  }
  var model = OnnxModelProto()
  model.irVersion = 10
  var version = OnnxOperatorSetIdProto()
  version.version = opset
  model.opsetImport = [version]
  model.graph = graph
  return try ONNXModel(bytes: try model.serializedBytes())
}

/// A node.
func node(_ type: String, _ inputs: [String], _ outputs: [String], name: String = "")
  -> OnnxNodeProto
{
  var node = OnnxNodeProto()
  node.opType = type
  node.input = inputs
  node.output = outputs
  node.name = name
  return node
}

/// An initializer of integers.
func integers(_ name: String, _ values: [Int64]) -> OnnxTensorProto {
  var tensor = OnnxTensorProto()
  tensor.name = name
  tensor.dataType = 7
  tensor.dims = [Int64(values.count)]
  tensor.int64Data = values
  return tensor
}

@Suite struct ImportTests {
  @Test func shapeChainsVanish() throws {
    // reshape(x, [shape(x)[0], -1])
    let made = try model(
      [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["target"]), node("Reshape", ["x", "target"], ["y"]),
      ],
      inputs: [("x", .float, [.symbolic("batch"), .fixed(2), .fixed(3)])], outputs: ["y"],
      initializers: [integers("zero", [0]), integers("rest", [-1])])
    let program = try made.compile(dimensions: ["batch": 4])
    #expect(program.specialisedInputs.isEmpty)
    #expect(program.session?.program.graph.nodes.count == 1)
    let x = try NDArray((0..<24).map(Float.init), shape: [4, 2, 3])
    let y = try #require(try made.run(["x": x])["y"])
    #expect(y.shape == [4, 6] && y.floats == x.floats)
  }

  @Test func dimensionsHaveToBeBound() throws {
    let made = try model(
      [node("Relu", ["x"], ["y"])], inputs: [("x", .float, [.symbolic("batch")])], outputs: ["y"])
    #expect(throws: ONNXError.self) { try made.compile() }
    #expect(throws: ONNXError.self) {
      try made.run(["x": try NDArray([[1] as [Float]])])
    }
    #expect(try made.run(["x": try NDArray([-1, 2] as [Float])])["y"]?.floats == [0, 2])
  }

  @Test func shapesThatAreInputsSpecialise() throws {
    let made = try model(
      [node("Reshape", ["x", "s"], ["y"])],
      inputs: [("x", .float, [.fixed(4)]), ("s", .int64, [.symbolic("rank")])], outputs: ["y"])
    let x = try NDArray([1, 2, 3, 4] as [Float])
    let two = try NDArray([2, 2] as [Int64])
    let four = try NDArray([4, 1] as [Int64])
    #expect(try made.run(["x": x, "s": two])["y"]?.shape == [2, 2])
    #expect(try made.run(["x": x, "s": four])["y"]?.shape == [4, 1])
    let program = try made.compile(values: ["x": x, "s": two])
    #expect(program.specialisedInputs == ["s"])
    #expect(throws: ONNXError.self) { try program.run(["x": x, "s": four]) }
    let unknown = #expect(throws: ONNXError.self) { try made.compile(dimensions: ["rank": 2]) }
    #expect(unknown?.code == .unknownValue)
  }

  @Test func missingOperatorsAreNamedAtOnce() throws {
    let made = try model(
      [
        node("Nonsense", ["x"], ["a"], name: "first\nline"), node("Nonsense", ["a"], ["b"]),
        node("Other", ["b"], ["y"]),
      ], inputs: [("x", .float, [.fixed(1)])], outputs: ["y"])
    let error = #expect(throws: ONNXError.self) { try made.compile() }
    let text = error?.description ?? ""
    #expect(text.contains("Nonsense × 2 (Nonsense 'first?line')") && text.contains("Other × 1"))
    #expect(text.split(separator: "\n").count <= 6)
  }

  @Test func cyclesAndMissingInputsAreErrors() throws {
    let made = try model(
      [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])],
      inputs: [("x", .float, [.fixed(1)])], outputs: ["b"])
    let error = #expect(throws: ONNXError.self) { try made.compile() }
    #expect(error?.node == "Add 'a'")
  }
}

/// An initializer of numbers.
func floats(_ name: String, _ dims: [Int64], _ values: [Float]) -> OnnxTensorProto {
  var tensor = OnnxTensorProto()
  tensor.name = name
  tensor.dataType = 1
  tensor.dims = dims
  tensor.floatData = values
  return tensor
}
