// The order of the passes, and their names. One line a pass.

import MartletOps

package enum Pipeline {
  /// From the traced graph to the one that fusion sees.
  package static let optimization: [any Pass] = [
    DeadCodeElimination(),
    LoopSimplification(),
    Canonicalize(),
    Stabilize(),
    ConstantFolding(),
    Simplify(),
    CommonSubexpressionElimination(),
    LoopSimplification(),
    Canonicalize(),
    ConstantFolding(),
    Simplify(),
    CommonSubexpressionElimination(),
    LoopSimplification(),
    DeadCodeElimination(),
  ]

  /// Every name that `MARTLET_DISABLE` and `--disable` accept.
  package static var passNames: [String] {
    var names: [String] = []
    for pass in optimization where !names.contains(type(of: pass).name) {
      names.append(type(of: pass).name)
    }
    return names + ["fuse", "winograd", "schedule", "plan"]
  }
}
