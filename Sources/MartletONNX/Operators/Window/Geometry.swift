// What convolutions and pools share: windows over spatial axes, and the order of their axes.

import MartletIR
import MartletOps

/// A window over spatial axes, from a node's attributes.
struct Window {
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var low: [Int]
  var high: [Int]
  /// Extents of the result.
  var outputs: [Int] = []

  /// How far a window reaches along an axis.
  func reach(_ axis: Int) -> Int { dilations[axis] * (kernel[axis] - 1) + 1 }

  init(_ node: NodeContext, input: [Int], kernel: [Int], roundsUp: Bool = false) throws {
    let rank = input.count
    self.kernel = kernel
    strides = try node.ints("strides") ?? [Int](repeating: 1, count: rank)
    dilations = try node.ints("dilations") ?? [Int](repeating: 1, count: rank)
    let limit = Int(Int32.max)
    guard rank > 0, kernel.count == rank, strides.count == rank, dilations.count == rank,
      (kernel + strides + dilations + input).allSatisfy({ (0...limit).contains($0) }),
      (kernel + strides + dilations).allSatisfy({ $0 > 0 })
    else { throw node.invalid("the window \(kernel) does not fit the input \(Shape(input))") }
    low = [Int](repeating: 0, count: rank)
    high = low
    let automatic = try node.string("auto_pad", default: "NOTSET")
    switch automatic {
    case "NOTSET", "":
      if let pads = try node.ints("pads") {
        guard pads.count == 2 * rank, pads.allSatisfy({ (-limit...limit).contains($0) }) else {
          throw node.invalid("pads \(pads) for \(rank) axes")
        }
        low = Array(pads[..<rank])
        high = Array(pads[rank...])
      }
    case "VALID": break
    case "SAME_UPPER", "SAME_LOWER":
      for axis in 0..<rank {
        let output = (input[axis] + strides[axis] - 1) / strides[axis]
        let total = max(0, (output - 1) * strides[axis] + reach(axis) - input[axis])
        low[axis] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2
        high[axis] = total - low[axis]
      }
    default: throw node.invalid("auto_pad '\(printable(automatic))'")
    }
    for axis in 0..<rank {
      let room = input[axis] + low[axis] + high[axis] - reach(axis)
      guard room >= 0 else {
        throw node.invalid("the window \(kernel) is larger than the padded input \(Shape(input))")
      }
      var output = room / strides[axis] + 1
      if roundsUp {
        output = (room + strides[axis] - 1) / strides[axis] + 1
        // The last window has to begin inside of the input or its padding in front.
        if (output - 1) * strides[axis] >= input[axis] + low[axis] { output -= 1 }
      }
      outputs.append(output)
    }
  }

  /// The padding at the end that gives exactly the outputs, where they were rounded.
  func exactHigh(_ input: [Int]) -> [Int] {
    input.indices.map { (outputs[$0] - 1) * strides[$0] + reach($0) - input[$0] - low[$0] }
  }
}

extension Tensor {
  /// `[N, C, …]` as `[N, …, C]`.
  var channelsLast: Tensor {
    rank < 3 ? self : transposed([0] + Array(2..<rank) + [1])
  }
  /// `[N, …, C]` as `[N, C, …]`.
  var channelsFirst: Tensor {
    rank < 3 ? self : transposed([0, rank - 1] + Array(1..<(rank - 1)))
  }
}
