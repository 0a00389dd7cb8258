// The functions of martlet.h, which documents them.

import CMartlet
import MartletExecution
import MartletIR
import MartletNN

/// A model behind a handle.
final class ModelObject: Sendable {
  let model: any LoadedModel
  init(_ model: any LoadedModel) { self.model = model }
}

// MARK: - Models

/// `martlet_model_load`: see martlet.h.
@_cdecl("martlet_model_load")
public func modelLoad(
  _ path: UnsafePointer<CChar>?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> martlet_status {
  callComputing {
    let model = try given(model, "model")
    model.pointee = nil
    let path = String(cString: try given(path, "path"))
    mtc_register_formats()
    model.pointee = try open(ModelObject(try ModelFormats.load(path)), MTC_MODEL)
  }
}

/// `martlet_model_save`: see martlet.h.
@_cdecl("martlet_model_save")
public func modelSave(_ model: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> martlet_status {
  callComputing {
    try with(model, MTC_MODEL, ModelObject.self) {
      try $0.model.save(to: String(cString: try given(path, "path")))
    }
  }
}

/// `martlet_model_free`: see martlet.h.
@_cdecl("martlet_model_free")
public func modelFree(_ model: OpaquePointer?) -> martlet_status { close(model, MTC_MODEL) }

/// `martlet_model_class_count`: see martlet.h.
@_cdecl("martlet_model_class_count")
public func modelClassCount(
  _ model: OpaquePointer?, _ count: UnsafeMutablePointer<Int>?
) -> martlet_status {
  call {
    try with(model, MTC_MODEL, ModelObject.self) {
      try given(count, "count").pointee = $0.model.classes.count
    }
  }
}

/// `martlet_model_class`: see martlet.h.
@_cdecl("martlet_model_class")
public func modelClass(
  _ model: OpaquePointer?, _ index: Int, _ name: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> martlet_status {
  call {
    try with(model, MTC_MODEL, ModelObject.self) {
      let classes = $0.model.classes
      let name = try given(name, "name")
      // A size_t beyond half of memory comes here as a negative number.
      guard capacity > 0 else { throw Failure(.badArgument, "no room for the name") }
      guard classes.indices.contains(index) else {
        throw Failure(.outOfRange, "class \(UInt(bitPattern: index)) of \(classes.count)")
      }
      var bytes = Array(classes[index].utf8.prefix(capacity - 1))
      // Whole characters.
      while !bytes.isEmpty, bytes.count < classes[index].utf8.count,
        String(validating: bytes, as: UTF8.self) == nil
      {
        bytes.removeLast()
      }
      for (place, byte) in bytes.enumerated() { name[place] = CChar(bitPattern: byte) }
      name[bytes.count] = 0
    }
  }
}

/// `martlet_reads`: see martlet.h.
@_cdecl("martlet_reads")
public func reads(_ ending: UnsafePointer<CChar>?) -> Int32 {
  guard let ending else { return 0 }
  mtc_register_formats()
  return ModelFormats.reads(String(cString: ending)) ? 1 : 0
}

// MARK: - Sessions

/// `martlet_session_create`: see martlet.h.
@_cdecl("martlet_session_create")
public func sessionCreate(
  _ model: OpaquePointer?, _ options: UnsafePointer<martlet_options>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> martlet_status {
  create(model, options, session) { try SessionObject($0.inference($1)) }
}

/// `martlet_training_create`: see martlet.h.
@_cdecl("martlet_training_create")
public func trainingCreate(
  _ model: OpaquePointer?, _ options: UnsafePointer<martlet_options>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> martlet_status {
  create(model, options, session) { try SessionObject($0.training($1)) }
}

/// `martlet_session_free`: see martlet.h.
@_cdecl("martlet_session_free")
public func sessionFree(_ session: OpaquePointer?) -> martlet_status { close(session, MTC_SESSION) }

/// `martlet_session_counts`: see martlet.h.
@_cdecl("martlet_session_counts")
public func sessionCounts(
  _ session: OpaquePointer?, _ inputs: UnsafeMutablePointer<Int>?,
  _ outputs: UnsafeMutablePointer<Int>?
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) {
      inputs?.pointee = $0.inputs.count
      outputs?.pointee = $0.outputs.count
    }
  }
}

/// `martlet_session_input`: see martlet.h.
@_cdecl("martlet_session_input")
public func sessionInput(
  _ session: OpaquePointer?, _ index: Int, _ input: UnsafeMutablePointer<martlet_tensor>?
) -> martlet_status {
  describe(session, index, input, "input") { $0.inputs }
}

/// `martlet_session_output`: see martlet.h.
@_cdecl("martlet_session_output")
public func sessionOutput(
  _ session: OpaquePointer?, _ index: Int, _ output: UnsafeMutablePointer<martlet_tensor>?
) -> martlet_status {
  describe(session, index, output, "output") { $0.outputs }
}

/// `martlet_bind_input`: see martlet.h.
@_cdecl("martlet_bind_input")
public func bindInput(
  _ session: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ data: UnsafeRawPointer?,
  _ dtype: martlet_dtype, _ shape: UnsafePointer<Int64>?, _ rank: Int32
) -> martlet_status {
  // Only read: tables of addresses have one type.
  bind(session, name, UnsafeMutableRawPointer(mutating: data), dtype, shape, rank) {
    try $0.bindInput($1, $2)
  }
}

/// `martlet_bind_output`: see martlet.h.
@_cdecl("martlet_bind_output")
public func bindOutput(
  _ session: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ data: UnsafeMutableRawPointer?,
  _ dtype: martlet_dtype, _ shape: UnsafePointer<Int64>?, _ rank: Int32
) -> martlet_status {
  bind(session, name, data, dtype, shape, rank) { try $0.bindOutput($1, $2) }
}

/// `martlet_output`: see martlet.h.
@_cdecl("martlet_output")
public func output(
  _ session: OpaquePointer?, _ name: UnsafePointer<CChar>?,
  _ data: UnsafeMutablePointer<UnsafeRawPointer?>?
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let data = try given(data, "data")
      let name = String(cString: try given(name, "name"))
      data.pointee = try object.use { try object.output(name) }
    }
  }
}

/// `martlet_run`: see martlet.h.
@_cdecl("martlet_run")
public func run(_ session: OpaquePointer?) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      try object.use { try object.run() }
    }
  }
}

