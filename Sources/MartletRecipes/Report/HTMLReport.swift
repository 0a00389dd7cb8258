// The report of a run: one HTML file without anything from outside.

import MartletExecution
import MartletRecipeModels
import MartletTraining

/// A page in the making. Whatever is not markup goes through ``escapedHTML(_:)``.
package struct HTMLReport {
  private var body = ""

  /// The report of a run.
  package init(_ run: RecipeRun, measures: Measures, line: String, results: RunResults) {
    head(run, measures, line)
    curves(run)
    if let confusion = results.confusion { matrix(confusion, run.finalPart.name) }
    if !results.scatter.isEmpty { scatter(results, run) }
    worst(results.worst, run)
    layers(run)
    memory(run)
    kernels(run)
    section("Recipe", "<pre>\(escapedHTML(run.recipe.document.text))</pre>")
  }

  /// The file's text.
  package func page(title: String) -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(escapedHTML(title))</title>
    <style>
    \(HTMLReport.style)
    \(Chart.bothStyles)
    </style>
    </head>
    <body>
    <main>
    \(body)</main>
    </body>
    </html>

    """
  }

  private static let style = """
    :root{--paper:#fff;--ink:#1c2128;--muted:#59636e;--rule:#d8dee4;--card:#f6f8fa;--hue:9,105,218;--bad:#bc4c00}
    @media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--muted:#9da7b3;--rule:#30363d;--card:#161b22;--hue:88,166,255;--bad:#f0883e}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
    main{max-width:1040px;margin:0 auto;padding:24px 16px 64px}
    h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
    h2{font-size:1.15rem;margin:40px 0 12px}
    p{margin:0 0 8px}.muted{color:var(--muted)}
    .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:20px 0}
    .card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}
    .card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums;white-space:nowrap}
    .card span{color:var(--muted);font-size:.85rem}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px}
    .charts svg{width:100%;height:auto;display:block}
    .wide{overflow-x:auto;max-width:100%}
    table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
    td,th{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule);font-weight:400}
    thead th{color:var(--muted);white-space:nowrap}
    td:first-child,th:first-child{text-align:left;padding-left:0}
    td.name{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:9em}
    .matrix td{border:0;padding:6px 8px;min-width:2.6em;text-align:center}
    .matrix th{border:0;color:var(--muted)}.matrix thead th{text-align:center}
    .samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:12px}
    figure{margin:0;font-size:.8rem;line-height:1.35}
    figure img{width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;background:#000;border-radius:6px;display:block;margin-bottom:4px}
    .wrong{color:var(--bad)}
    .bar{display:block;height:10px;border-radius:3px;background:rgb(var(--hue));min-width:2px}
    pre{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px;overflow-x:auto;font-size:.8rem;line-height:1.45}
    summary{cursor:pointer;color:var(--muted)}
    @media (max-width:600px){.matrix td{padding:5px 2px;min-width:1.9em}.matrix th{padding:4px 3px}td,th{padding:4px 6px}}
    @media print{body{font-size:11pt}main{max-width:none;padding:0}h2{break-after:avoid}
    .card,figure,svg,tr{break-inside:avoid}pre{white-space:pre-wrap;overflow-wrap:anywhere}
    .wide{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
    """

  private mutating func section(_ title: String, _ content: String) {
    body += "<h2>\(escapedHTML(title))</h2>\n\(content)\n"
  }

  // MARK: - Parts

  private mutating func head(_ run: RecipeRun, _ measures: Measures, _ line: String) {
    body += "<h1>\(escapedHTML(run.recipe.name))</h1>\n"
    if !run.recipe.summary.isEmpty {
      body += "<p class=\"muted\">\(escapedHTML(run.recipe.summary))</p>\n"
    }
    let (data, history) = (run.data, run.history)
    func card(_ value: String, _ name: String) -> String {
      "<div class=\"card\"><b>\(escapedHTML(value))</b><span>\(escapedHTML(name))</span></div>\n"
    }
    var cards = ""
    for measure in measures {
      cards += card(NumberText.short(measure.value), "\(run.finalPart.name) \(measure.name)")
    }
    let parameters = run.problem.model.parameters.reduce(0) { $0 + $1.type.count }
    cards += card(NumberText.grouped(parameters), "parameters")
    if run.lbfgsLosses.isEmpty {
      cards += card("\(history.epochs.count)", "epochs of \(run.recipe.epochs)")
      cards += card("\(NumberText.fixed(history.seconds, 1)) s", "training")
    } else {
      cards += card("\(run.lbfgsLosses.count - 1)", "iterations of L-BFGS")
    }
    body += "<div class=\"cards\">\n\(cards)</div>\n"
    let parts = [
      ("to train on", data.training.count), ("to validate on", data.validation?.count ?? 0),
      ("to test on", data.test?.count ?? 0),
    ].filter { $0.1 > 0 }.map { "\(NumberText.grouped($0.1)) \($0.0)" }
    var text = "Data: \(data.name), \(parts.joined(separator: ", ")). \(line)."
    if case .stopped(let reason) = history.outcome { text += " Stopped: \(reason)." }
    body += "<p class=\"muted\">\(escapedHTML(text))</p>\n"
  }

  private mutating func curves(_ run: RecipeRun) {
    let epochs = run.history.epochs
    var charts: [Chart] = []
    if !run.lbfgsLosses.isEmpty {
      let points = run.lbfgsLosses.enumerated().map { (Double($0.offset), $0.element) }
      charts.append(
        Chart(
          title: "loss", x: "iteration", y: "loss", series: [.init("training", points)]))
    }
    func curve(_ name: String, _ part: (EpochRecord) -> Double?) -> Chart.Series? {
      let points = epochs.compactMap { record in
        part(record).map { (Double(record.epoch + 1), $0) }
      }
      return points.isEmpty ? nil : Chart.Series(name, points)
    }
    for name in epochs.first?.training.names ?? [] {
      let series = [
        curve("training") { $0.training[name] }, curve("validation") { $0.validation[name] },
      ].compactMap { $0 }
      charts.append(Chart(title: name, x: "epoch", y: name, series: series))
    }
    if let rate = curve("rate", { $0.learningRate }), Set(rate.points.map(\.y)).count > 1 {
      charts.append(Chart(title: "learning rate", x: "epoch", y: "rate", series: [rate]))
    }
    guard !charts.isEmpty else { return }
    section("Curves", "<div class=\"charts\">\n\(charts.map(\.svg).joined())</div>")
  }

  private mutating func matrix(_ matrix: ConfusionMatrix, _ part: String) {
    let names = matrix.names
    guard (2...40).contains(matrix.classCount) else { return }
    func name(_ index: Int) -> String { names.indices.contains(index) ? names[index] : "\(index)" }
    var text = "<div class=\"wide\"><table class=\"matrix\"><thead><tr><th>is ↓ as →</th>"
    for column in 0..<matrix.classCount { text += "<th>\(escapedHTML(name(column)))</th>" }
    text += "</tr></thead><tbody>\n"
    for row in 0..<matrix.classCount {
      let total = max(1, (0..<matrix.classCount).reduce(0) { $0 + matrix[row, $1] })
      text += "<tr><th>\(escapedHTML(name(row)))</th>"
      for column in 0..<matrix.classCount {
        let count = matrix[row, column]
        let share = Double(count) / Double(total)
        // A mistake among thousands must be seen, too.
        let depth = count == 0 ? 0 : 0.12 + 0.68 * share.squareRoot()
        let white = depth > 0.55 ? ";color:var(--paper)" : ""
        text +=
          "<td style=\"background:rgba(var(--hue),\(NumberText.fixed(depth, 2)))\(white)\">"
          + "\(count == 0 ? "·" : "\(count)")</td>"
      }
      text += "</tr>\n"
    }
    section("Confusion matrix, \(part) set", text + "</tbody></table></div>")
  }

  private mutating func scatter(_ results: RunResults, _ run: RecipeRun) {
    let name = run.problem.tasks[0].target.name
    let points = results.scatter.map { ($0.target, $0.output) }
    let low = points.map(\.0).min() ?? 0
    let high = points.map(\.0).max() ?? 1
    let chart = Chart(
      title: "\(name), \(run.finalPart.name) set", x: "target", y: "prediction",
      series: [
        .init("exact", [(low, low), (high, high)]), .init("examples", points, isPoints: true),
      ])
    section("Predictions", "<div class=\"charts\">\n\(chart.svg)</div>")
  }

  private mutating func worst(_ samples: [WorstSample], _ run: RecipeRun) {
    guard !samples.isEmpty else { return }
    let title = "Largest losses, \(run.finalPart.name) set"
    if samples.contains(where: { $0.png != nil }) {
      var text = "<div class=\"samples\">\n"
      for sample in samples {
        let wrong = sample.output.hasPrefix(sample.target + " ") ? "" : " class=\"wrong\""
        let source = "data:image/png;base64,\(Base64.encode(sample.png ?? []))"
        text +=
          "<figure><img alt=\"example \(sample.index)\" src=\"\(source)\">"
          + "<b>\(escapedHTML(sample.target))</b> <span\(wrong)>→ \(escapedHTML(sample.output))</span>"
          + "</figure>\n"
      }
      return section(title, text + "</div>")
    }
    var text = "<div class=\"wide\"><table><thead><tr><th>row</th><th>target</th><th>output</th>"
    for column in samples[0].columns.prefix(12) { text += "<th>\(escapedHTML(column.name))</th>" }
    text += "</tr></thead><tbody>\n"
    for sample in samples {
      text +=
        "<tr><td>\(sample.index)</td><td>\(escapedHTML(sample.target))</td>"
        + "<td>\(escapedHTML(sample.output))</td>"
      for column in sample.columns.prefix(12) { text += "<td>\(escapedHTML(column.value))</td>" }
      text += "</tr>\n"
    }
    section(title, text + "</tbody></table></div>")
  }

  private mutating func layers(_ run: RecipeRun) {
    var text =
      "<div class=\"wide\"><table><thead><tr><th>layer</th><th>output</th><th>parameters</th></tr>"
      + "</thead><tbody>\n"
    for row in run.problem.rows {
      let count = row.layer.parameters.reduce(0) { $0 + $1.type.count }
      let shape = row.output.map(String.init).joined(separator: " × ")
      text +=
        "<tr><td class=\"name\">\(escapedHTML(row.path))</td><td>\(shape)</td>"
        + "<td>\(count > 0 ? NumberText.grouped(count) : "")</td></tr>\n"
    }
    section("Model", text + "</tbody></table></div>")
  }

  private mutating func memory(_ run: RecipeRun) {
    let report = run.trainer.step.program.report
    let rows = [
      ("arena", report.arenaBytes), ("least possible arena", report.arenaLowerBound),
      ("state: parameters and optimizer", report.stateBytes),
      ("scratch of a thread", report.scratchBytes),
    ]
    let most = Double(max(1, rows.map(\.1).max() ?? 1))
    var text = "<div class=\"wide\"><table style=\"width:100%\"><tbody>\n"
    for (name, bytes) in rows {
      let share = NumberText.fixed(Double(bytes) / most * 100, 1)
      text +=
        "<tr><td class=\"name\">\(escapedHTML(name))</td><td>\(NumberText.bytes(bytes))</td>"
        + "<td style=\"width:45%\"><span class=\"bar\" style=\"width:\(share)%\"></span></td></tr>\n"
    }
    text += "</tbody></table></div>\n"
    let lines = run.trainer.step.dump(.plan).split(
      separator: "\n", omittingEmptySubsequences: false)
    var plan = lines.prefix(200).joined(separator: "\n")
    if lines.count > 200 { plan += "\n… \(lines.count - 200) more lines" }
    text += "<details><summary>The plan</summary><pre>\(escapedHTML(plan))</pre></details>"
    section("Memory of a step", text)
  }

  private mutating func kernels(_ run: RecipeRun) {
    guard let profile = run.trainer.step.session.profile, profile.runs > 0 else { return }
    let total = max(1e-12, profile.kernels.reduce(0) { $0 + $1.seconds })
    let sorted = profile.kernels.sorted { $0.seconds > $1.seconds }
    var text =
      "<p class=\"muted\">\(NumberText.fixed(total / Double(profile.runs) * 1e3, 3)) ms a step in "
      + "\(profile.kernels.count) kernels, over \(NumberText.grouped(profile.runs)) steps.</p>\n"
      + "<div class=\"wide\"><table style=\"width:100%\"><thead><tr><th>kernel</th><th>µs</th>"
      + "<th>share</th><th>GFLOP/s</th></tr></thead><tbody>\n"
    for kernel in sorted.prefix(20) {
      let seconds = kernel.seconds / Double(profile.runs)
      let rate =
        kernel.flops > 0
        ? NumberText.fixed(Double(kernel.flops) / max(1e-12, seconds) / 1e9, 1) : ""
      text +=
        "<tr><td class=\"name\">\(escapedHTML(kernel.name))</td>"
        + "<td>\(NumberText.fixed(seconds * 1e6, 1))</td>"
        + "<td>\(NumberText.fixed(kernel.seconds / total * 100, 1)) %</td><td>\(rate)</td></tr>\n"
    }
    section("Kernels by time", text + "</tbody></table></div>")
  }
}

/// RFC 4648.
package enum Base64 {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  package static func encode(_ bytes: [UInt8]) -> String {
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(bytes.count, start + 3)]
      var word = 0
      for (index, byte) in part.enumerated() { word |= Int(byte) << (16 - 8 * index) }
      for index in 0..<4 {
        result.append(
          index <= part.count ? digits[(word >> (18 - 6 * index)) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

extension YAMLNode {
  /// The document in block style, as the run has used it.
  package var text: String {
    var result = ""
    write(&result, indent: 0, inline: false)
    return result
  }

  private func write(_ out: inout String, indent: Int, inline: Bool) {
    let pad = String(repeating: " ", count: indent)
    switch content {
    case .scalar(let text, let isPlain): out += (isPlain ? text : "\"\(text)\"") + "\n"
    case .sequence(let nodes):
      for (index, node) in nodes.enumerated() {
        out += (index == 0 && inline ? "" : pad) + "- "
        node.write(&out, indent: indent + 2, inline: true)
      }
    case .mapping(let entries):
      for (index, entry) in entries.enumerated() {
        out += (index == 0 && inline ? "" : pad) + entry.key + ":"
        if case .scalar = entry.value.content {
          out += " "
          entry.value.write(&out, indent: 0, inline: false)
        } else {
          out += "\n"
          entry.value.write(&out, indent: indent + 2, inline: false)
        }
      }
    }
  }
}
