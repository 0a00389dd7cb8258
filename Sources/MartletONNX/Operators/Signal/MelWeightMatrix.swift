import MartletIR
import MartletOps

/// Weights from the bins of a spectrum to bands of the mel scale.
/// https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html
struct MelWeightMatrix: Operator {
  static let name = "MelWeightMatrix"
  static let since = 17

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (bands, length, rate) = (try node.integer(0), try node.integer(1), try node.integer(2))
    let (low, high) = (try node.number(3), try node.number(4))
    let element = try node.elementType(attribute: "output_datatype") ?? .float
    guard let dtype = element.carrier, bands > 0, length > 0, rate > 0, low > -700, high > -700,
      low < 1e9, high < 1e9, bands < 1 << 24, length < 1 << 30
    else { throw node.invalid("\(bands) bands of a transform of \(length) at \(rate) Hz") }
    let bins = length / 2 + 1
    let type = TensorType(dtype, try node.checked([bins, bands]))
    try node.checkSize(type)
    let (first, last) = (
      2595 * LibM.log1p(low / 700) / log10, 2595 * LibM.log1p(high / 700) / log10
    )
    let step = (last - first) / Double(bands + 2)
    let edges = (0..<(bands + 2)).map { index -> Int in
      let hertz = 700 * LibM.expm1((Double(index) * step + first) / 2595 * log10)
      return Int((Double(length + 1) * hertz / Double(rate)).rounded(.down))
    }
    guard edges.allSatisfy({ (0...bins).contains($0) }) else {
      throw node.invalid("the bands lie beyond half of the sample rate")
    }
    var weights = [Double](repeating: 0, count: type.count)
    func set(_ bin: Int, _ band: Int, _ weight: Double) {
      if bin < bins { weights[bin * bands + band] = weight }
    }
    for band in 0..<bands {
      let (left, center, right) = (edges[band], edges[band + 1], edges[band + 2])
      if left >= center {
        set(center, band, 1)
      } else {
        for bin in left...center {
          set(bin, band, Double(bin - left) / Double(center - left))
        }
      }
      if right > center {
        for bin in center..<right {
          set(bin, band, Double(right - bin) / Double(right - center))
        }
      }
    }
    return [.constant(HostTensor(HostArray(type, weights)))]
  }

  private static let log10 = 2.302585092994046
}
