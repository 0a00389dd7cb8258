// Errors as status codes, with the text for martlet_last_error.

import CMartlet
import MartletExecution
import MartletIR
import MartletRecipeModels

/// A call of the C library that failed.
package struct Failure: Error {
  package enum Code: Sendable {
    case badHandle, badArgument, unsupported, unknownName, wrongDType, wrongShape, notBound
    case outOfRange, busy, badFile, outOfMemory
  }

  let status: martlet_status
  let text: String

  package init(_ code: Code, _ message: String, hint: String = "") {
    status =
      switch code {
      case .badHandle: MARTLET_BAD_HANDLE
      case .badArgument: MARTLET_BAD_ARGUMENT
      case .unsupported: MARTLET_UNSUPPORTED
      case .unknownName: MARTLET_UNKNOWN_NAME
      case .wrongDType: MARTLET_WRONG_DTYPE
      case .wrongShape: MARTLET_WRONG_SHAPE
      case .notBound: MARTLET_NOT_BOUND
      case .outOfRange: MARTLET_OUT_OF_RANGE
      case .busy: MARTLET_BUSY
      case .badFile: MARTLET_BAD_FILE
      case .outOfMemory: MARTLET_OUT_OF_MEMORY
      }
    text = hint.isEmpty ? message : "\(message)\n  hint: \(hint)"
  }

  /// Whatever a floor below threw.
  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as RunError: (status, text) = (Failure.status(of: error.code), "\(error)")
    case let error as CompileError: (status, text) = (Failure.status(of: error.code), "\(error)")
    case let error as DataError: (status, text) = (Failure.status(of: error.code), "\(error)")
    case let error as RecipeError: (status, text) = (MARTLET_BAD_FILE, "\(error)")
    default: (status, text) = (MARTLET_COMPILE_FAILED, "\(error)")
    }
  }

  private static func status(of code: RunError.Code) -> martlet_status {
    switch code {
    case .input, .mismatch: MARTLET_BAD_ARGUMENT
    case .range: MARTLET_OUT_OF_RANGE
    case .busy: MARTLET_BUSY
    case .outOfMemory: MARTLET_OUT_OF_MEMORY
    case .file: MARTLET_BAD_FILE
    case .nonFinite, .check: MARTLET_NOT_FINITE
    default: MARTLET_INTERNAL
    }
  }

  private static func status(of code: CompileError.Code) -> martlet_status {
    switch code {
    case .option: MARTLET_BAD_ARGUMENT
    case .syntax: MARTLET_BAD_FILE
    case .outOfMemory: MARTLET_OUT_OF_MEMORY
    case .internal: MARTLET_INTERNAL
    default: MARTLET_COMPILE_FAILED
    }
  }

  private static func status(of code: DataError.Code) -> martlet_status {
    switch code {
    case .notFound: MARTLET_NOT_FOUND
    case .notWritable: MARTLET_CANNOT_WRITE
    case .inUse: MARTLET_BUSY
    case .unsupported: MARTLET_UNSUPPORTED
    default: MARTLET_BAD_FILE
    }
  }

  /// Leaves the text to martlet_last_error.
  func report() -> martlet_status {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { mtc_set_message($0.baseAddress, $0.count) }
    }
    return status
  }
}

/// Runs the body of a call: its error becomes the status.
func call(_ body: () throws -> Void) -> martlet_status {
  do {
    try body()
    return MARTLET_OK
  } catch {
    return Failure(error).report()
  }
}

/// The same for a call that computes outside of a step: in the usual floating-point state.
func callComputing(_ body: () throws -> Void) -> martlet_status {
  let state = mtc_usual_floating_point()
  defer { mtc_restore_floating_point(state) }
  return call(body)
}

/// Calls `body` with the object behind a handle, which lives until the call is over.
func with<Object: AnyObject, R>(
  _ handle: OpaquePointer?, _ kind: mtc_kind, _: Object.Type, _ body: (Object) throws -> R
) throws -> R {
  guard let object = mtc_enter(UnsafeRawPointer(handle), kind) else {
    let what = kind == MTC_MODEL ? "model" : "session"
    throw Failure(
      .badHandle, handle == nil ? "the \(what) is NULL" : "no open \(what) has this handle",
      hint: handle == nil ? "" : "was it freed, or is it a handle of another kind?")
  }
  defer { mtc_leave(UnsafeRawPointer(handle)) }
  return try body(Unmanaged<Object>.fromOpaque(object).takeUnretainedValue())
}

/// A handle for an object, which it keeps.
func open(_ object: AnyObject, _ kind: mtc_kind) throws -> OpaquePointer {
  let kept = Unmanaged.passRetained(object)
  let handle = mtc_open(kept.toOpaque(), kind) { pointer in
    if let pointer { Unmanaged<AnyObject>.fromOpaque(pointer).release() }
  }
  guard let handle else {
    kept.release()
    throw RunError(.outOfMemory, "no memory for another handle")
  }
  return OpaquePointer(handle)
}
