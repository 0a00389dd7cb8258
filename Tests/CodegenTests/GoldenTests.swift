import MartletCodegen
import MartletIR
import MartletLoops
import Testing

@Suite struct GoldenTests {
  private func check(_ program: TileProgram, _ name: String, aliasing: Aliasing = .none) throws {
    let kernel = Schedule.Kernel(name: name, comment: [name], program: program)
    for form in EmissionForm.allCases {
      let emitted = try emitKernel(kernel, name: "k00_\(name)", form: form, aliasing: aliasing)
      golden(emitted.text, "\(name).\(form.rawValue).c")
    }
  }

  @Test func chain() throws { try check(Samples.chain, "chain") }
  @Test func chainInPlace() throws {
    try check(Samples.chain, "chain_in_place", aliasing: Aliasing(pairs: [.init(0, 3)]))
  }
  @Test func biasReLU() throws { try check(Samples.biasReLU, "bias_relu") }
  @Test func softmax() throws { try check(Samples.softmax(cols: 10), "softmax") }
  @Test func softmaxLongRows() throws { try check(Samples.softmax(cols: 1000), "softmax_long") }
  @Test func biasGradient() throws { try check(Samples.biasGradient, "bias_gradient") }
  @Test func views() throws { try check(Samples.views, "views") }
}
