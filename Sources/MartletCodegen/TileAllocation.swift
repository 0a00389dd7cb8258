// Memory of tiles: which values are computed in their output buffer, and slots of scratch for the rest.

import MartletIR
import MartletLoops

/// Tile code with a place for every tile.
struct AllocatedTileCode {
  var calls: [Call]
  var tiles: [Tile]
  var scratchBytes: Int
  /// Inputs whose next tile one of the calls asks for.
  var ahead: [Int] = []
}

/// Decides where tiles lie.
///
/// A stored value is computed straight into its output when no buffer that may share the output's
/// memory is read later in the block; else it is computed in scratch and copied at the block's end.
/// Scratch is a linear scan: a result takes the slot of an operand that dies with the call when both
/// have equal sizes (primitives take equal or disjoint buffers only), or the first gap.
struct TileAllocation {
  private var lowering: TileLowering

  init(_ lowering: TileLowering) { self.lowering = lowering }

  mutating func run() -> AllocatedTileCode {
    placeStores()
    // A stable sort: regions in order of execution, calls in order of creation.
    var calls: [Call] = []
    for region in [Region.entry, .row, .body, .rowEnd, .exit] {
      calls += lowering.calls.filter { $0.region == region }
    }
    let scratchBytes = scan(calls)
    stream(&calls)
    let ahead = fetchAhead(&calls)
    return AllocatedTileCode(
      calls: calls, tiles: lowering.tiles, scratchBytes: scratchBytes, ahead: ahead)
  }

  // MARK: - Memory beyond the caches

  /// Calls whose result goes straight to a large output, and is not read again, store past the
  /// caches. An output in place of an input is in the cache already.
  private func stream(_ calls: inout [Call]) {
    for (position, call) in calls.enumerated() where call.region == .body {
      guard case .tile(let tile) = call.result, let output = lowering.tiles[tile].output,
        lowering.program.buffers[output].isStreamed, lowering.tiles[tile].extent == .block,
        let streamed = streamedPrimitive(call.callee)
      else { continue }
      let isShared = lowering.program.buffers.indices.contains {
        $0 != output && lowering.program.mayAlias($0, output, lowering.aliasing)
      }
      let isRead = calls.indices.contains { other in
        other != position
          && calls[other].arguments.contains {
            switch $0 {
            case .tile(let used), .element(let used): used == tile
            default: false
            }
          }
      }
      if !isShared && !isRead { calls[position].callee = streamed }
    }
  }

  /// The call that takes longest asks for the next tile of every input meanwhile.
  private func fetchAhead(_ calls: inout [Call]) -> [Int] {
    guard lowering.program.fetchesAhead, lowering.layout.blockElements >= 256 else { return [] }
    var inputs: [Int] = []
    var slowest: (position: Int, rank: Int)?
    for (position, call) in calls.enumerated() where call.region == .body {
      for argument in call.arguments {
        guard case .buffer(let buffer, .flat) = argument,
          lowering.program.buffers[buffer].dtype == .float32, !inputs.contains(buffer),
          lowering.program.buffers[buffer].role != .output
        else { continue }
        inputs.append(buffer)
      }
      if let rank = slowPrimitives.firstIndex(of: call.callee), rank < slowest?.rank ?? .max {
        slowest = (position, rank)
      }
    }
    guard let slowest, !inputs.isEmpty else { return [] }
    let name = calls[slowest.position].callee
    calls[slowest.position].callee = "mt_ahead_" + name.dropFirst(3)
    calls[slowest.position].arguments += [.text("ahead"), .text("\(inputs.count)")]
    return inputs
  }

  // MARK: - Stores

