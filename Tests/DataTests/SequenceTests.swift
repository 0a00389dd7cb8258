// Texts and series as windows: every index, both ends, and what may not leak between parts.

import MartletData
import MartletExecution
import MartletIR
import MartletTraining
import Testing

@Suite struct SequenceTests {
  @Test func embedsHamlet() throws {
    let hamlet = try TextCorpus.hamlet()
    #expect(hamlet.count == 175_176 && hamlet.vocabulary.count == 66)
    #expect(hamlet.text(hamlet.tokens.suffix(8)) == "shot off")
    #expect(hamlet.text(hamlet.tokens).contains("To be, or not to be: that is the question:"))
    let (training, heldOut) = try hamlet.split(heldOut: 0.1)
    #expect(heldOut.count == 17_518 && training.count + heldOut.count == hamlet.count)
    #expect(training.vocabulary == heldOut.vocabulary)
    #expect(training.tokens + heldOut.tokens == hamlet.tokens)
    for share in [0, 1, -1, .nan, 1e-9] {
      _ = dataError(.outOfRange) { _ = try hamlet.split(heldOut: share) }
    }
  }

  @Test func textsAreEncodedScalarByScalar() throws {
    let corpus = try TextCorpus("ba\r\nbÅ\u{212b}e\u{301}")
    #expect(corpus.text(corpus.tokens).utf8.elementsEqual("ba\r\nbÅ\u{212b}e\u{301}".utf8))
    #expect(corpus.count == 9 && corpus.vocabulary.count == 8)
    #expect(corpus.text([99, -1]) == "\u{fffd}\u{fffd}")
    let error = dataError(.outOfRange) { _ = try corpus.vocabulary.encode("bat") }
    #expect(error?.got == "\"t\" (U+74)")
    _ = dataError(.truncated) { _ = try TextCorpus("") }
    let folder = try TemporaryFolder()
    #expect(try TextCorpus(contentsOf: folder.write(Array("xyx".utf8), "t")).tokens == [0, 1, 0])
    _ = dataError(.wrongFormat) {
      _ = try TextCorpus(contentsOf: folder.write([0x61, 0xff], "t"))
    }
  }

  @Test func windowsCutTheTextUp() throws {
    let corpus = try TextCorpus("abcdefghijk")
    let windows = try corpus.windows(of: 3)
    #expect(windows.count == 3)
    let arrays = try windows.batch([2, 0])
    func text(_ array: NDArray) throws -> String { try corpus.text(array.elements(as: Int32.self)) }
    #expect(try text(arrays[0]) == "ghiabc" && text(arrays[1]) == "hijbcd")
    #expect(try corpus.windows(of: 10).count == 1)
    for length in [11, 0, -1, .max] {
      _ = dataError(.outOfRange) { _ = try corpus.windows(of: length) }
    }
  }

