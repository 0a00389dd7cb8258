import MartletIR
import MartletOps

/// Parts of axes by start, end and step; a negative step runs backwards.
/// https://onnx.ai/onnx/operators/onnx__Slice.html
struct Slice: Operator {
  static let name = "Slice"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0).dimensions
    let fromInputs = node.version >= 10
    guard
      let starts = try fromInputs ? node.integers(1) : node.ints("starts"),
      let ends = try fromInputs ? node.integers(2) : node.ints("ends")
    else { throw node.invalid("starts or ends are missing") }
    let given = try fromInputs ? node.optionalIntegers(3) : node.ints("axes")
    let steps =
      try (fromInputs ? node.optionalIntegers(4) : nil)
      ?? [Int](repeating: 1, count: starts.count)
    let axes = try node.axes(given ?? Array(starts.indices), rank: shape.count)
    guard starts.count == axes.count, ends.count == axes.count, steps.count == axes.count,
      !steps.contains(0)
    else { throw node.invalid("starts, ends, axes and steps do not fit each other") }
    var start = shape.map { _ in 0 }
    var limit = shape
    var stride = shape.map { _ in 1 }
    var reversed: [Int] = []
    for (index, axis) in axes.enumerated() {
      let extent = shape[axis]
      let step = steps[index]
      func place(_ x: Int) -> Int { x < 0 ? x &+ extent : x }
      if step > 0 {
        start[axis] = max(0, min(extent, place(starts[index])))
        limit[axis] = max(start[axis], min(extent, place(ends[index])))
        stride[axis] = min(step, max(1, extent))
      } else {
        // From `first` down to, not including, `last`: a slice of the reversed axis. Unlike NumPy's, a
        // start in front of the axis is its first element, as the specification clamps it.
        let first = extent == 0 ? -1 : max(0, min(extent - 1, place(starts[index])))
        let last = max(-1, min(extent - 1, place(ends[index])))
        reversed.append(axis)
        start[axis] = extent - 1 - first
        limit[axis] = max(start[axis], extent - 1 - last)
        stride[axis] = step == Int.min ? max(1, extent) : min(-step, max(1, extent))
      }
    }
    return [
      try node.moved(0) {
        (reversed.isEmpty ? $0 : $0.reversed(axes: reversed))
          .sliced(start: start, limit: limit, stride: stride)
      }
    ]
  }
}