  private mutating func placeStores() {
    let program = lowering.program
    let stores = lowering.pendingStores
    var definition: [Int: Int] = [:]
    // Row calls of `pieces` run before the body, whatever the order of creation.
    let order = lowering.calls.indices.map { index in
      (lowering.calls[index].region.rawValue, index)
    }
    for (index, call) in lowering.calls.enumerated() {
      if case .tile(let tile) = call.result { definition[tile] = index }
    }
    var direct = [Bool](repeating: false, count: stores.count)
    for (number, store) in stores.enumerated() {
      guard store.level == .full || store.level == .row else { continue }
      let sharing = program.buffers.indices.filter {
        program.mayAlias($0, store.buffer, lowering.aliasing)
      }
      guard case .tile(let tile) = lowering.homes[store.value],
        lowering.levels[store.value] == store.level, lowering.tiles[tile].output == nil,
        let place = definition[tile]
      else { continue }
      let readLater = lowering.calls.indices.contains { index in
        guard
          order[index] > order[place] || (index == place && !lowering.calls[index].isElementwise)
        else { return false }
        return lowering.calls[index].arguments.contains { argument in
          switch argument {
          case .buffer(let buffer, _), .bufferElement(let buffer, _): sharing.contains(buffer)
          default: false
          }
        }
      }
      if !readLater {
        direct[number] = true
        lowering.bind(tile: tile, to: store.buffer)
      }
    }
    for (number, store) in stores.enumerated() {
      lowering.appendCopy(of: store, skip: direct[number])
    }
  }

  // MARK: - Linear scan

  private mutating func scan(_ calls: [Call]) -> Int {
    for (position, call) in calls.enumerated() {
      for argument in call.arguments {
        switch argument {
        case .tile(let tile), .element(let tile):
          lowering.update(tile: tile) {
            $0.lastUse = $0.region == call.region ? max($0.lastUse, position) : Int.max
          }
        default: break
        }
      }
    }
    var occupied: [(offset: Int, size: Int, tile: Int)] = []
    var high = 0
    for (position, call) in calls.enumerated() {
      var dying: [Int] = []
      for argument in call.arguments {
        switch argument {
        case .tile(let tile), .element(let tile):
          if lowering.tiles[tile].lastUse == position, !dying.contains(tile) { dying.append(tile) }
        default: break
        }
      }
      if case .tile(let result) = call.result, lowering.tiles[result].output == nil {
        let size = byteCount(lowering.tiles[result])
        let reusable = call.isElementwise ? inPlaceOperand(of: call, result, among: dying) : nil
        if let reusable {
          let offset = lowering.tiles[reusable].offset
          lowering.update(tile: result) { $0.offset = offset }
          occupied.removeAll { $0.tile == reusable }
          occupied.append((offset, size, result))
        } else {
          var offset = 0
          for slot in occupied.sorted(by: { $0.offset < $1.offset }) {
            if offset + size <= slot.offset { break }
            offset = max(offset, slot.offset + slot.size)
          }
          lowering.update(tile: result) { $0.offset = offset }
          occupied.append((offset, size, result))
          high = max(high, offset + size)
        }
        if lowering.tiles[result].lastUse < 0 { occupied.removeAll { $0.tile == result } }
      }
      occupied.removeAll { dying.contains($0.tile) }
    }
    return high
  }

  private func inPlaceOperand(of call: Call, _ result: Int, among dying: [Int]) -> Int? {
    let wanted = lowering.tiles[result]
    for argument in call.arguments {
      guard case .tile(let tile) = argument, dying.contains(tile) else { continue }
      let candidate = lowering.tiles[tile]
      if candidate.output == nil, candidate.extent == wanted.extent,
        candidate.dtype.byteCount == wanted.dtype.byteCount
      {
        return tile
      }
    }
    return nil
  }

  private func byteCount(_ tile: Tile) -> Int {
    let layout = lowering.layout
    let elements =
      switch tile.extent {
      case .one: 1
      case .rows: layout.blockRows
      case .columns: layout.cols
      case .block: layout.blockElements
      }
    return (elements * tile.dtype.byteCount + 63) / 64 * 64
  }
}
