// A Swift program that links the C library: its own runtime, dynamic or static, beside the library's.
import CMartlet

var model: OpaquePointer?
var session: OpaquePointer?
precondition(martlet_model_load(CommandLine.arguments[1], &model) == MARTLET_OK)
var options = martlet_default_options()
options.batch = 2
precondition(martlet_session_create(model, &options, &session) == MARTLET_OK)
var images = [Float](repeating: 0.5, count: 2 * 784)
var probabilities = [Float](repeating: 0, count: 20)
let status = images.withUnsafeMutableBytes { images in
  probabilities.withUnsafeMutableBytes { probabilities in
    precondition(
      martlet_bind_input(session, "images", images.baseAddress, MARTLET_F32, [2, 28, 28, 1], 4)
        == MARTLET_OK)
    precondition(
      martlet_bind_output(
        session, "probabilities", probabilities.baseAddress, MARTLET_F32, [2, 10], 2) == MARTLET_OK)
    return martlet_run(session)
  }
}
precondition(status == MARTLET_OK)
precondition(probabilities[..<10] == probabilities[10...])
let sum = await Task { [probabilities] in probabilities.reduce(0, +) }.value
precondition(abs(sum - 2) < 1e-5)
precondition(martlet_run(nil) == MARTLET_BAD_HANDLE)
precondition(String(cString: martlet_last_error()) == "the session is NULL")
precondition(martlet_session_free(session) == MARTLET_OK)
precondition(martlet_model_free(model) == MARTLET_OK)
print("a Swift program that links the library: ok")
