// A user's C as a translation unit: the function around it, and nothing of the program.

import MartletIR
import MartletLoops

extension ForeignKernel {
  /// The one function that ``text`` defines.
  package static let entry = "martlet_custom"
  /// What compilers are told that the user's lines come from, so that messages name those.
  package static let fileName = "custom.c"

  /// The translation unit; nil for a function that exists already.
  ///
  ///     void martlet_custom(void *const *p, long begin, long end, void *scratch) {
  ///       const float *const x0 = p[0];
  ///       float *const y0 = p[1];
  ///       …
  ///     #line 1 "custom.c"
  ///       the user's lines
  ///     }
  package var text: String? {
    let user: String
    var preamble = ""
    switch code {
    case .function: return nil
    case .expression(let expression): user = expression
    case .body(let body, let before): (user, preamble) = (body, before)
    }
    let isExpression = if case .expression = code { true } else { false }
    var text = ""
    if !preamble.isEmpty { text += "#line 1 \"preamble.c\"\n\(preamble)\n" }
    text += "#line 1 \"frame.c\"\n"
    text += "void \(ForeignKernel.entry)(void *const *p, long begin, long end, void *scratch) {\n"
    var names: [String] = []
    func declare(_ type: TensorType, _ name: String, at place: Int, isWritten: Bool) {
      let element = CText.type(type.dtype)
      let pointer = isExpression ? "martlet_\(name)" : name
      text += "  \(isWritten ? "" : "const ")\(element) *const \(pointer) = p[\(place)];\n"
      names.append(pointer)
      guard !isExpression else { return }
      text += "  const long \(name)_count = \(type.count);\n"
      text += "  static const long \(name)_shape[] = \(CText.table(type.shape.dimensions));\n"
      names += ["\(name)_count", "\(name)_shape"]
    }
    for (index, type) in operands.enumerated() {
      declare(type, "x\(index)", at: index, isWritten: false)
    }
    for (index, type) in results.enumerated() {
      declare(type, "y\(index)", at: operands.count + index, isWritten: true)
    }
    names += ["begin", "end", "scratch"]
    text += "  " + names.map { "(void)\($0);" }.joined(separator: " ") + "\n"
    if isExpression {
      text += "  for (long i = begin; i < end; ++i) {\n"
      for (index, type) in operands.enumerated() {
        text += "    const \(CText.type(type.dtype)) x\(index) = martlet_x\(index)[i];\n"
      }
      text += "    martlet_y0[i] = (\n"
    }
    // On lines of their own: a comment of the user's must not take the rest of the frame with it.
    // What follows counts on: a mistake at the very end is noticed only there.
    text += "#line 1 \"\(ForeignKernel.fileName)\"\n\(user)\n"
    return text + (isExpression ? "    );\n  }\n}\n" : "}\n")
  }

  /// Its name in a program's text, where it is the `index`-th.
  func symbol(_ index: Int) -> String {
    let name = CText.sanitise(name, for: .identifier)
    return "mtx_\(index)" + (name.isEmpty ? "" : "_" + name)
  }
}
