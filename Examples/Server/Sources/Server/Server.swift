// Serves a classifier that `martlet train` saved:
//
//   Server MODELDIR [PORT]
//   curl --data-binary @digit.raw http://127.0.0.1:8080/predict
//   {"class":"7","probabilities":[…]}
import Hummingbird
import Martlet

struct Prediction: ResponseEncodable {
  let `class`: String
  let probabilities: [Float]
}

struct UsageError: Error, CustomStringConvertible {
  let description = "usage: Server MODELDIR [PORT]"
}

@main struct Server {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 2 else { throw UsageError() }
    let port = arguments.count > 2 ? Int(arguments[2]) ?? 8080 : 8080
    let predictors = try Predictors(
      directory: arguments[1], count: CompileOptions.availableThreads)
    let size = predictors.shape.reduce(1, *)

    let router = Router()
    router.get("/health") { _, _ in "ok" }
    router.post("/predict") { request, _ -> Prediction in
      let body = try await request.body.collect(upTo: size + 1)
      guard body.readableBytes == size else {
        throw HTTPError(
          .badRequest, message: "expected \(size) bytes, an image of \(predictors.shape)")
      }
      let p = try await predictors.predict(Array(body.readableBytesView))
      let best = p.indices.max { p[$0] < p[$1] } ?? 0
      return Prediction(class: predictors.classes[best], probabilities: p)
    }
    let app = Application(
      router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
    try await app.runService()
  }
}
