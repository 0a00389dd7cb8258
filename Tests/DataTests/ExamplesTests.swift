// Sets as examples: the same numbers as Batches, parts, joins and scalings.

import MartletData
import MartletExecution
import MartletIR
import MartletTraining
import Testing

@Suite struct ExamplesTests {
  func counting(_ count: Int, offset: Float = 0) throws -> ArrayExamples {
    try ArrayExamples([
      "x": NDArray((0..<(2 * count)).map { Float($0) + offset }, shape: [count, 2]),
      "y": NDArray((0..<Int32(count)).map { $0 % 3 }),
    ])
  }

  @Test(arguments: [nil, Augmentation.digits]) func imagesAreThoseOfBatches(
    _ augmentation: Augmentation?
  ) throws {
    let train = try Dataset.mnist5k().train
    let scaling = train.normalization()
    let examples = try train.examples(scaling: scaling, augmentation: augmentation)
    #expect(examples.count == 4000)
    #expect(examples.fields.map(\.type.description) == ["f32[28,28,1]", "i32[]"])
    let batches = try train.batches(
      of: 32, seed: 5, epoch: 2, scaling: scaling, augmentation: augmentation)
    var arrays = try examples.batch(Array(0..<32))
    for batch in [0, 7] {
      try examples.write(batches.indices(of: batch), seed: 5, epoch: 2, into: &arrays)
      let (images, labels) = try batches.batch(batch)
      #expect(try arrays[0].elements(as: Float.self) == images.elements())
      #expect(try arrays[1].elements(as: Int32.self) == labels.elements())
    }
  }

  @Test func arraysGiveTheirRows() throws {
    let set = try counting(5)
    let batch = try set.batch([4, 0, 4])
    #expect(batch[0].floats == [8, 9, 0, 1, 8, 9])
    #expect(try batch[1].elements(as: Int32.self) == [1, 0, 1])
    #expect(set.fields.map(\.name) == ["x", "y"])
    let one = try NDArray(scalar: Float(1))
    _ = dataError(.outOfRange) { _ = try ArrayExamples([NamedArray]()) }
    _ = dataError(.mismatch) { _ = try ArrayExamples(["x": one]) }
    _ = dataError(.mismatch) {
      _ = try ArrayExamples(["x": NDArray([Float(1)]), "y": NDArray([Float(1), 2])])
    }
  }

  @Test func aBatchMustFit() throws {
    let set = try counting(5)
    for indices in [[5], [-1], [0, .max]] {
      _ = dataError(.outOfRange) { _ = try set.batch(indices) }
    }
    var arrays = try set.batch([0, 1])
    _ = dataError(.mismatch) { try set.write([0], seed: 0, epoch: 0, into: &arrays) }
    arrays.removeLast()
    _ = dataError(.mismatch) { try set.write([0, 1], seed: 0, epoch: 0, into: &arrays) }
    // Memory that somebody else holds stays as it is.
    var mine = try set.batch([0, 1])
    let copy = mine[0]
    try set.write([2, 3], seed: 0, epoch: 0, into: &mine)
    #expect(copy.floats == [0, 1, 2, 3] && mine[0].floats == [4, 5, 6, 7])
  }

  @Test func partsAreDisjointAndAsLargeAsTheirShares() throws {
    let set = try counting(100)
    let parts = try set.split([0.7, 0.2, 0.1], seed: 3)
    #expect(parts.map(\.count) == [70, 20, 10])
    #expect(parts.flatMap(\.indices).sorted() == Array(0..<100))
    #expect(parts[0].indices != Array(0..<70))
    #expect(try set.split([0.7, 0.2, 0.1], seed: 3).map(\.indices) == parts.map(\.indices))
    #expect(try set.split([0.7, 0.2, 0.1], seed: 4)[0].indices != parts[0].indices)
    #expect(try parts[2].batch([9])[0].floats == set.batch([parts[2].indices[9]])[0].floats)
    for bad in [[], [0.5], [0.5, 0.6], [1.5, -0.5], [.nan, 1]] {
      _ = dataError(.outOfRange) { _ = try set.split(bad) }
    }
    _ = dataError(.outOfRange) { _ = try counting(3).split([0.9, 0.1]) }
  }

