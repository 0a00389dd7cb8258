// martlet train char-lm and martlet sample: what is printed around a character model.

import ArgumentParser
import Martlet
import MartletData
import MartletPrograms

enum CharacterProgram {
  static func train(_ given: ProgramOptions) throws {
    try ModelDirectory.check(given.output)
    let recipe = try given.applied(to: CharacterRecipe(given.cell ?? .lstm))
    let name = given.data ?? "hamlet"
    let corpus = name == "hamlet" ? try TextCorpus.hamlet() : try TextCorpus(contentsOf: name)
    let training = try CharacterTraining(corpus, recipe, options: given.compile)
    printHead(training, corpus, given)
    if let resume = given.resume {
      try training.resume(from: resume)
      Output.line("resumed  \(resume), after \(grouped(training.stepsDone)) steps")
    }

    let progress = ProgramProgress()
    Interruption.watch()
    let start = nowMilliseconds()
    let isDone = try training.run(
      checkpoints: given.checkpoints, isInterrupted: { Interruption.wasRequested }
    ) {
      progress.show($0, epochs: recipe.epochs)
    }
    progress.clear()
    let seconds = (nowMilliseconds() - start) / 1e3
    let bits = isDone ? try training.bitsPerCharacter() : nil
    var notes = given.notes(name, epochs: recipe.epochs)
    if let bits { notes.append(.init("bits per character", .number(bits))) }
    let saved = SavedCharacterModel(
      training.model, training.architecture, corpus.vocabulary, notes: notes)
    try saved.write(to: given.output)
    guard let bits else {
      Output.line(
        "interrupted after \(grouped(training.stepsDone)) steps; the model is in \(given.output)"
          + (given.checkpoints.map { ", the checkpoint in \($0.directory)" } ?? ""))
      throw ExitCode(130)
    }
    let sampler = try TokenSampler(temperature: 0.8, seed: given.seed)
    var text = ""
    // What a text of another kind begins with, where it has no line breaks.
    try CharacterGenerator(saved, options: given.compile).sample("", length: 300, with: sampler) {
      text += $0
    }
    Output.line("sample at temperature 0.8:")
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      Output.line("  | \(line)")
    }
    Output.line("trained in \(fixed(seconds, 1)) s; the model is in \(given.output)")
    Output.line("bits per character: \(fixed(bits, 3)) bits")
  }

  private static func printHead(
    _ training: CharacterTraining, _ corpus: TextCorpus, _ given: ProgramOptions
  ) {
    let recipe = training.recipe
    let parameters = training.model.parameters.reduce(0) { $0 + $1.type.count }
    let isTransformer = recipe.cell == .transformer
    Output.line(
      "model    char-lm: "
        + (isTransformer
          ? "transformer, \(recipe.layers) blocks of \(recipe.hidden) with \(recipe.heads) heads"
          : "embedding \(recipe.embedding), \(recipe.layers) × \(recipe.cell.rawValue) of \(recipe.hidden)")
        + ", \(corpus.vocabulary.count) characters; \(grouped(parameters)) parameters")
    Output.line(
      "data     \(corpus.name): \(grouped(training.training.count)) characters to train on, "
        + "\(grouped(training.heldOut.count)) held out (the end of the text)")
    Output.line(
      "recipe   adam, learning rate \(recipe.learningRate) (cosine), \(recipe.batch) \(isTransformer ? "windows" : "streams") of "
        + "\(recipe.length) characters a step, dropout \(recipe.dropout), gradients clipped to "
        + "\(recipe.clipping), \(recipe.epochs) epochs, seed \(given.seed), "
        + "\(given.compile.threads) threads")
    let report = training.step.program.report
    Output.line(
      "compile  \(report.tracedNodes) nodes → \(report.kernels) kernels, "
        + "\(bytes(report.sourceBytes)) of C, arena \(bytes(report.arenaBytes)), "
        + "state \(bytes(report.stateBytes)), \(flops(report.flops)) a step")
  }
}

/// One line that is drawn again on a terminal; a line for each epoch.
final class ProgramProgress {
  private var lastDrawn = 0.0