  @Test func randomWindowsReachBothEnds() throws {
    let corpus = try TextCorpus("abcdefghijk")
    let windows = try corpus.windows(of: 3, random: true)
    var starts: Set<Int32> = []
    for epoch in 0..<100 {
      let arrays = try windows.batch([0, 1, 2], seed: 9, epoch: epoch)
      let (inputs, targets) = (
        try arrays[0].elements(as: Int32.self), try arrays[1].elements(as: Int32.self)
      )
      for row in 0..<3 {
        starts.insert(inputs[3 * row])
        #expect(targets[3 * row] == inputs[3 * row + 1])
      }
      #expect(
        try windows.batch([1], seed: 9, epoch: epoch)[0].elements(as: Int32.self)
          == Array(inputs[3..<6]))
    }
    #expect(starts == Set(0...7))
  }

  @Test func streamsGoOnFromBatchToBatch() throws {
    let corpus = try TextCorpus("abcdefghijklmnop")
    let streams = try corpus.streams(2, of: 3)
    #expect(streams.count == 4)
    let (one, two) = (try streams.batch([0, 1])[0], try streams.batch([2, 3])[0])
    #expect(try corpus.text(one.elements(as: Int32.self)) == "abchij")
    #expect(try corpus.text(two.elements(as: Int32.self)) == "defklm")
    _ = dataError(.outOfRange) { _ = try corpus.streams(6, of: 3) }
    _ = dataError(.outOfRange) { _ = try corpus.streams(0, of: 3) }
  }

  @Test func linesAreMarkedAndPadded() throws {
    let lines = try TextLines(["ab", "c", ""])
    #expect(lines.vocabulary.values == ["\n", "a", "b", "c"] && lines.length == 3)
    let arrays = try lines.batch([1, 0, 2])
    #expect(try arrays[0].elements(as: Int32.self) == [0, 3, 0, 0, 1, 2, 0, 0, 0])
    #expect(try arrays[1].elements(as: Int32.self) == [3, 0, 0, 1, 2, 0, 0, 0, 0])
    #expect(try arrays[2].elements(as: Int32.self) == [2, 3, 1])
    _ = dataError(.wrongFormat) { _ = try TextLines([]) }
    _ = dataError(.wrongFormat) { _ = try TextLines(["a\nb"]) }
    let surnames = try TextLines.surnames()
    #expect(surnames.count == 88_799 && surnames.vocabulary.count == 27 && surnames.length == 14)
  }

  @Test func labelledTextsAreWords() throws {
    #expect(
      Words.split("It's 'no' GOOD—don\u{2019}t! Zoë'") == ["it's", "no", "good", "don't", "zoë"])
    let training = ["good good film", "bad film", "a film"]
    let vocabulary = Words.vocabulary(of: training, minimum: 2)
    #expect(vocabulary.values == ["<pad>", "<unknown>", "film", "good"])
    let texts = try LabelledTexts(
      training + ["", "film good good good"], labels: ["+", "-", "+", "-", "+"],
      vocabulary: vocabulary, length: 3)
    let arrays = try texts.batch([0, 1, 3, 4])
    #expect(try arrays[0].elements(as: Int32.self) == [3, 3, 2, 1, 2, 0, 1, 0, 0, 2, 3, 3])
    #expect(try arrays[1].elements(as: Int32.self) == [3, 2, 1, 3])
    #expect(try arrays[2].elements(as: Int32.self) == [0, 1, 1, 0])
    #expect(try texts.classLabels() == [0, 1, 0, 1, 0])
    _ = dataError(.mismatch) {
      _ = try LabelledTexts(["a"], labels: [], vocabulary: vocabulary, length: 3)
    }
    _ = dataError(.outOfRange) {
      _ = try LabelledTexts(
        ["a"], labels: ["x"], classes: Vocabulary(["+"]), vocabulary: vocabulary, length: 3)
    }
  }

  @Test func reviewsAreDividedFilmByFilm() throws {
    _ = dataError(.notFound) { _ = try LabelledTexts.reviews(path: "/no/such.csv") }
    let folder = try TemporaryFolder()
    var text = "category,text,movie_name,has_plot_and_reviews\n"
    for film in 0..<10 {
      text += "fresh,\"Good, good film\nnumber \(film)\",f\(film),True\n"
      text += "rotten,bad film,f\(film),True\nplot,A story.,f\(film),True\n"
    }
    let path = try folder.write(Array(text.utf8), "reviews.csv")
    let (training, heldOut) = try LabelledTexts.reviews(path: path, length: 5)
    #expect(training.count == 16 && heldOut.count == 4)
    #expect(training.vocabulary.values == ["<pad>", "<unknown>", "film", "good", "bad", "number"])
    #expect(try heldOut.classLabels() == [1, 0, 1, 0])
    #expect(try heldOut.batch([0])[0].elements(as: Int32.self) == [3, 3, 2, 5, 1])
  }

  @Test(.enabled(if: FileSystem.exists("downloads/reviews.csv"), "make data fetches the reviews"))
  func readsTheRealReviews() throws {
    let (training, heldOut) = try LabelledTexts.reviews()
    #expect(training.count + heldOut.count == 12_808)
    #expect(abs(Double(heldOut.count) / 12_808 - 0.2) < 0.05)
    #expect(try training.classLabels().count { $0 == 1 } > 5000)
    #expect((4000...20_000).contains(training.vocabulary.count))
  }

  @Test func embedsSeries() throws {
    let airline = try TimeSeries.airline()
    #expect(airline.count == 144 && airline.values.last == 432 && airline.times[0] == "1949-01")
    let sunspots = try TimeSeries.sunspots()
    #expect(sunspots.count == 3126 && sunspots.values[0] == 58.0)
  }

  @Test func seriesGiveWindows() throws {
    let series = try TimeSeries((0..<10).map(Double.init), period: 3)
    let windows = try series.windows(of: 3, horizon: 2)
    #expect(windows.count == 6 && windows.start(of: 5) == 8)
    let arrays = try windows.batch([5, 0])
    #expect(arrays[0].shape == [2, 3, 1] && arrays[1].shape == [2, 2])
    #expect(arrays[0].floats == [5, 6, 7, 0, 1, 2] && arrays[1].floats == [8, 9, 3, 4])
    // Test windows see training steps, but training windows forecast none of the test's.
    let test = try series.windows(of: 3, horizon: 2, targets: 6..<10, stride: 2)
    #expect(test.count == 2)
    #expect(try test.batch([0])[0].floats == [3, 4, 5])
    let train = try series.windows(of: 3, horizon: 2, targets: 0..<6)
    #expect(train.count == 2)
    #expect(try train.batch([1])[1].floats == [4, 5])
    #expect(try series.naiveForecast(from: 8, horizon: 5) == [5, 6, 7, 5, 6])
    for (length, horizon, range, stride) in [
      (0, 1, 0..<10, 1), (3, 0, 0..<10, 1), (9, 2, 0..<10, 1), (3, 2, 0..<4, 1), (3, 1, 0..<11, 1),
      (3, 1, 0..<10, 0), (.max, .max, 0..<10, 1), (1, 1, -1..<10, 1),
    ] {
      _ = dataError(.outOfRange) {
        _ = try series.windows(of: length, horizon: horizon, targets: range, stride: stride)
      }
    }
    let scaling = try series.standardScaling(fitting: 0..<5)
    #expect(scaling.offsets == [2] && abs(scaling.divisors[0] - 1.4142135623730951) < 1e-12)
    #expect(try series.scaled(scaling).values[2] == 0)
    #expect(try series.minMaxScaling(fitting: 2..<7).value(4, column: 0) == 0.5)
    _ = dataError(.outOfRange) { _ = try series.naiveForecast(from: 2, horizon: 1) }
    _ = dataError(.outOfRange) { _ = try series.standardScaling(fitting: 0..<11) }
    _ = dataError(.outOfRange) { _ = try series.logarithms() }
    _ = dataError(.outOfRange) { _ = try TimeSeries([1, .nan]) }
    _ = dataError(.mismatch) { _ = try TimeSeries([]) }
  }
}
