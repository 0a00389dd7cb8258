import MartletIR
import MartletLoops

/// An operation that a user wrote: C, a Swift reference, and a gradient.
///
/// Not in the registry: IR text cannot name closures. Equal only to itself, over equal operands.
package struct Custom: Op {
  package static var name: String { "custom" }
  package static let samples: [OpSample] = []
  package let definition: CustomDefinition

  package init(_ definition: CustomDefinition) { self.definition = definition }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    throw TypeError(op: Custom.name, "a custom operation exists only in the program that made it")
  }

  package static func == (a: Custom, b: Custom) -> Bool { a.definition === b.definition }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(definition)) }
  package var attributes: [Attribute] { [Attribute("name", .string(definition.name))] }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    let results: [TensorType]
    do {
      results = try definition.results(operands)
    } catch {
      throw TypeError(op: definition.name, "\(error)")
    }
    guard !results.isEmpty else { throw TypeError(op: definition.name, "has no results") }
    guard let first = operands.first, case .expression = definition.code else { return results }
    guard results.count == 1, operands.allSatisfy({ $0.shape == results[0].shape }) else {
      throw TypeError(
        op: definition.name,
        "an expression has one result and operands of its shape, got \(first) to \(results[0])")
    }
    for type in operands + results where type.dtype == .float16 || type.dtype == .bfloat16 {
      throw TypeError(
        op: definition.name, "C has no arithmetic on \(type.dtype)",
        hint: "convert first: x.converted(to: .float32)")
    }
    return results
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    do {
      return try definition.reference(inputs)
    } catch {
      throw TypeError(op: definition.name, "the reference failed: \(error)")
    }
  }

  package var lowering: Lowering {
    .call { operands, results in
      let kernel = ForeignKernel(
        name: definition.name, code: definition.code, operands: operands, results: results)
      let units = Swift.max(0, definition.units(operands, results))
      // About as many elements a range as are worth a thread: a C loop takes some ns for each.
      let elements = Swift.max(1, results.map(\.count).max() ?? 1)
      let grain =
        definition.isParallel ? Swift.max(1, 4096 * units / elements) : Swift.max(1, units)
      return [RuntimeCall(foreign: kernel, units: units, grain: grain)]
    }
  }
  package var gradient: Gradient { definition.gradient }
  package var forward: ForwardRule {
    if case .expression = definition.code { .elementwise } else { .transposed }
  }
}