  @Test func stratifiedPartsKeepTheClasses() throws {
    // 212 malignant, 357 benign.
    let set = try TabularSet.breastCancer()
    let parts = try set.split([0.8, 0.2], seed: 7, stratified: true)
    #expect(parts.map(\.count) == [455, 114])
    let sick = try parts.map { try $0.classLabels().count { $0 == 0 } }
    #expect(sick == [170, 42])
    for fold in try set.folds(5, seed: 1, stratified: true) {
      #expect((113...115).contains(fold.validation.count))
      #expect((42...43).contains(try fold.validation.classLabels().count { $0 == 0 }))
      #expect(
        (fold.training.indices + fold.validation.indices).sorted() == Array(0..<569))
    }
    _ = dataError(.mismatch) { _ = try TabularSet.diabetes().split([0.5, 0.5], stratified: true) }
    _ = dataError(.outOfRange) { _ = try counting(3).folds(4) }
    _ = dataError(.outOfRange) { _ = try counting(3).folds(1) }
  }

  @Test func joinsSets() throws {
    let (a, b) = (try counting(3), try counting(2, offset: 100))
    let both = try JoinedExamples([a, b])
    #expect(both.count == 5)
    let batch = try both.batch([4, 0, 3, 2])
    #expect(batch[0].floats == [102, 103, 0, 1, 100, 101, 4, 5])
    #expect(try batch[1].elements(as: Int32.self) == [1, 0, 0, 2])
    _ = dataError(.outOfRange) { _ = try JoinedExamples([]) }
    _ = dataError(.mismatch) { _ = try JoinedExamples([a, TabularSet.iris()]) }
    // Index 0 of either set is turned by an angle of its own.
    let images = try Dataset.mnist5k().test.examples(augmentation: .digits)
    let twice = try JoinedExamples([images, images])
    let same = try twice.batch([0, 1000], seed: 1)[0].floats
    #expect(Array(same[..<784]) != Array(same[784...]))
  }

  @Test func scalesByColumn() throws {
    // Means and deviations by Python's statistics module, of the same files.
    let iris = try TabularSet.iris()
    let standard = try Scaling.standard(fitting: iris)
    #expect(abs(standard.offsets[0] - 5.843333333333334) < 1e-6)
    #expect(abs(standard.divisors[0] - 0.8253012917851409) < 1e-6)
    #expect(abs(standard.offsets[2] - 3.7580000000000005) < 1e-6)
    #expect(abs(standard.divisors[2] - 1.759404065775303) < 1e-6)
    let scaled = try iris.scaled(standard)
    let again = try Scaling.standard(fitting: scaled)
    for column in 0..<4 {
      #expect(abs(again.offsets[column]) < 1e-6 && abs(again.divisors[column] - 1) < 1e-6)
    }
    let minMax = try Scaling.minMax(fitting: iris, to: -1...1)
    #expect(abs(minMax.value(4.3, column: 0) + 1) < 1e-6)
    #expect(abs(minMax.value(7.9, column: 0) - 1) < 1e-6)
    #expect(abs(minMax.inverse(0, column: 0) - 6.1) < 1e-6)
    // Fitted on a part, applied to all: nothing of the rest is in it.
    let part = try Subset(iris, Array(0..<50))
    #expect(try Scaling.minMax(fitting: part) != Scaling.minMax(fitting: iris))
    // A column of one value is shifted only.
    let flat = try ArrayExamples(["x": NDArray([[Float(3), 1], [3, 2]])])
    #expect(try flat.scaled(.standard(fitting: flat)).batch([0, 1])[0].floats == [0, -1, 0, 1])
    #expect(try flat.scaled(.minMax(fitting: flat)).batch([0, 1])[0].floats == [0, 0, 0, 1])
    // Channels of images.
    let digits = try Dataset.digits().train.examples()
    let channel = try Scaling.standard(fitting: digits)
    let pixels = try Dataset.digits().train.normalization()
    #expect(channel.columns == 1)
    #expect(abs(channel.offsets[0] - Double(pixels.mean)) < 1e-6)
    #expect(abs(channel.divisors[0] - Double(pixels.deviation)) < 1e-6)
  }

  @Test func refusesImpossibleScalings() throws {
    let iris = try TabularSet.iris()
    _ = dataError(.mismatch) { _ = try Scaling.standard(fitting: iris, field: "labels") }
    _ = dataError(.notFound) { _ = try Scaling.standard(fitting: iris, field: "pixels") }
    _ = dataError(.outOfRange) { _ = try Scaling.minMax(fitting: iris, to: 1...1) }
    _ = dataError(.outOfRange) { _ = try Scaling(offsets: [0], divisors: [0]) }
    _ = dataError(.outOfRange) { _ = try Scaling(offsets: [.nan], divisors: [1]) }
    _ = dataError(.outOfRange) { _ = try Scaling(offsets: [], divisors: []) }
    _ = dataError(.mismatch) {
      _ = try iris.scaled(Scaling(offsets: [0, 0], divisors: [1, 1]))
    }
    let bad = try ArrayExamples(["x": NDArray([Float.nan])])
    _ = dataError(.outOfRange) { _ = try Scaling.standard(fitting: bad) }
    let none = try ArrayExamples(["x": NDArray(zeros: [0, 3])])
    _ = dataError(.outOfRange) { _ = try Scaling.standard(fitting: none) }
  }
}
