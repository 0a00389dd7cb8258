// martlet search: trials of a recipe in processes, a journal, a table and a plot.

import ArgumentParser
import Martlet
import MartletData
import MartletRecipes
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Try values of a recipe's fields, as its `search` section says.",
    discussion: """
      Every trial is a process; what it reports is in the journal before the search goes on. \
      Started again with the same recipe, a search goes on where its journal ends.
      """)

  @Argument(help: "A recipe's file, or the name of a built-in one.")
  var recipe: String
  @Option(help: ArgumentHelp("Trials; those in the journal count.", valueName: "n"))
  var trials: Int?
  @Option(help: ArgumentHelp("Trials at a time.", valueName: "n"))
  var parallel: Int?
  @Option(help: ArgumentHelp("The journal; NAME.search.jsonl if not given.", valueName: "file"))
  var journal: String?
  @Option(help: ArgumentHelp("The plot; NAME.search.svg if not given.", valueName: "file"))
  var plot: String?
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "A value for a path of the recipe; may be repeated.", valueName: "path=value")
  )
  var overrides: [String] = []

  func validate() throws {
    if let wrong = overrides.first(where: { Override($0) == nil }) {
      throw ValidationError("--set \(wrong): expected path=value")
    }
    if let trials, !(1...100_000).contains(trials) {
      throw ValidationError("--trials \(trials): expected 1 to 100000")
    }
    if let parallel, !(1...256).contains(parallel) {
      throw ValidationError("--parallel \(parallel): expected 1 to 256")
    }
  }

  func run() throws {
    let parsed = try RecipeTraining.recipe(recipe, overrides.compactMap { Override($0) })
    guard var plan = try SearchPlan(parsed) else {
      throw ToolError("\(recipe) has no `search` section (docs/recipes.md describes it)")
    }
    if let trials { plan.trials = trials }
    if let parallel { plan.parallel = parallel }
    // Data that is not there, or a model that does not fit it, must not fail once for each trial.
    let problem = try RecipeProblem(parsed, RecipeData.read(parsed))
    let name = FileNames.safe(parsed.name)
    let journal = try SearchJournal(
      journal ?? "\(name).search.jsonl", plan: plan,
      recipe: String(
        decoding: try parsed.document.json.encoded(file: recipe), as: UTF8.self))
    let search = Search(plan, journal: journal)
    if !search.trials.isEmpty {
      Output.line("\(search.trials.count) trials are in \(journal.path)")
    }
    Output.line(
      "search   \(plan.method.rawValue), \(plan.trials) trials, \(plan.parallel) at a time, over "
        + plan.axes.map(\.path).joined(separator: ", "))
    Interruption.watch()
    var loop = TrialLoop(
      search: search, command: self,
      measure: plan.monitorsMeasure ? problem.tasks[0].metrics[0].name : "loss")
    try loop.run()
    let path = plot ?? "\(name).search.svg"
    try FileSystem.write(Array(search.plot(measure: loop.measure).utf8), to: path)
    Output.line(search.table(20))
    if Interruption.wasRequested {
      Output.line("interrupted; `martlet search \(recipe)` goes on")
      throw ExitCode(130)
    }
    guard let best = search.ranking.first, let value = best.value else {
      throw ToolError(
        "no trial came to a number"
          + (search.trials.compactMap(\.message).first.map { ": \($0)" } ?? ""))
    }
    Output.line("the plot is in \(path), the journal in \(journal.path)")
    let settings = zip(plan.axes, best.values).map { "--set \($0.path)=\($1.yaml)" }
    Output.line("martlet train \(recipe) " + settings.joined(separator: " "))
    Output.line("best \(loop.measure): \(NumberText.short(value)) of trial \(best.number)")
  }

  func arguments(_ trial: Trial, _ plan: SearchPlan) -> [String] {
    var arguments = ["train", recipe, "--trial"]
    let threads = max(1, CompileOptions.availableThreads / max(1, plan.parallel))
    arguments += ["--threads", "\(min(256, threads))"]
    for override in overrides { arguments += ["--set", override] }
    for (axis, value) in zip(plan.axes, trial.values) {
      arguments += ["--set", "\(axis.path)=\(value.yaml)"]
    }
    return arguments
  }
}

/// Keeps as many trials running as the plan allows.
private struct TrialLoop {
  let search: Search
  let command: SearchCommand
  /// What the watched number is called.
  let measure: String
  private var running: [TrialProcess] = []

  init(search: Search, command: SearchCommand, measure: String) {
    self.search = search
    self.command = command
    self.measure = measure
  }

  mutating func run() throws {
    do {
      while true {
        if Interruption.wasRequested { break }
        while running.count < search.plan.parallel, let trial = try search.next() {
          running.append(
            try TrialProcess(
              trial: trial.number, arguments: command.arguments(trial, search.plan)))
        }
        if running.isEmpty { return }
        wait()
        try readAll()
      }
    } catch {
      stopAll()
      throw error
    }
    stopAll()
  }

  /// Until a trial says something, or a signal came.
  private func wait() {
    var files = running.flatMap { trial in
      [trial.output, trial.errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    }
    // A closed stream is readable for ever; the sleep keeps that from being a busy loop.
    if poll(&files, nfds_t(files.count), 500) > 0 { usleep(2_000) }
  }

  private mutating func readAll() throws {
    for index in running.indices.reversed() {
      let isOpen = running[index].read()
      for line in running[index].lines() { try note(line, index) }
      if !isOpen { try end(running.remove(at: index)) }
    }
  }

  private mutating func note(_ line: [UInt8], _ index: Int) throws {
    guard let json = try? JSONValue(parsing: line, file: "trial") else { return }
    let watchesMeasure = search.plan.monitorsMeasure
    let rising = watchesMeasure && json["rising"]?.bool == true
    let value = json[watchesMeasure ? "measure" : "loss"]?.number ?? .nan
    let number = running[index].trial
    if try search.epoch(number, value, rising: rising), !running[index].isPruned {
      running[index].isPruned = true
      running[index].stop()
    }
  }

  private func end(_ process: TrialProcess) throws {
    let code = process.finish()
    let seconds = (nowMilliseconds() - process.started) / 1e3
    let state: Trial.State = process.isPruned ? .pruned : code == 0 ? .done : .failed
    var message: String?
    if state == .failed {
      let text = String(decoding: process.message, as: UTF8.self)
      message = text.isEmpty ? "exit code \(code)" : String(text.prefix(500))
    }
    try search.end(process.trial, state, seconds: seconds, message: message)
    let trial = search.trials[process.trial]
    let settings = zip(search.plan.axes, trial.values).map { axis, value in
      "\(axis.path.split(separator: ".").last ?? "")=\(value.yaml)"
    }
    let result =
      message.map { "failed: \($0.split(separator: "\n").first ?? "")" }
      ?? "\(measure) \(trial.value.map { NumberText.short($0) } ?? "–")"
      + (state == .pruned ? " (pruned after \(trial.curve.count) epochs)" : "")
    Output.line(
      "trial \(trial.number)  \(settings.joined(separator: " "))  \(result)  \(fixed(seconds, 1)) s"
    )
  }

  private mutating func stopAll() {
    for process in running { process.stop() }
    for process in running { _ = process.finish() }
    running = []
  }
}
