import MartletIR
import MartletOps

/// How often n-grams of a vocabulary appear in rows of integers or words.
/// https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html
struct TfIdfVectorizer: Operator {
  static let name = "TfIdfVectorizer"
  static let since = 9

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.constant(0)
    guard (0...2).contains(x.shape.rank) else { throw node.invalid("needs [C] or [N, C]") }
    let table = try Table(node)
    let rows = x.shape.rank == 2 ? x.shape[0] : 1
    let columns = x.shape.rank == 0 ? 1 : x.shape[x.shape.rank - 1]
    let dimensions = x.shape.rank == 2 ? [rows, table.width] : [table.width]
    let type = TensorType(.float32, try node.checked(dimensions))
    try node.checkSize(type)
    // Each skip looks at a row anew.
    let looks = (Double(table.skips) + 1) * Double(table.lengths.count) * Double(rows)
    guard looks * Double(min(columns, 1000)) < 1e8, looks * Double(columns) < 1e9 else {
      throw ONNXError(.limit, "too many lengths and skips of n-grams", node: node.label)
    }
    var counts = [Double](repeating: 0, count: type.count)
    if let words = x.strings {
      guard let pool = try node.strings("pool_strings") else {
        throw node.invalid("pool_strings is missing")
      }
      table.count(words, pool, rows, columns, &counts)
    } else {
      guard let pool = try node.ints("pool_int64s") else {
        throw node.invalid("pool_int64s is missing")
      }
      table.count(x.integers.map { Int($0) }, pool, rows, columns, &counts)
    }
    let mode = try node.string("mode", default: "TF")
    let weights = try node.floats("weights")
    if let weights, weights.count < table.width { throw node.invalid("weights are missing") }
    for place in counts.indices {
      let weight = weights.map { $0[place % table.width] } ?? 1
      switch mode {
      case "TF": break
      case "IDF": counts[place] = counts[place] > 0 ? weight : 0
      case "TFIDF": counts[place] *= weight
      default: throw node.invalid("mode '\(printable(mode))'")
      }
    }
    return [.constant(HostTensor(HostArray(type, counts)))]
  }

  /// Where the n-grams of each length lie in the pool, and their columns.
  private struct Table {
    var starts: [Int]
    var columns: [Int]
    var width: Int
    var lengths: ClosedRange<Int>
    var skips: Int

    init(_ node: NodeContext) throws {
      guard let starts = try node.ints("ngram_counts"),
        let columns = try node.ints("ngram_indexes"),
        let least = try node.int("min_gram_length"), let most = try node.int("max_gram_length"),
        let skips = try node.int("max_skip_count")
      else { throw node.invalid("an attribute is missing") }
      guard least >= 1, most >= least, most <= 1024, (0...100_000).contains(skips),
        starts.allSatisfy({ (0..<1 << 40).contains($0) }), starts == starts.sorted(),
        let last = columns.max(), columns.allSatisfy({ $0 >= 0 }), last < 1 << 32
      else { throw node.invalid("the lengths, counts or indexes of n-grams are impossible") }
      (self.starts, self.columns, self.skips) = (starts, columns, skips)
      width = last + 1
      lengths = least...most
    }

    func count<Item: Hashable>(
      _ items: [Item], _ pool: [Item], _ rows: Int, _ count: Int, _ counts: inout [Double]
    ) {
      var grams: [[Item]: Int] = [:]
      var index = 0
      for (place, start) in starts.enumerated() {
        let length = place + 1
        let end = min(pool.count, place + 1 < starts.count ? starts[place + 1] : pool.count)
        var at = start
        while at + length <= end {
          if index < columns.count { grams[Array(pool[at..<(at + length)])] = columns[index] }
          index += 1
          at += length
        }
      }
      for row in 0..<rows {
        let words = Array(items[(row * count)..<((row + 1) * count)])
        for length in lengths {
          // Skips make no difference to single items.
          for step in 1...(length == 1 ? 1 : skips + 1) where (length - 1) * step < count {
            for start in 0..<(count - (length - 1) * step) {
              let gram = (0..<length).map { words[start + $0 * step] }
              if let column = grams[gram] { counts[row * width + column] += 1 }
            }
          }
        }
      }
    }
  }
}