/// `martlet_train_step`: see martlet.h.
@_cdecl("martlet_train_step")
public func trainStep(
  _ session: OpaquePointer?, _ learningRate: Double, _ loss: UnsafeMutablePointer<Double>?
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let value = try object.use { try object.train(learningRate) }
      loss?.pointee = value
    }
  }
}

// MARK: - Training that goes on

/// `martlet_training_save`: see martlet.h.
@_cdecl("martlet_training_save")
public func trainingSave(
  _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> martlet_status {
  callComputing {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let path = String(cString: try given(path, "path"))
      try object.use { try object.training().saveState(to: path) }
    }
  }
}

/// `martlet_training_load`: see martlet.h.
@_cdecl("martlet_training_load")
public func trainingLoad(
  _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> martlet_status {
  callComputing {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let path = String(cString: try given(path, "path"))
      try object.use { try object.training().loadState(from: path) }
    }
  }
}

/// `martlet_training_steps`: see martlet.h.
@_cdecl("martlet_training_steps")
public func trainingSteps(
  _ session: OpaquePointer?, _ steps: UnsafeMutablePointer<UInt64>?
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let steps = try given(steps, "steps")
      steps.pointee = try object.use { UInt64(try object.training().session.step) }
    }
  }
}

// MARK: - What they share

private func given<T>(_ pointer: T?, _ name: String) throws -> T {
  guard let pointer else { throw Failure(.badArgument, "'\(name)' is NULL") }
  return pointer
}

