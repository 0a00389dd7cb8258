// Operators without a lowering of their own: functions of the model, inlined at each call.

import MartletExecution
import MartletIR
import MartletONNX
import MartletONNXFormat
import SwiftProtobuf
import Testing

@Suite struct FunctionTests {
  private func number(_ name: String, _ value: Float?, from reference: String = "")
    -> OnnxAttributeProto
  {
    var attribute = OnnxAttributeProto()
    attribute.name = name
    attribute.type = .float
    if let value { attribute.f = value }
    if !reference.isEmpty { attribute.refAttrName = reference }
    return attribute
  }

  /// `Scaled(a, b, factor) = max(a, b) · factor`, b optional; `Twice(x, by) = Scaled(Scaled(x))`.
  private func model(_ calls: [OnnxNodeProto]) throws -> ONNXModel {
    func version(_ domain: String, _ number: Int64) -> OnnxOperatorSetIdProto {
      var set = OnnxOperatorSetIdProto()
      (set.domain, set.version) = (domain, number)
      return set
    }
    var scaled = OnnxFunctionProto()
    (scaled.domain, scaled.name) = ("custom", "Scaled")
    (scaled.input, scaled.output) = (["a", "b"], ["c"])
    scaled.attributeProto = [number("factor", 3)]
    scaled.opsetImport = [version("", 17)]
    var constant = node("Constant", [], ["f"])
    constant.attribute = [number("value_float", nil, from: "factor")]
    scaled.node = [
      constant, node("Clip", ["a", "b"], ["m"]), node("Mul", ["m", "f"], ["c"]),
    ]
    var twice = OnnxFunctionProto()
    (twice.domain, twice.name) = ("custom", "Twice")
    (twice.input, twice.output) = (["x"], ["y"])
    twice.attribute = ["by"]
    twice.opsetImport = [version("", 17), version("custom", 1)]
    func call(_ input: String, _ output: String) -> OnnxNodeProto {
      var made = node("Scaled", [input], [output])
      made.domain = "custom"
      made.attribute = [number("factor", nil, from: "by")]
      return made
    }
    twice.node = [call("x", "m"), call("m", "y")]
    var message = OnnxModelProto()
    message.irVersion = 10
    message.opsetImport = [version("", 21), version("custom", 1)]
    message.functions = [scaled, twice]
    var input = OnnxValueInfoProto()
    input.name = "x"
    input.type.tensorType.elemType = 1
    var dimension = OnnxTensorShapeProto.Dimension()
    dimension.dimValue = 3
    input.type.tensorType.shape.dim = [dimension]
    var output = OnnxValueInfoProto()
    output.name = "y"
    message.graph.input = [input]
    message.graph.output = [output]
    message.graph.initializer = [floats("low", [], [0])]
    message.graph.node = calls.map {
      var made = $0
      made.domain = "custom"
      return made
    }
    return try ONNXModel(bytes: try message.serializedBytes())
  }

  @Test func functionsAreInlined() throws {
    let x = try NDArray([-1, 2, 5] as [Float])
    // The default of an attribute, and an input that is left out.
    #expect(try model([node("Scaled", ["x"], ["y"])]).run(["x": x])["y"]?.floats == [-3, 6, 15])
    #expect(
      try model([node("Scaled", ["x", "low"], ["y"])]).run(["x": x])["y"]?.floats == [0, 6, 15])
    var call = node("Scaled", ["x", "low"], ["y"])
    call.attribute = [number("factor", 0.5)]
    #expect(try model([call]).run(["x": x])["y"]?.floats == [0, 1, 2.5])
    // An attribute that is handed on through two calls.
    var twice = node("Twice", ["x"], ["y"])
    twice.attribute = [number("by", 2)]
    #expect(try model([twice]).run(["x": x])["y"]?.floats == [-4, 8, 20])
    // Without the attribute the inner function's default holds.
    #expect(try model([node("Twice", ["x"], ["y"])]).run(["x": x])["y"]?.floats == [-9, 18, 45])
    let error = #expect(throws: ONNXError.self) {
      try model([node("Thrice", ["x"], ["y"])]).run(["x": x])
    }
    #expect(error?.message.contains("custom.Thrice × 1") ?? false)
  }
}
