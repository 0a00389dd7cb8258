// A process with a Swift runtime of its own loads the library, which has another one inside.
import Glibc

func function<F>(_ library: UnsafeMutableRawPointer, _ name: String, as _: F.Type) -> F {
  guard let address = dlsym(library, name) else { fatalError("no \(name)") }
  return unsafeBitCast(address, to: F.self)
}

let arguments = CommandLine.arguments
guard let library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) else {
  fatalError(String(cString: dlerror()))
}
typealias Load =
  @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) -> Int32
typealias Create =
  @convention(c) (OpaquePointer?, UnsafeRawPointer?, UnsafeMutablePointer<OpaquePointer?>) -> Int32
typealias Free = @convention(c) (OpaquePointer?) -> Int32
typealias Message = @convention(c) () -> UnsafePointer<CChar>

// Both runtimes at work: generics, existentials, casts, tasks, strings.
protocol Shape { var area: Double { get } }
struct Square: Shape { let area: Double }
let shapes: [any Shape] = (1...100).map { Square(area: Double($0)) }

var total = 0.0
for _ in 0..<20 {
  var model: OpaquePointer?
  var session: OpaquePointer?
  let load = function(library, "martlet_model_load", as: Load.self)
  let status = load(arguments[2], &model)
  guard status == 0 else {
    fatalError(String(cString: function(library, "martlet_last_error", as: Message.self)()))
  }
  let made = function(library, "martlet_session_create", as: Create.self)(model, nil, &session)
  precondition(made == 0)
  total += shapes.compactMap { $0 as? Square }.reduce(0) { $0 + $1.area }
  total += await Task { Double("\(shapes.count)") ?? 0 }.value
  precondition(function(library, "martlet_model_free", as: Free.self)(model) == 0)
  precondition(function(library, "martlet_session_free", as: Free.self)(session) == 0)
}
precondition(total == 20 * 5150)
dlclose(library)
print("a Swift process that loads the library: ok")
