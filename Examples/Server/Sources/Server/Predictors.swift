// One program, several sessions: requests are answered at the same time without copying the model.
import Martlet
import Synchronization

/// A session for one request at a time. While it runs, none of Swift's cooperative threads waits.
actor Predictor {
  private let session: Session

  init(_ program: Program) throws { session = try Session(program, threads: 1) }

  /// The probabilities of the classes.
  func predict(_ image: NDArray) async throws -> [Float] {
    try await session.run([image])[1].elements(as: Float.self)
  }
}

/// Hands requests to sessions in turn.
final class Predictors: Sendable {
  let classes: [String]
  let shape: [Int]
  private let all: [Predictor]
  private let next = Atomic(0)

  /// Compiles the model once: it takes bytes, 0 … 255.
  init(directory: String, count: Int) throws {
    let classifier = try Classifier(directory: directory)
    let program = try classifier.prediction(pixels: true).program
    classes = classifier.classes
    shape = classifier.inputShape
    all = try (0..<count).map { _ in try Predictor(program) }
  }

  func predict(_ pixels: [UInt8]) async throws -> [Float] {
    let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
    let image = try NDArray(pixels, shape: Shape([1] + shape))
    return try await all[Int(UInt(bitPattern: turn) % UInt(all.count))].predict(image)
  }
}
