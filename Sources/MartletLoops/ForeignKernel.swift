// A kernel that is not emitted: C text of the user's, or a function that the process has already.

import MartletIR

/// What a step calls in place of an emitted kernel, over the same ABI.
///
/// Text is compiled as a translation unit of its own and bound by address: its names, macros and
/// mistakes stay inside it. Equal kernels are equal machine code; the text is part of the identity,
/// so two of one name and other text are never taken for each other.
package struct ForeignKernel: Hashable, Sendable {
  package enum Code: Hashable, Sendable {
    /// The value of `y0[i]` in terms of `x0`, `x1`, ….
    case expression(String)
    /// The statements of the function, and what stands before it.
    case body(String, preamble: String)
    /// A function of the kernel ABI that lives as long as the process.
    case function(address: UInt)
  }
  /// As the user spells it.
  package var name: String
  package var code: Code
  package var operands: [TensorType]
  package var results: [TensorType]

  package init(name: String, code: Code, operands: [TensorType], results: [TensorType]) {
    self.name = name
    self.code = code
    self.operands = operands
    self.results = results
  }
}
