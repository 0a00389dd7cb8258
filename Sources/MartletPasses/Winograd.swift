// Winograd's convolution in the place of the direct one, for 3×3 filters at step 1.
//
//     mt_conv2d_f32(cx, {…, 3, 3, 1, 1, …}, x, w, y, …)  →  mt_conv2d_winograd_f32(cx, …)
//
// The calls have the same arguments, so this runs on the schedule. Whether it pays for the image and
// the channels the runtime decides, from the shape alone; where not, its call is the direct one.
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.

import MartletLoops

package struct Winograd {
  package static let name = "winograd"

  /// Renames the calls. A schedule with filter gradients trains: it is left alone unless
  /// `inTraining`, because another rounding changes every loss.
  package static func run(on schedule: inout Schedule, inTraining: Bool) {
    let trains = schedule.steps.contains { step in
      if case .call("mt_conv2d_filter_gradient_f32", _, _, _) = step.work { true } else { false }
    }
    guard inTraining || !trains else { return }
    for index in schedule.steps.indices {
      guard
        case .call("mt_conv2d_f32", let arguments, let epilogue, let takesEpilogue) =
          schedule.steps[index].work,
        case .table(let table)? = arguments.first, suits(table)
      else { continue }
      schedule.steps[index].work = .call(
        symbol: "mt_conv2d_winograd_f32", arguments, epilogue: epilogue,
        takesEpilogue: takesEpilogue)
    }
  }

  /// n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, pt, pl, dh, dw, groups.
  private static func suits(_ table: [Int]) -> Bool {
    table.count == 16 && table[7...10] == [3, 3, 1, 1] && table[13...15] == [1, 1, 1]
  }
}
