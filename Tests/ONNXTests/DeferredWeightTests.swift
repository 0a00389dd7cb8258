// Eight-bit weights that a file unpacks itself: the same numbers as without a short cut, bit for bit.

import Foundation
import MartletExecution
import MartletIR
import MartletONNX
import MartletONNXFormat
import MartletOps
import Testing

@Suite struct DeferredWeightTests {
  private let rows = 160
  private let columns = 128

  private func bytes(_ name: String, _ type: Int32, _ dims: [Int64], _ step: Int) -> OnnxTensorProto
  {
    var tensor = OnnxTensorProto()
    tensor.name = name
    tensor.dataType = type
    tensor.dims = dims
    let count = dims.reduce(1) { $0 * Int($1) }
    tensor.rawData = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* step &+ $0 / 251) })
    return tensor
  }

  private func value(_ place: Int, _ isSigned: Bool) -> Int {
    let byte = UInt8(truncatingIfNeeded: place &* 37 &+ place / 251)
    return isSigned ? Int(Int8(bitPattern: byte)) : Int(byte)
  }

  private func cast() -> OnnxNodeProto {
    var cast = node("Cast", ["w"], ["f"])
    var attribute = OnnxAttributeProto()
    (attribute.name, attribute.type, attribute.i) = ("to", .int, 1)
    cast.attribute = [attribute]
    return cast
  }

  private func factors(_ count: Int) -> [Float] { (0..<count).map { 0.013 * Float($0 % 7 + 1) } }

  @Test(arguments: [2, 3] as [Int32]) func castsAndProducts(_ type: Int32) throws {
    let dims = [Int64(rows), Int64(columns)]
    for shape in [[], [1], [Int64(rows), 1], [1, Int64(columns)], [Int64(columns)]] as [[Int64]] {
      let count = shape.reduce(1) { $0 * Int($1) }
      let scale = factors(count)
      let made = try model(
        [cast(), node("Mul", ["f", "s"], ["y"])], inputs: [], outputs: ["y"],
        initializers: [bytes("w", type, dims, 37), floats("s", shape, scale)])
      let y = try #require(try made.run([:])["y"])
      let alongRows = shape == [Int64(rows), 1]
      let expected = (0..<(rows * columns)).map { place in
        let index = count == 1 ? 0 : alongRows ? place / columns : place % columns
        return Float(value(place, type == 3)) * scale[index]
      }
      #expect(y.floats == expected, "\(shape)")
    }
  }

  @Test func rowsOfTables() throws {
    let dims = [Int64(rows), Int64(columns)]
    let scale = factors(rows)
    let made = try model(
      [
        cast(), node("Mul", ["s", "f"], ["t"]), node("Gather", ["t", "i"], ["y"]),
      ], inputs: [("i", .int64, [.fixed(2), .fixed(3)])], outputs: ["y"],
      initializers: [bytes("w", 3, dims, 37), floats("s", [Int64(rows), 1], scale)])
    let places: [Int64] = [0, 159, -1, 17, 3, -160]
    let y = try #require(try made.run(["i": try NDArray(places, shape: [2, 3])])["y"])
    #expect(y.shape == [2, 3, columns])
    let expected = places.flatMap { place -> [Float] in
      let row = Int(place < 0 ? place + Int64(rows) : place)
      return (0..<columns).map { Float(value(row * columns + $0, true)) * scale[row] }
    }
    #expect(y.floats == expected)
  }

  @Test func dequantized() throws {
    let dims = [Int64(rows), Int64(columns)]
    for axis in [0, 1] {
      let count = axis == 0 ? rows : columns
      let scale = factors(count)
      var zeros = bytes("z", 2, [Int64(count)], 3)
      zeros.rawData = Data((0..<count).map { UInt8($0 % 200) })
      var made = node("DequantizeLinear", ["w", "s", "z"], ["y"])
      var attribute = OnnxAttributeProto()
      (attribute.name, attribute.type, attribute.i) = ("axis", .int, Int64(axis))
      made.attribute = [attribute]
      let y = try #require(
        try model(
          [made], inputs: [], outputs: ["y"],
          initializers: [bytes("w", 2, dims, 37), floats("s", [Int64(count)], scale), zeros]
        ).run([:])["y"])
      let expected = (0..<(rows * columns)).map { place in
        let index = axis == 0 ? place / columns : place % columns
        return Float(value(place, false) - index % 200) * scale[index]
      }
      #expect(y.floats == expected, "axis \(axis)")
    }
  }
}
