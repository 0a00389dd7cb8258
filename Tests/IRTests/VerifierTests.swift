import MartletIR
import Testing

private let vector = TensorType(.float32, [4])

private func failure(_ graph: Graph) -> String {
  do throws(VerifierError) {
    try verify(graph)
    return "valid"
  } catch {
    return error.description
  }
}

@Suite struct VerifierTests {
  private func base() -> Graph {
    var graph = Graph(name: "g")
    graph.addParameter(vector, name: "x")
    graph.addParameter(vector, name: "w", role: .state)
    return graph
  }

  @Test func acceptsAValidGraph() throws {
    var graph = base()
    let y = try graph.append(Add(), [Value(0), Value(1)])[0]
    graph.addOutput(y)
    graph.addOutput(y, role: .assign(1))
    // A parameter may be added after nodes; it counts as defined from the start.
    graph.addParameter(vector, name: "late")
    #expect(failure(graph) == "valid")
  }

  @Test func operandsMustBeDefinedBefore() {
    var graph = base()
    graph.append(Tanh(), [Value(3)], types: [vector])
    graph.append(Tanh(), [Value(2)], types: [vector])
    #expect(failure(graph) == "node 0 (tanh): operand 0 is value 3, which is not defined yet")
    graph = base()
    graph.append(Tanh(), [Value(2)], types: [vector])
    #expect(failure(graph) == "node 0 (tanh): operand 0 is value 2, which is not defined yet")
    graph = base()
    graph.append(Tanh(), [Value(9)], types: [vector])
    #expect(failure(graph) == "node 0 (tanh): operand 0 is value 9, which does not exist")
    graph = base()
    graph.append(Tanh(), [Value(-1)], types: [vector])
    #expect(failure(graph) == "node 0 (tanh): operand 0 is value -1, which does not exist")
  }

  @Test func typesMustBeInferred() {
    var graph = base()
    graph.append(Tanh(), [Value(0)], types: [TensorType(.float32, [5])])
    #expect(failure(graph) == "node 0 (tanh): result 0 is f32[5], should be f32[4]")
    graph = base()
    graph.append(Tanh(), [Value(0)], types: [vector, vector])
    #expect(failure(graph) == "node 0 (tanh): has 2 results, its operation gives 1")
    graph = base()
    graph.append(Tanh(), [], types: [vector])
    #expect(failure(graph) == "node 0 (tanh): is refused: needs 1 operands, got 0")
    graph = base()
    graph.append(Tanh(), [Value(0)], types: [])
    #expect(failure(graph) == "node 0 (tanh): has no result")
  }

  @Test func errorsCarryTheLocation() {
    var graph = base()
    let location = SourceLocation(scope: "hidden", file: "main.swift", line: 3)
    graph.append(Tanh(), [], types: [vector], location: location)
    #expect {
      try verify(graph)
    } throws: { error in
      (error as? VerifierError)?.location == location
    }
  }

  @Test func parametersMustBeDistinctAndSized() {
    var graph = base()
    graph.parameters.append(graph.parameters[0])
    #expect(failure(graph) == "parameter 2 is value 0, as is an earlier parameter")
    graph = base()
    graph.parameters.removeLast()
    #expect(failure(graph) == "value 1 has no definition")
    graph = base()
    graph.append(Tanh(), [Value(0)], types: [vector])
    graph.parameters.append(graph.parameters[0])
    graph.parameters[2].value = Value(2)
    #expect(failure(graph) == "parameter 2 is value 2, which a node defines")
    graph = base()
    graph.parameters[0].value = Value(7)
    #expect(failure(graph) == "parameter 0 is value 7, which does not exist")
    graph = base()
    graph.addParameter(TensorType(.float32, [Int.max, 2]), name: "huge")
    #expect(failure(graph).hasPrefix("parameter 2 is refused: the shape"))
    graph = base()
    graph.addParameter(vector, name: "w", role: .state)
    #expect(failure(graph) == "parameter 2 has the name of an earlier state parameter, 'w'")
  }

  @Test func assignmentsMustFit() throws {
    func assigning(_ value: Int, to targets: Int...) throws -> String {
      var graph = base()
      try graph.append(MaxWindow(), [Value(0)])
      for target in targets { graph.addOutput(Value(value), role: .assign(target)) }
      return failure(graph)
    }
    #expect(try assigning(2, to: 1) == "valid")
    #expect(try assigning(9, to: 1) == "output 0 is value 9, which does not exist")
    #expect(try assigning(2, to: 0) == "output 0 assigns parameter 0, which is not state")
    #expect(try assigning(2, to: 2) == "output 0 assigns parameter 2, which does not exist")
    #expect(
      try assigning(3, to: 1) == "output 0 assigns i32[4] to parameter 1, which is f32[4]")
    #expect(try assigning(2, to: 1, 1) == "parameter 1 is assigned twice")
  }

  @Test func bodyGraphsAreCheckedToo() {
    var body = Graph(name: "")
    body.addParameter(vector, name: "x")
    body.append(Tanh(), [Value(0)], types: [TensorType(.float32, [5])])
    body.addOutput(Value(0))
    var graph = base()
    graph.append(Call(), [Value(0)], types: [vector], regions: [body])
    #expect(
      failure(graph)
        == "node 0 (call) region 0 node 0 (tanh): result 0 is f32[5], should be f32[4]")

    body = Graph(name: "")
    body.addParameter(vector, name: "x", role: .state)
    body.addOutput(Value(0))
    graph = base()
    graph.append(Call(), [Value(0)], types: [vector], regions: [body])
    #expect(
      failure(graph)
        == "node 0 (call) region 0: parameter 0 is state, which a body graph cannot have")
  }

  @Test func nestingIsBounded() throws {
    let scalar = TensorType(.float32, [])
    var graph = Graph(name: "")
    graph.addOutput(try graph.append(Constant(HostArray(splat: 1, scalar)), [])[0])
    for depth in 0...maximumRegionDepth {
      #expect(failure(graph) == "valid", "depth \(depth)")
      var outer = Graph(name: "")
      outer.addOutput(outer.append(Call(), [], types: [scalar], regions: [graph])[0])
      graph = outer
    }
    #expect(failure(graph).hasSuffix("body graphs nest deeper than 64"))
    #expect(graph.printed().contains("{…}"))
    #expect(!dot(graph).isEmpty)
  }
}