private func close(_ handle: OpaquePointer?, _ kind: mtc_kind) -> martlet_status {
  call {
    guard mtc_close(UnsafeRawPointer(handle), kind) != 0 else {
      let what = kind == MTC_MODEL ? "model" : "session"
      throw Failure(
        .badHandle, handle == nil ? "the \(what) is NULL" : "no open \(what) has this handle",
        hint: handle == nil ? "" : "was it freed before?")
    }
  }
}

private func create(
  _ model: OpaquePointer?, _ options: UnsafePointer<martlet_options>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?,
  _ make: (any LoadedModel, SessionOptions) throws -> SessionObject
) -> martlet_status {
  callComputing {
    let session = try given(session, "session")
    session.pointee = nil
    try with(model, MTC_MODEL, ModelObject.self) {
      session.pointee = try open(try make($0.model, try SessionOptions(options)), MTC_SESSION)
    }
  }
}

private func describe(
  _ session: OpaquePointer?, _ index: Int, _ port: UnsafeMutablePointer<martlet_tensor>?,
  _ kind: String, _ ports: (SessionObject) -> [SessionObject.Port]
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) {
      let all = ports($0)
      let port = try given(port, kind)
      guard all.indices.contains(index) else {
        throw Failure(.outOfRange, "\(kind) \(UInt(bitPattern: index)) of \(all.count)")
      }
      port.pointee = all[index].described
    }
  }
}

private func bind(
  _ session: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ data: UnsafeMutableRawPointer?,
  _ dtype: martlet_dtype, _ shape: UnsafePointer<Int64>?, _ rank: Int32,
  _ body: (SessionObject, String, GivenArray) throws -> Void
) -> martlet_status {
  call {
    try with(session, MTC_SESSION, SessionObject.self) { object in
      let name = String(cString: try given(name, "name"))
      let array = GivenArray(
        pointer: try given(data, "data"), dtype: dtype, shape: shape, rank: rank)
      try object.use { try body(object, name, array) }
    }
  }
}

extension SessionOptions {
  /// From the caller's struct, which may be of an older header and so shorter than ours.
  init(_ options: UnsafePointer<martlet_options>?) throws {
    self.init(compile: try CompileOptions())
    guard let options else { return }
    // Nothing behind the caller's end is touched.
    let size = UnsafeRawPointer(options).load(as: Int.self)
    // Fields end at multiples of 8: no pointer is cut in half.
    guard (MemoryLayout<Int>.size...4096).contains(size), size % 8 == 0 else {
      throw Failure(
        .badArgument, "martlet_options has a size of \(UInt(bitPattern: size))",
        hint: "begin with martlet_default_options()")
    }
    var own = martlet_default_options()
    withUnsafeMutableBytes(of: &own) { bytes in
      bytes.copyMemory(
        from: UnsafeRawBufferPointer(start: options, count: min(size, bytes.count)))
    }
    guard (0...256).contains(own.threads) else {
      throw Failure(.outOfRange, "threads: \(own.threads)", hint: "1 to 256, or 0 for all")
    }
    guard (1...(1 << 24)).contains(own.batch) else {
      throw Failure(.outOfRange, "batch: \(own.batch)", hint: "1 to \(1 << 24)")
    }
    guard (0...256).contains(own.dimension_count),
      own.dimension_count == 0 || own.dimensions != nil
    else { throw Failure(.badArgument, "dimension_count without dimensions") }
    if own.threads > 0 { compile.threads = Int(own.threads) }
    compile.seed = own.seed
    batch = Int(own.batch)
    takesPixels = own.pixels != 0
    isLive = own.live != 0
    if let name = own.optimizer { optimizer = String(cString: name) }
    for index in 0..<own.dimension_count {
      let dimension = own.dimensions[index]
      let name = String(cString: try given(dimension.name, "dimensions[\(index)].name"))
      guard (0...(1 << 40)).contains(dimension.extent) else {
        throw Failure(.outOfRange, "dimension '\(name)': \(dimension.extent)")
      }
      dimensions[name] = Int(dimension.extent)
    }
  }
}
