// Line and point charts as SVG, which a page may hold or a file be.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A chart with one or several series.
package struct Chart {
  package struct Series {
    package var name: String
    package var points: [(x: Double, y: Double)]
    package var isPoints: Bool
    package init(_ name: String, _ points: [(Double, Double)], isPoints: Bool = false) {
      self.name = name
      self.points = points.map { (x: $0.0, y: $0.1) }
      self.isPoints = isPoints
    }
  }
  package var title: String
  package var xName: String
  package var yName: String
  package var series: [Series]
  package var isLogX = false
  package var isLogY = false
  /// Names of the places 0.5, 1.5, … of the x axis.
  package var categories: [String] = []

  package init(title: String, x: String, y: String, series: [Series] = []) {
    self.title = title
    xName = x
    yName = y
    self.series = series
  }

  static let width = 480.0
  static let height = 300.0
  private static let (left, right, top, bottom) = (58.0, 12.0, 34.0, 44.0)

  /// Colours of series, and of text and lines, in a light and in a dark page.
  package static let style = """
    .chart text{font:12px system-ui,sans-serif;fill:var(--ink,#1c2128)}
    .chart .t{font-weight:600;font-size:13px}.chart .m{fill:var(--muted,#59636e);font-size:11px}
    .chart .g{stroke:var(--rule,#d8dee4);stroke-width:1;fill:none}
    .chart .l{fill:none;stroke-width:2;stroke-linejoin:round}.chart .p{fill-opacity:.75}
    \(series(0, "#0969da")) \(series(1, "#bc4c00")) \(series(2, "#1a7f37")) \(series(3, "#8250df"))
    \(series(4, "#bf3989")) \(series(5, "#0a7d8c")) \(series(6, "#7d4e00")) \(series(7, "#57606a"))
    \(series(8, "#cf222e")) \(series(9, "#4d8b00")) \(series(10, "#3b5bdb"))
    """
  private static let darkStyle = """
    @media (prefers-color-scheme:dark){.chart{--ink:#e6edf3;--muted:#9da7b3;--rule:#30363d;--card:#0d1117}
    \(series(0, "#58a6ff")) \(series(1, "#f0883e")) \(series(2, "#3fb950")) \(series(3, "#bc8cff"))
    \(series(4, "#f778ba")) \(series(5, "#39c5cf")) \(series(6, "#d29922")) \(series(7, "#9da7b3"))
    \(series(8, "#ff7b72")) \(series(9, "#a5d65f")) \(series(10, "#91a7ff"))}
    """
  package static var bothStyles: String { style + "\n" + darkStyle }
  private static func series(_ index: Int, _ colour: String) -> String {
    ".chart .s\(index){stroke:\(colour)}.chart .d\(index){fill:\(colour)}"
  }
  private static let colours = 11

  /// A picture of its own with charts below one another, two in a row where there are more.
  package static func page(_ charts: [Chart]) -> String {
    let columns = charts.count > 1 ? 2 : 1
    let rows = (charts.count + columns - 1) / columns
    let (w, h) = (width * Double(columns), height * Double(rows))
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 \(number(w)) \(number(h))" \
      width="\(number(w))" height="\(number(h))" role="img">
      <style>\(bothStyles)</style>
      <rect width="100%" height="100%" fill="var(--card,#fff)"/>

      """
    for (index, chart) in charts.enumerated() {
      let x = width * Double(index % columns)
      let y = height * Double(index / columns)
      text += "<g transform=\"translate(\(number(x)) \(number(y)))\">\n\(chart.body)</g>\n"
    }
    return text + "</svg>\n"
  }

  /// The chart for a page that has the ``bothStyles``.
  package var svg: String {
    """
    <svg class="chart" viewBox="0 0 \(Chart.number(Chart.width)) \(Chart.number(Chart.height))" \
    role="img" aria-label="\(escapedHTML(title))">
    \(body)</svg>

    """
  }

  // MARK: - Drawing

  private var body: String {
    let shown = series.map { series in
      series.points.filter {
        $0.x.isFinite && $0.y.isFinite && (!isLogX || $0.x > 0) && (!isLogY || $0.y > 0)
      }
    }
    let all = shown.flatMap { $0 }
    var text =
      "<text class=\"t\" x=\"\(Chart.number(Chart.left))\" y=\"16\">\(escapedHTML(title))</text>\n"
    guard !all.isEmpty else {
      return text
        + "<text class=\"m\" x=\"\(Chart.number(Chart.left))\" y=\"60\">no numbers</text>\n"
    }
    let xs = Scale(
      all.map(\.x), isLog: isLogX, from: Chart.left, to: Chart.width - Chart.right,
      fixed: categories.isEmpty ? nil : (0, Double(categories.count)))
    let ys = Scale(
      Chart.clipped(all.map(\.y)), isLog: isLogY, from: Chart.height - Chart.bottom, to: Chart.top)
    text += grid(xs, ys)
    for (index, points) in shown.enumerated() {
      let colour = index % Chart.colours
      if series[index].isPoints {
        for point in points {
          text +=
            "<circle class=\"p d\(colour)\" cx=\"\(Chart.number(xs.place(point.x)))\" "
            + "cy=\"\(Chart.number(ys.place(point.y)))\" r=\"3\"/>\n"
        }
      } else if let first = points.first {
        // A run of one epoch is a point, not a line.
        if points.count == 1 {
          text +=
            "<circle class=\"d\(colour)\" cx=\"\(Chart.number(xs.place(first.x)))\" "
            + "cy=\"\(Chart.number(ys.place(first.y)))\" r=\"3\"/>\n"
        }
        let places = Chart.thinned(points).map {
          "\(Chart.number(xs.place($0.x))),\(Chart.number(ys.place($0.y)))"
        }
        text +=
          "<polyline class=\"l s\(colour)\" points=\"\(places.joined(separator: " "))\"/>\n"
      }
    }
    return text + legend
  }

  private func grid(_ xs: Scale, _ ys: Scale) -> String {
    let (left, bottom) = (Chart.number(Chart.left), Chart.number(Chart.height - Chart.bottom))
    var text = ""
    for tick in ys.ticks(5) {
      let y = Chart.number(ys.place(tick))
      text +=
        "<path class=\"g\" d=\"M\(left) \(y)H\(Chart.number(Chart.width - Chart.right))\"/>"
        + "<text class=\"m\" text-anchor=\"end\" x=\"\(Chart.number(Chart.left - 6))\" "
        + "y=\"\(Chart.number(ys.place(tick) + 4))\">\(NumberText.short(tick))</text>\n"
    }
    let marks =
      categories.isEmpty
      ? xs.ticks(6).map { ($0, NumberText.short($0)) }
      : categories.enumerated().map { (Double($0.offset) + 0.5, $0.element) }
    for (tick, name) in marks {
      text +=
        "<text class=\"m\" text-anchor=\"middle\" x=\"\(Chart.number(xs.place(tick)))\" "
        + "y=\"\(Chart.number(Chart.height - Chart.bottom + 16))\">\(escapedHTML(name))</text>\n"
    }
    text +=
      "<path class=\"g\" d=\"M\(left) \(bottom)H\(Chart.number(Chart.width - Chart.right))\"/>\n"
    text +=
      "<text class=\"m\" text-anchor=\"middle\" x=\"\(Chart.number((Chart.left + Chart.width) / 2))\" "
      + "y=\"\(Chart.number(Chart.height - 10))\">\(escapedHTML(xName))</text>\n"
    return text
  }

  private var legend: String {
    guard series.count > 1 else { return "" }
    var text = ""
    // Right of the title when few, in a column over the plot when many.
    let isColumn = series.count > 3
    var x = Chart.width - Chart.right
    for (index, one) in series.enumerated().reversed() {
      let colour = index % Chart.colours
      if isColumn {
        let y = Chart.top + 8 + Double(index) * 14
        text +=
          "<circle class=\"d\(colour)\" cx=\"\(Chart.number(x - 6))\" cy=\"\(Chart.number(y - 4))\" r=\"4\"/>"
          + "<text class=\"m\" text-anchor=\"end\" x=\"\(Chart.number(x - 14))\" "
          + "y=\"\(Chart.number(y))\">\(escapedHTML(one.name))</text>\n"
      } else {
        text +=
          "<text class=\"m\" text-anchor=\"end\" x=\"\(Chart.number(x))\" y=\"16\">"
          + "\(escapedHTML(one.name))</text>"
        x -= Double(one.name.count) * 5.6 + 9
        text += "<circle class=\"d\(colour)\" cx=\"\(Chart.number(x))\" cy=\"12\" r=\"4\"/>\n"
        x -= 16
      }
    }
    return text
  }

  static func number(_ x: Double) -> String {
    let tenths = (x * 10).rounded()
    guard abs(tenths) < 1e15 else { return "0" }
    let whole = Int(tenths)
    return whole % 10 == 0
      ? "\(whole / 10)" : "\(whole < 0 ? "-" : "")\(abs(whole) / 10).\(abs(whole) % 10)"
  }

  /// At most 600 points of a line: more are not seen, and a long run would make a large page.
  private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard points.count > 600 else { return points }
    let step = Double(points.count - 1) / 599
    return (0..<600).map { points[Int((Double($0) * step).rounded())] }
  }

  /// Without the far outliers that would press the rest into a line: a first loss, a diverged trial.
  private static func clipped(_ values: [Double]) -> [Double] {
    let sorted = values.sorted()
    guard sorted.count >= 8 else { return values }
    let (low, high) = (sorted[sorted.count / 20], sorted[sorted.count - 1 - sorted.count / 20])
    let span = max(high - low, 1e-300)
    return values.filter { $0 >= low - 3 * span && $0 <= high + 3 * span }
  }
}

/// From numbers to places, and where the marks are.
private struct Scale {
  let low: Double
  let high: Double
  let isLog: Bool
  let from: Double
  let to: Double

  init(
    _ values: [Double], isLog: Bool, from: Double, to: Double,
    fixed: (Double, Double)? = nil
  ) {
    self.isLog = isLog
    self.from = from
    self.to = to
    let numbers = isLog ? values.map { log10($0) } : values
    var (low, high) = fixed ?? (numbers.min() ?? 0, numbers.max() ?? 1)
    if high - low < 1e-12 * max(1, abs(high)) {
      let pad = isLog ? 0.5 : max(0.5, abs(high) * 0.1)
      low -= pad
      high += pad
    }
    if fixed == nil {
      // Room for what lies on the edges.
      let pad = (high - low) * 0.02
      low -= pad
      high += pad
    }
    self.low = low
    self.high = high
  }

  func place(_ x: Double) -> Double {
    let share = ((isLog ? log10(x) : x) - low) / (high - low)
    return from + (to - from) * min(1, max(0, share))
  }

  /// Round numbers: 1, 2 or 5 times a power of ten apart.
  func ticks(_ count: Int) -> [Double] {
    if isLog, high - low >= 1.5 {
      let step = max(1, ((high - low) / Double(count)).rounded())
      return stride(from: low.rounded(.up), through: high, by: step).map { pow(10, $0) }
    }
    let (a, b) = isLog ? (pow(10, low), pow(10, high)) : (low, high)
    let raw = (b - a) / Double(count)
    let power = pow(10, log10(raw).rounded(.down))
    let step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999 } ?? raw
    let first = (a / step).rounded(.up)
    let last = (b / step).rounded(.down)
    guard last >= first, last - first < 50 else { return [] }
    // −0 is a number that nobody wants to read.
    return stride(from: first, through: last, by: 1).map { $0 == 0 ? 0 : $0 * step }
  }
}
