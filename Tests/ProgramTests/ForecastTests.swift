// Forecasts: better than those that cost nothing, transformed there and back, and drawn.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletPrograms
import MartletTestSupport
import MartletTraining
import Testing

private func options() throws -> TrainerOptions { TrainerOptions(compile: try testOptions()) }

@Suite struct ForecastTests {
  @Test func beatsTheSeasonBefore() throws {
    let run = try ForecastTraining(.airline(), .airline, options: options())
    _ = try run.trainer.run()
    let forecasts = try run.forecasts()
    #expect(forecasts.count == 13 && forecasts.allSatisfy { $0.model.count == 12 })
    let errors = Forecasts.errors(forecasts)
    // The naive errors are facts about the series: NumPy gives the same.
    #expect(abs(errors.seasonal - 53.3663) < 1e-3)
    #expect(abs(errors.last - 99.2262) < 1e-3)
    #expect(errors.model < 0.75 * errors.seasonal, "\(errors.model) of \(errors.seasonal)")

    let picture = try run.plot()
    #expect(picture.hasPrefix("<svg") && picture.contains("naive seasonal"))
    let folder = try TemporaryFolder()
    try run.write(to: folder.path + "/m", notes: [])
    let (manifest, weights) = try ModelDirectory.read(folder.path + "/m")
    #expect(manifest.name == "forecast" && weights.count == run.model.parameters.count)
    #expect(Double(manifest.deviation) == Double(Float(run.scaling.divisors[0])))

    // Read again, it forecasts what the run does, from the values that the run sees there.
    let saved = try SavedForecastModel(folder.path + "/m")
    let start = forecasts[0].start
    let before = try TimeSeries(Array(run.series.values[..<start]), period: 12)
    let ahead = try saved.forecast(before, options: testOptions())
    #expect(ahead.count == 12)
    for (a, b) in zip(ahead, forecasts[0].model) { #expect(abs(a - b) < 1e-3 * abs(b)) }
    #expect(throws: DataError.self) {
      try saved.forecast(TimeSeries([1, 2, 3]), options: testOptions())
    }
    #expect(throws: DataError.self) {
      try saved.forecast(TimeSeries((0..<60).map { Double($0) - 5 }), options: testOptions())
    }
    let file = folder.path + "/m/model.json"
    let text = String(decoding: try FileSystem.read(file, limit: 1 << 20), as: UTF8.self)
    for (old, new) in [
      ("\"hidden\": 32", "\"hidden\": 31"), ("\"lag\": 12", "\"lag\": -1"),
      ("\"logarithms\": true", "\"logarithms\": 1"), ("\"gru\"", "\"lstm\""),
      ("\"out\": 12", "\"out\": 11"), ("\"forecast\"", "\"sentiment\""),
    ] {
      #expect(text.contains(old))
      try FileSystem.write(Array(text.replacing(old, with: new).utf8), to: file)
      #expect(throws: DataError.self, "\(old) → \(new)") {
        try SavedForecastModel(folder.path + "/m")
      }
    }
  }

  @Test(arguments: [(false, 0), (true, 0), (false, 4), (true, 4)])
  func transformsThereAndBack(_ isLogarithmic: Bool, _ lag: Int) throws {
    let values = (0..<30).map { 3 + Double($0 % 4) + Double($0) * 0.25 }
    let series = try TimeSeries(values, period: 4)
    let transform = SeriesTransform(isLogarithmic: isLogarithmic, lag: lag)
    let seen = try transform.apply(series)
    #expect(seen.count == 30 - lag)
    // Nine steps ahead: more than two seasons, so that differences build on forecasts.
    let ahead = transform.invert(Array(seen.values[(20 - lag)..<(29 - lag)]), values, from: 20)
    for (a, b) in zip(ahead, values[20..<29]) { #expect(abs(a - b) < 1e-9) }
  }

  @Test func refusesShortSeries() throws {
    let short = try TimeSeries((0..<30).map(Double.init), period: 12)
    #expect(throws: DataError.self) { try ForecastTraining(short, .airline, options: options()) }
    var recipe = ForecastRecipe.airline
    recipe.heldOut = 6
    #expect(throws: DataError.self) {
      try ForecastTraining(.airline(), recipe, options: options())
    }
    recipe.lag = 500
    #expect(throws: DataError.self) {
      try ForecastTraining(.airline(), recipe, options: options())
    }
    let negative = try TimeSeries((0..<200).map { Double($0) - 9 }, period: 12)
    #expect(throws: DataError.self) {
      try ForecastTraining(negative, .airline, options: options())
    }
  }

  @Test func recipesTakeNumbersByName() throws {
    var recipe = CharacterRecipe()
    try recipe.set("hidden", to: "17")
    try recipe.set("dropout", to: "0.25")
    #expect(recipe.hidden == 17 && recipe.dropout == 0.25)
    let bad = [
      ("hidden", "0"), ("hidden", "x"), ("hidden", ""), ("dropout", "nan"), ("dropout", "1"),
      ("width", "3"),
    ]
    for (name, text) in bad {
      #expect(throws: DataError.self, "\(name)=\(text)") { try recipe.set(name, to: text) }
    }
    // Every name sets a value of its own.
    for (name, field) in CharacterRecipe.fields {
      var changed = CharacterRecipe()
      if case .integer(_, let range) = field {
        try changed.set(name, to: "\(range.upperBound)")
      } else {
        try changed.set(name, to: "0.7")
      }
      #expect(changed != CharacterRecipe(), "\(name)")
    }
  }
}
