// The names that a graph's nodes see.

import MartletONNXFormat

/// Values by name: those of a graph, and of the graphs around it. A function's body sees its own alone.
final class Scope {
  private var values: [String: ONNXValue] = [:]
  private var absent: Set<String> = []
  private let parent: Scope?
  /// The version of each domain's operators.
  let versions: [String: Int]
  /// A function call's attributes, which nodes of the body refer to.
  let attributes: [String: OnnxAttributeProto]
  /// How many graphs and function bodies are around.
  let depth: Int

  init(versions: [String: Int], attributes: [String: OnnxAttributeProto] = [:], depth: Int = 0) {
    parent = nil
    self.versions = versions
    self.attributes = attributes
    self.depth = depth
  }

  init(inside parent: Scope) {
    self.parent = parent
    versions = parent.versions
    attributes = parent.attributes
    depth = parent.depth + 1
  }

  subscript(name: String) -> ONNXValue? {
    var scope: Scope? = self
    while let here = scope {
      if let value = here.values[name] { return value }
      scope = here.parent
    }
    return nil
  }

  /// A function's input that the call leaves out: nodes that read it get no input there.
  func markAbsent(_ name: String) { absent.insert(name) }
  func isAbsent(_ name: String) -> Bool {
    var scope: Scope? = self
    while let here = scope {
      if here.values[name] != nil { return false }
      if here.absent.contains(name) { return true }
      scope = here.parent
    }
    return false
  }

  func define(_ name: String, _ value: ONNXValue) { values[name] = value }

  /// Puts what became known in the place of a value, where that is defined.
  func refine(_ name: String, _ value: ONNXValue) {
    var scope: Scope? = self
    while let here = scope {
      if here.values[name] != nil {
        here.values[name] = value
        return
      }
      scope = here.parent
    }
  }
}
