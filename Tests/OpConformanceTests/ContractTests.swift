// Every registered operation keeps the contract: samples evaluate, wrong operands throw and never
// trap, attributes survive text, and the source tree is the registry.

import Foundation
import MartletIR
import MartletOps
import MartletTestSupport
import Testing

/// One test case for each operation.
struct OpCase: Sendable, CustomTestStringConvertible {
  let type: any Op.Type
  var testDescription: String { type.name }
  static let all = Registry.ops.map(OpCase.init)
}

@Suite struct ContractTests {
  @Test(arguments: OpCase.all) func samplesEvaluateToTheInferredTypes(_ op: OpCase) throws {
    #expect(!op.type.samples.isEmpty)
    var generator = SplitMix64(op.type.name)
    for sample in op.type.samples {
      #expect(sample.operands.count == sample.ranges.count, "\(sample.label)")
      let types = try sample.op.infer(sample.operands, sample.regions)
      let results = try sample.op.evaluate(sample.draw(&generator), sample.regions)
      #expect(results.map(\.type) == types, "\(sample.label)")
      #expect(results.map(\.count) == types.map(\.count), "\(sample.label)")
    }
  }

  @Test(arguments: OpCase.all) func wrongNumbersOfOperandsThrow(_ op: OpCase) {
    for sample in op.type.samples {
      for operands in [
        Array(sample.operands.dropLast()), sample.operands + [TensorType(.bool, [9, 9, 9])],
      ] where operands != sample.operands {
        // A list of one kind (concatenate) may be shorter.
        if sample.op is Concatenate, !operands.isEmpty, operands.count < sample.operands.count {
          continue
        }
        #expect(throws: TypeError.self, "\(sample.label) with \(operands)") {
          try sample.op.infer(operands, sample.regions)
        }
      }
    }
  }

  @Test(arguments: OpCase.all) func randomOperandsThrowOrEvaluate(_ op: OpCase) throws {
    var generator = SplitMix64("operands " + op.type.name)
    func type() -> TensorType {
      let rank = Int.random(in: 0...4, using: &generator)
      let shape = (0..<rank).map { _ in Int.random(in: 0...4, using: &generator) }
      return TensorType(DType.allCases.randomElement(using: &generator) ?? .float32, Shape(shape))
    }
    for sample in op.type.samples {
      for round in 0..<20 {
        var operands = sample.operands
        // Mostly near misses: one operand exchanged; sometimes all of them.
        if round % 4 == 0 || operands.isEmpty {
          operands = (0..<Int.random(in: 0...4, using: &generator)).map { _ in type() }
        } else {
          operands[Int.random(in: operands.indices, using: &generator)] = type()
        }
        try inferAndEvaluate(sample.op, operands, sample.regions, &generator)
      }
    }
  }

  @Test(arguments: OpCase.all) func randomAttributesThrowOrEvaluate(_ op: OpCase) throws {
    var generator = SplitMix64("attributes " + op.type.name)
    let wild = [Int.min, Int.min + 1, -7, -1, 0, 1, 2, 3, 65536, Int.max / 2, Int.max - 1, Int.max]
    for sample in op.type.samples where !sample.op.attributes.isEmpty {
      for _ in 0..<30 {
        var attributes = sample.op.attributes
        let victim = Int.random(in: attributes.indices, using: &generator)
        switch attributes[victim].value {
        case .integer:
          attributes[victim].value = .integer(wild.randomElement(using: &generator) ?? 0)
        case .integers(var list):
          switch Int.random(in: 0..<4, using: &generator) {
          case 0: list.append(wild.randomElement(using: &generator) ?? 0)
          case 1: if !list.isEmpty { list.removeLast() }
          default:
            if let index = list.indices.randomElement(using: &generator) {
              list[index] = wild.randomElement(using: &generator) ?? 0
            }
          }
          attributes[victim].value = .integers(list)
        case .dtype:
          attributes[victim].value = .dtype(
            DType.allCases.randomElement(using: &generator) ?? .bool)
        case .string: attributes[victim].value = .string("nonsense")
        default: continue
        }
        let reader = AttributeReader(op: op.type.name, attributes)
        guard let made = try? op.type.init(reader) else { continue }
        try inferAndEvaluate(made, sample.operands, sample.regions, &generator)
      }
    }
  }

  /// Infers; where that succeeds on something small, evaluation must agree with it.
  private func inferAndEvaluate(
    _ op: any Op, _ operands: [TensorType], _ regions: [Graph], _ generator: inout SplitMix64
  ) throws {
    guard let types = try? op.infer(operands, regions) else { return }
    guard types.allSatisfy({ (try? $0.checkSize(op: op.name)) != nil && $0.count < 100_000 }) else {
      return
    }
    let inputs = operands.map {
      HostArray.random($0, in: $0.dtype == .bool ? 0...1 : 0...3, &generator)
    }
    let results = try op.evaluate(inputs, regions)
    #expect(results.map(\.type) == types, "\(op.name) \(op.attributes) of \(operands)")
  }

  @Test(arguments: OpCase.all) func attributesRoundTrip(_ op: OpCase) throws {
    for sample in op.type.samples {
      let attributes = sample.op.attributes
      let reader = AttributeReader(op: op.type.name, attributes)
      let copy = try op.type.init(reader)
      #expect(copy.isEqual(to: sample.op), "\(sample.label)")
      #expect(copy.attributes == attributes)
      let made = try #require(try Registry.make(op.type.name, reader))
      #expect(made.isEqual(to: sample.op))
      #expect(throws: TypeError.self, "an unknown attribute") {
        try op.type.init(
          AttributeReader(op: op.type.name, attributes + [Attribute("nonsense", .integer(1))]))
      }
      for index in attributes.indices {
        var short = attributes
        short.remove(at: index)
        #expect(throws: TypeError.self, "without \(attributes[index].key)") {
          try op.type.init(AttributeReader(op: op.type.name, short))
        }
      }
    }
  }

  @Test func namesAreUnique() {
    let names = Registry.ops.map { $0.name }
    #expect(Set(names).count == names.count)
  }

  /// One operation, one file of its name; no file holds an operation that is not registered.
  @Test func sourceFilesAreTheRegistry() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/MartletOps")
    let files = try #require(
      FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
    var declared: [String: String] = [:]
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for line in text.split(separator: "\n") where line.contains("static let name = \"") {
        let name = line.split(separator: "\"")[1]
        #expect(declared[String(name)] == nil, "\(name) is declared twice")
        declared[String(name)] = file.deletingPathExtension().lastPathComponent
      }
    }
    for type in Registry.ops {
      #expect(declared[type.name] == "\(type)", "\(type.name) belongs into \(type).swift")
    }
    let registered = Set(Registry.ops.map { $0.name })
    #expect(Set(declared.keys).subtracting(registered).isEmpty, "declared but not registered")
  }
}
