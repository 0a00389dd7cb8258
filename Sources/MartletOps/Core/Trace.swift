// The trace: where operations are recorded while a user's closure runs.

import MartletIR

/// A piece of state that programs read and assign: a parameter, an optimizer's moment, a counter.
package protocol StateCell: AnyObject, Sendable {
  var type: TensorType { get }
  /// The path for messages and files; may be refined until the first compile ends.
  var path: String { get }
}

/// Elements of an argument lie in 0 ..< count, says who reads them.
package struct IndexBound: Sendable {
  package let count: Int
  package let place: SourceLocation
}

/// Rows of a table that a trace reads: `rows = gather(table, indices)`.
package struct TableLookup {
  package let cell: any StateCell
  package let indices: Tensor
  package let rows: Tensor

  package init(_ cell: any StateCell, _ indices: Tensor, _ rows: Tensor) {
    self.cell = cell
    self.indices = indices
    self.rows = rows
  }
}

/// Records operations into a graph. Building never fails on the spot: a refused operation is noted
/// as a diagnostic, gives a poisoned tensor, and `finish` throws the first diagnostic.
///
/// Confined to the thread that traces; `@unchecked Sendable` only so that it can be task-local.
package final class Trace: @unchecked Sendable {
  /// The trace whose closure is running, for functions without a tensor argument.
  @TaskLocal package static var current: Trace?

  package var graph: Graph
  /// The trace around this one, whose closure runs: this one traces the body of a loop.
  package let parent: Trace?
  /// How many traces are around this one.
  package let depth: Int
  /// The outer tensors that the body reads, by their value there, and in order of first use.
  private var captured: [Value: Value] = [:]
  package private(set) var captures: [Tensor] = []
  /// The outer tensors that parameters of the body stand for.
  package var origins: [Value: Tensor] = [:]
  private var ownDiagnostics: [CompileError] = []
  package var diagnostics: [CompileError] { parent?.diagnostics ?? ownDiagnostics }
  /// True under `compile(training:)`: dropout draws, batch norm uses the batch's statistics.
  package var isTraining: Bool
  package var scopes: [String] {
    get { parent?.scopes ?? ownScopes }
    set { if let parent { parent.scopes = newValue } else { ownScopes = newValue } }
  }
  private var ownScopes: [String] = []
  /// Where the running composite function was called: the place of all nodes that it records.
  private var callSite: SourceLocation? {
    get { parent?.callSite ?? ownCallSite }
    set { if let parent { parent.callSite = newValue } else { ownCallSite = newValue } }
  }
  private var ownCallSite: SourceLocation?
  /// How many values an integer argument may name (`0..<count`): the caller's data is checked
  /// against it before each step.
  package private(set) var indexBounds: [Value: IndexBound] = [:]
  /// Lookups in tables whose gradients are kept by rows, in the order of the trace.
  package var lookups: [TableLookup] = []
  /// State cells in order of first use, with their parameter index in the graph.
  package private(set) var cells: [(cell: any StateCell, parameter: Int)] = []
  private var cellIndex: [ObjectIdentifier: Int] = [:]
  /// The current value of each assigned cell, by position in `cells`.
  package private(set) var assignments: [Int: Tensor] = [:]
  /// Values that stand for their cells as constants, by cell.
  package var frozen: [ObjectIdentifier: HostArray] = [:]
  /// Values of cells that are stored as halves, converted, by the stored value.
  private var widened: [Value: Tensor] = [:]
  private var streams = 0
  private var key: (seed: Tensor, step: Tensor)?
  /// Values observed by `tap`, in order.
  package private(set) var taps: [(name: String, value: Tensor)] = []
  /// Whether the results of layers are noted, in `layerResults`.
  package var notesLayers = false
  /// What each layer gave, by its path, in order; and the scope that the layer stood in.
  package var layerResults: [(path: String, scope: String, value: Tensor)] = []
  /// Whether loops keep only what they carry into segments of about √T steps: asked for where a
  /// program does not fit its memory budget otherwise.
  package var checkpointsLoops = false
  private var ended = false
  /// Time spent in the differentiation engine, for the report.
  package var differentiateMilliseconds = 0.0

  package init(name: String, isTraining: Bool) {
    graph = Graph(name: name)
    self.isTraining = isTraining
    parent = nil
    depth = 0
  }

  /// The trace of a body graph inside of another trace's closure.
  package init(bodyOf parent: Trace, name: String) {
    graph = Graph(name: name)
    isTraining = parent.isTraining
    self.parent = parent
    depth = parent.depth + 1
  }

  // MARK: Bodies

  /// The tensor as this trace sees it: a tensor of a trace around becomes a parameter of the body.
  /// Nil if it belongs to no trace around this one.
  package func local(_ x: Tensor) -> Tensor? {
    if x.trace === self { return x }
    guard let parent, let outer = parent.local(x) else { return nil }
    guard let value = outer.value else { return Tensor(trace: self, value: nil, type: x.type) }
    if let known = captured[value] { return Tensor(trace: self, value: known, type: x.type) }
    let made = graph.addParameter(x.type, name: "captured\(captures.count)")
    captured[value] = made
    captures.append(outer)
    origins[made] = outer
    return Tensor(trace: self, value: made, type: x.type)
  }

  /// The body is traced: nothing more is recorded into it.
  package func endBody() {
    ended = true
    release()
  }

  // MARK: Recording

  package func argument(_ type: TensorType, name: String) -> Tensor {
    do {
      try type.checkSize(op: "argument")
    } catch {
      report(error, [], at: SourceLocation(scope: name))
      return Tensor(trace: self, value: nil, type: TensorType(type.dtype, []))
    }
    return Tensor(trace: self, value: graph.addParameter(type, name: name), type: type)
  }

  package func location(_ file: StaticString, _ line: UInt) -> SourceLocation {
    // A line of a layer of the library tells the user nothing; the layer's path does.
    guard callSite == nil, !"\(file)".hasPrefix("MartletNN/") else { return place }
    return SourceLocation(scope: scopes.joined(separator: "/"), file: "\(file)", line: Int(line))
  }

  /// The place of a node whose recorder names none.
  package var place: SourceLocation {
    SourceLocation(
      scope: scopes.joined(separator: "/"), file: callSite?.file ?? "", line: callSite?.line ?? 0)
  }

  /// Runs `body`; what it records lies at `site`, or where an outer composite was called.
  package func calling<T>(from site: SourceLocation, _ body: () -> T) -> T {
    let outer = callSite
    defer { callSite = outer }
    callSite = outer ?? site
    return body()
  }

  /// Notes that the elements of an argument are indices below `count`. False if `x` is no argument.
  package func bound(_ x: Tensor, below count: Int, at place: SourceLocation? = nil) -> Bool {
    let place = place ?? self.place
    if let parent, let value = x.value, let origin = origins[value] {
      return parent.bound(origin, below: count, at: place)
    }
    guard x.trace === self, let value = x.value, graph.definition(value) == nil,
      graph.parameters.contains(where: { $0.value == value && $0.role == .argument })
    else { return false }
    if let known = indexBounds[value], known.count <= count { return true }
    indexBounds[value] = IndexBound(count: count, place: place)
    return true
  }

  package func report(_ error: CompileError) {
    if let parent { parent.report(error) } else { ownDiagnostics.append(error) }
  }

  /// Forgets what was reported since there were `count` diagnostics: an attempt whose tensors nobody
  /// will use.
  package func withdraw(diagnosticsAfter count: Int) {
    if let parent {
      parent.withdraw(diagnosticsAfter: count)
    } else if ownDiagnostics.count > count {
      ownDiagnostics.removeLast(ownDiagnostics.count - count)
    }
  }

  package func report(_ error: TypeError, _ operands: [TensorType], at place: SourceLocation) {
    report(
      CompileError(
        .type, operation: error.op, error.message, operandTypes: operands, at: place,
        hint: error.hint ?? ""))
  }

  package func record(
    _ op: any Op, _ operands: [Tensor], regions: [Graph] = [], at place: SourceLocation? = nil
  ) -> [Tensor] {
    let place = place ?? self.place
    let types = operands.map(\.type)
    var poisoned = ended
    if ended {
      report(
        CompileError(
          .foreignTensor, operation: op.name, "the trace of this tensor has ended", at: place))
    }
    var seen: [Tensor] = []
    for operand in operands {
      if let own = local(operand) {
        seen.append(own)
        continue
      }
      report(
        CompileError(
          .foreignTensor, operation: op.name, "an operand belongs to another trace",
          operandTypes: types, at: place,
          hint: "a Tensor lives in the closure given to compile; pass data in as an argument"))
      poisoned = true
    }
    let values = seen.compactMap(\.value)
    if values.count != operands.count { poisoned = true }
    do {
      let results = try op.infer(types, regions)
      for type in results { try type.checkSize(op: op.name) }
      if poisoned { return results.map { Tensor(trace: self, value: nil, type: $0) } }
      let recorded = graph.append(op, values, types: results, regions: regions, location: place)
      return zip(recorded, results).map { Tensor(trace: self, value: $0, type: $1) }
    } catch {
      // A poisoned operand was reported where it arose; its guessed type must not add noise.
      if !poisoned { report(error, types, at: place) }
      let guess = types.first ?? TensorType(.float32, [])
      return [Tensor(trace: self, value: nil, type: guess)]
    }
  }

  // MARK: State

  /// The cell's value here: as assigned in this trace, else as it is in the state block.
  package func read(_ cell: any StateCell) -> Tensor {
    if let parent { return parent.read(cell) }
    if let value = frozen[ObjectIdentifier(cell)] {
      return record(Constant(value), [])[0]
    }
    let index = register(cell)
    if let assigned = assignments[index] { return assigned }
    return initialValue(index)
  }

  /// The cell's value as arithmetic takes it: halves as float32. One conversion serves all uses, so
  /// that gradients meet before anything is rounded.
  package func readWide(_ cell: any StateCell) -> Tensor {
    if let parent { return parent.readWide(cell) }
    let stored = read(cell)
    guard stored.dtype == .bfloat16 || stored.dtype == .float16 else { return stored }
    if let value = stored.value, let known = widened[value] { return known }
    let wide = stored.converted(to: .float32)
    if let value = stored.value { widened[value] = wide }
    return wide
  }

  package func initialValue(_ index: Int) -> Tensor {
    let parameter = graph.parameters[cells[index].parameter]
    return Tensor(trace: self, value: parameter.value, type: graph.type(parameter.value))
  }

  package func assign(_ cell: any StateCell, _ value: Tensor) {
    if value.trace.parent != nil || parent != nil {
      report(
        CompileError(
          .state, operation: "assign", "\(cell.path) is assigned in the body of a loop", at: place,
          hint: "carry the value, and assign it when the loop has ended"))
      return
    }
    guard value.type == cell.type else {
      report(
        CompileError(
          .state, operation: "assign", "\(cell.path) is \(cell.type), the new value \(value.type)"))
      return
    }
    guard frozen[ObjectIdentifier(cell)] == nil else {
      report(
        CompileError(
          .state, operation: "assign", "\(cell.path) is frozen: its value is a constant here",
          at: place))
      return
    }
    assignments[register(cell)] = value
  }

  private func register(_ cell: any StateCell) -> Int {
    if let index = cellIndex[ObjectIdentifier(cell)] { return index }
    let index = cells.count
    cells.append((cell, graph.parameters.count))
    cellIndex[ObjectIdentifier(cell)] = index
    do {
      try cell.type.checkSize(op: "parameter")
    } catch {
      report(error, [], at: place)
    }
    graph.addParameter(cell.type, name: cell.path, role: .state)
    return index
  }

  // MARK: Randomness and taps

  /// A stream that no other draw of this trace uses.
  package func nextStream() -> Int {
    if let parent { return parent.nextStream() }
    defer { streams += 1 }
    return streams
  }

  /// How many streams were given; set back where a body is traced again and must draw the same.
  package var streamCount: Int {
    get { parent?.streamCount ?? streams }
    set { if let parent { parent.streamCount = newValue } else { streams = newValue } }
  }

  /// The (seed, step) inputs, added on first use.
  ///
  /// In the body of a loop the step is a number of its own for each iteration.
  package func randomKey() -> (seed: Tensor, step: Tensor) {
    if let key { return key }
    if let parent {
      let outer = parent.randomKey()
      let made = (outer.seed, iterationStep?(outer.step) ?? outer.step)
      key = made
      return made
    }
    let made = (
      argument(TensorType(.int64, []), name: "seed"), argument(TensorType(.int64, []), name: "step")
    )
    key = made
    return made
  }

  /// In a loop's body: the step number of the running iteration, from that of the whole call.
  package var iterationStep: ((Tensor) -> Tensor)?

  /// True when the trace draws random numbers: the program then takes seed and step.
  package var usesRandom: Bool { key != nil }

  package func tap(_ name: String, _ value: Tensor) {
    if parent != nil {
      report(
        CompileError(
          .foreignTensor, operation: "tap", "'\(name)' is a value of each iteration of a loop",
          at: place, hint: "return it from the body as a stacked output, and tap that"))
      return
    }
    taps.append((name, value))
  }

  // MARK: Ending

  /// Lets go of the tensors that the trace holds, which hold the trace: without this, each
  /// compilation with assignments or draws would leak its trace and the state behind it.
  package func release() {
    assignments = [:]
    widened = [:]
    taps = []
    lookups = []
    layerResults = []
    key = nil
    captures = []
    origins = [:]
    iterationStep = nil
  }

  /// Ends the trace; throws the first diagnostic, with the count of the others.
  package func finish() throws(CompileError) {
    ended = true
    if var first = diagnostics.first {
      first.furtherErrors = diagnostics.count - 1
      throw first
    }
  }
}
