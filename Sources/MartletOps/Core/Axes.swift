// What functions that take an axis or make a tensor from nothing share: never a trap, always a report.

import MartletIR

extension Tensor {
  /// An axis counted from the front, or nil after reporting that it is out of range.
  package func checkedAxis(_ axis: Int, op: String, at place: SourceLocation) -> Int? {
    let counted = axis < 0 ? axis + rank : axis
    if counted >= 0, counted < rank { return counted }
    if value != nil {
      trace.report(
        TypeError(op: op, "axis \(axis) is out of range for rank \(rank)"), [type], at: place)
    }
    return nil
  }

  /// A stand-in of the same type, after an error was reported.
  package var poisoned: Tensor { Tensor(trace: trace, value: nil, type: type) }
}

extension Trace {
  /// The running trace. Outside of any, a trace that nobody finishes: using its tensors in another
  /// trace is reported there.
  package static var currentOrDetached: Trace {
    current ?? Trace(name: "detached", isTraining: false)
  }
}
