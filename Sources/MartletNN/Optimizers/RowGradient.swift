// Gradients of tables of which a step reads some rows: only these are updated.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses

/// The gradient of a table by the rows that a step has read.
///
/// Row numbers are sorted, and a row that was read several times stands there as often; what its
/// lookups got is added up in the order of the lookups, as the dense gradient would.
struct RowGradient {
  /// The rows, ascending; i32 [n].
  let rows: Tensor
  /// For each of them the place of its sum; i32 [n].
  let places: Tensor
  /// The sums, one for each different row, zeros behind them: [n, …].
  let sums: Tensor

  /// From the lookups of a table and the cotangents of what they gave.
  init(_ lookups: [TableLookup], _ cotangents: [Tensor]) {
    let row = Shape(Array(lookups[0].cell.type.shape.dimensions.dropFirst()))
    func flat(_ x: Tensor, _ trailing: [Int]) -> Tensor {
      x.reshaped(Shape([x.count / max(1, Shape(trailing).count)] + trailing))
    }
    let indices = concatenated(
      lookups.map { flat($0.indices, []).converted(to: .int32) })
    let updates = concatenated(cotangents.map { flat($0, row.dimensions) })
    let count = indices.count
    let order = indices.argsort(axis: 0)
    rows = gather(indices, order)
    // A row begins where it differs from the one before; the beginnings so far number the rows.
    let first = rows.trace.constant(0, .int32).broadcasted(to: [1])
    if count > 1 {
      let before = rows.sliced(0..<(count - 1), axis: 0)
      let begins = (rows.sliced(1..<count, axis: 0) .!= before).converted(to: .int32)
      places = concatenated([first, begins]).cumulativeSum(axis: 0)
    } else {
      places = first
    }
    sums = scatterAdd(zerosLike(updates), places, gather(updates, order))
  }

  /// What each of the rows gets, the same for equal rows.
  func gradient(_ sums: Tensor) -> Tensor { gather(sums, places) }

  /// The rows of an array of the table's type.
  func taken(from array: Tensor) -> Tensor { gather(array, rows) }

  /// The array with these rows in the place of its own. Equal rows are equal: which stays does not
  /// matter.
  func replaced(in array: Tensor, by updates: Tensor) -> Tensor {
    scatterSet(array, rows, updates)
  }
}

private func concatenated(_ parts: [Tensor]) -> Tensor {
  parts.count == 1 ? parts[0] : concatenate(parts, axis: 0)
}

extension Trace {
  /// The lookups of a table, if the trace reads it in no other way.
  func lookupsAlone(of parameter: Parameter) -> [TableLookup]? {
    let variable = parameter.variable
    let own = lookups.filter { $0.cell === variable }
    let whole = parameter.tensor(in: self)
    guard !own.isEmpty, own.contains(where: { $0.indices.count > 0 }),
      let value = whole.value, own.allSatisfy({ $0.rows.value != nil })
    else { return nil }
    let users = graph.users()[value.id]
    let readers = Set(
      own.compactMap { $0.rows.value.flatMap { graph.values[$0.id].node } })
    return Set(users) == readers ? own : nil
  }
}