  func show(_ progress: CharacterProgress, epochs: Int) {
    let head = "epoch \(progress.epoch + 1)/\(epochs)"
    let bits = "training \(fixed(progress.trainingBits, 3)) bits per character"
    if let heldOut = progress.heldOutBits {
      clear()
      Output.line(
        "\(head)  \(bits)  held-out \(fixed(heldOut, 3))  \(fixed(progress.seconds, 1)) s")
    } else if Output.isTerminal, nowMilliseconds() - lastDrawn >= 100 {
      lastDrawn = nowMilliseconds()
      let left = progress.seconds / Double(progress.step) * Double(progress.steps - progress.step)
      Output.write("\r\u{1B}[K\(head)  \(bits)  ETA \(duration(left))", to: 1)
    }
  }

  func clear() { if Output.isTerminal { Output.write("\r\u{1B}[K", to: 1) } }
}

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Continue a text with a trained character model.",
    discussion: """
      Each character is drawn from what the model says of the next one: a function of the seed and \
      the character's position. With --beam the likeliest continuations are searched instead, and \
      printed with their log-probabilities, best first.
      """)

  @Argument(help: ArgumentHelp("A model directory of `martlet train char-lm`.", valueName: "model"))
  var model: String
  @Option(help: ArgumentHelp("The text to continue; a line break if not given.", valueName: "text"))
  var prompt = ""
  @Option(help: ArgumentHelp("0 takes the likeliest; 1 draws as the model says.", valueName: "x"))
  var temperature = 0.8
  @Option(help: ArgumentHelp("Draw among the K likeliest characters.", valueName: "k"))
  var topK: Int?
  @Option(
    help: ArgumentHelp("Draw among the likeliest that have this probability.", valueName: "p"))
  var topP: Double?
  @Option(help: ArgumentHelp("The number of characters.", valueName: "n"))
  var length = 400
  @Option(help: ArgumentHelp("Another seed draws another text.", valueName: "n"))
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Search with this many hypotheses instead.", valueName: "b"))
  var beam: Int?
  @Option(
    help: ArgumentHelp("With --beam: log-probabilities are divided by length^α.", valueName: "α"))
  var lengthNormalization = 0.0
  @Flag(help: "With --beam: a continuation ends at the end of its line.")
  var line = false
  @Flag(help: "Tell on standard error how many characters a second were drawn.")
  var time = false

  func validate() throws {
    guard (1...1_000_000).contains(length) else {
      throw ValidationError("--length \(length): expected 1 to 1000000")
    }
    guard temperature.isFinite, (0...1000).contains(temperature) else {
      throw ValidationError("--temperature \(temperature): expected 0 to 1000")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k \(topK): expected at least 1") }
    if let topP, !(topP > 0 && topP <= 1) {
      throw ValidationError("--top-p \(topP): expected a number above 0, at most 1")
    }
    if let beam, !(1...1024).contains(beam) {
      throw ValidationError("--beam \(beam): expected 1 to 1024")
    }
    if time, beam != nil { throw ValidationError("--time is for draws, not for --beam") }
    if beam == nil, line || lengthNormalization != 0 {
      throw ValidationError("--line and --length-normalization go with --beam")
    }
    guard lengthNormalization.isFinite, (0...16).contains(lengthNormalization) else {
      throw ValidationError("--length-normalization \(lengthNormalization): expected 0 to 16")
    }
  }

  func run() throws {
    let saved = try SavedCharacterModel(model)
    var options = try CompileOptions()
    // One character is too little work to share.
    options.threads = 1
    let generator = CharacterGenerator(saved, options: options)
    guard let beam else {
      let sampler = try TokenSampler(
        temperature: temperature, topK: topK, topP: topP, seed: seed)
      // Nothing of a prompt that is refused.
      var begun = prompt
      // From the first character on: what is behind it compiles, and reads the prompt.
      var (first, last) = (0.0, 0.0)
      try generator.sample(prompt, length: length, with: sampler) {
        last = nowMilliseconds()
        if first == 0 { first = last }
        Output.write(begun + $0, to: 1)
        begun = ""
      }
      Output.line()
      if time, last > first {
        let rate = Double(length - 1) * 1e3 / (last - first)
        Output.write("\(grouped(Int(rate))) characters/s\n", to: 2)
      }
      return
    }
    let end = line ? saved.vocabulary.index(of: "\n").map { Int32($0) } : nil
    let search = try BeamSearch(
      width: beam, maximumLength: length, end: end, lengthNormalization: lengthNormalization)
    for (text, hypothesis) in try generator.beam(prompt, search) {
      Output.line(
        "\(fixed(hypothesis.score, 4))  ln p \(fixed(hypothesis.logProbability, 4))  "
          + "\(prompt)\(text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "⏎"))"
      )
    }
  }
}
