// A row of docs/features.md that no registry knows: what there is, what it is called, what proves it.

/// One thing that Martlet does.
struct Feature {
  let what: String
  /// Declared names, or commands of the tool.
  let symbols: [String]
  /// `File/test`: the function `test` in a Swift file `File.swift` below Tests; or the path of a
  /// script and a text in it, `Tests/cli/run.sh: text`.
  let proofs: [String]

  init(_ what: String, _ symbols: String..., by proofs: String...) {
    self.what = what
    self.symbols = symbols
    self.proofs = proofs
  }
}

struct Section {
  let title: String
  let features: [Feature]
}
