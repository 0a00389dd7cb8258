import MartletIR
import MartletLoops

/// The error function of each element, `y = 2/√π · ∫₀ˣ e^{−t²} dt`.
///
/// Gradient: `dx = dy · 2/√π · e^{−x²}`. Domain: all reals.
package struct Erf: UnaryElementwise {
  package init() {}
  package static let name = "erf"
  package static let function = UnaryFunction.erf
  package static let samples = OpSample.unary(Erf(), -3...3)
  package func scalar(_ x: Double) -> Double { LibM.erf(x) }
  package var gradient: Gradient {
    .rule { v in [v.dy * (exp(-(v.x * v.x)) * 1.1283791670955126)] }
  }
}

/// The error function of each element, `2/√π · ∫₀ˣ e^{−t²} dt`.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy · 2/√π · e^{−x²}`.
public func erf(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Erf(), x, at: here(x, file, line))
}
