import MartletIR
import MartletOps

/// Boxes with high scores that overlap no better one much. How many there are depends on elements,
/// so it is computed when a program is made.
/// https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html
struct NonMaxSuppression: Operator {
  static let name = "NonMaxSuppression"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (boxes, scores) = (try node.constant(0), try node.constant(1))
    guard boxes.shape.rank == 3, scores.shape.rank == 3, boxes.shape[2] == 4,
      boxes.shape[0] == scores.shape[0], boxes.shape[1] == scores.shape[2]
    else { throw node.invalid("boxes \(boxes.shape) and scores \(scores.shape) do not fit") }
    let most = max(0, try node.has(2) ? node.integer(2) : 0)
    let overlap = try node.has(3) ? node.number(3) : 0
    let least = try node.has(4) ? node.number(4) : nil
    let isCentered = try node.bool("center_point_box")
    let (count, classes) = (boxes.shape[1], scores.shape[1])
    let (corners, values) = (boxes.doubles, scores.doubles)
    var selected: [Int64] = []
    for batch in 0..<boxes.shape[0] {
      let areas = (0..<count).map { box -> Box in
        let start = (batch * count + box) * 4
        return Box(Array(corners[start..<(start + 4)]), isCentered: isCentered)
      }
      for kind in 0..<classes {
        let start = (batch * classes + kind) * count
        let own = values[start..<(start + count)]
        var order = Array(0..<count)
        if let least { order = order.filter { own[start + $0] > least } }
        order.sort { (own[start + $1], $0) < (own[start + $0], $1) }
        var kept: [Int] = []
        for box in order where kept.count < most {
          guard kept.allSatisfy({ areas[box].overlap(areas[$0]) <= overlap }) else { continue }
          kept.append(box)
          selected += [Int64(batch), Int64(kind), Int64(box)]
        }
      }
    }
    return [
      .constant(HostTensor(HostArray(TensorType(.int64, [selected.count / 3, 3]), selected)))
    ]
  }

  private struct Box {
    var y: ClosedRange<Double>
    var x: ClosedRange<Double>

    init(_ v: [Double], isCentered: Bool) {
      func range(_ a: Double, _ b: Double) -> ClosedRange<Double> {
        a <= b ? a...b : b <= a ? b...a : 0...0
      }
      if isCentered {
        x = range(v[0] - v[2] / 2, v[0] + v[2] / 2)
        y = range(v[1] - v[3] / 2, v[1] + v[3] / 2)
      } else {
        y = range(v[0], v[2])
        x = range(v[1], v[3])
      }
    }

    private static func size(_ a: ClosedRange<Double>) -> Double { a.upperBound - a.lowerBound }
    private var area: Double { Box.size(x) * Box.size(y) }

    /// Intersection over union.
    func overlap(_ other: Box) -> Double {
      let width = min(x.upperBound, other.x.upperBound) - max(x.lowerBound, other.x.lowerBound)
      let height = min(y.upperBound, other.y.upperBound) - max(y.lowerBound, other.y.lowerBound)
      guard width > 0, height > 0 else { return -1 }
      return width * height / (area + other.area - width * height)
    }
  }
}
