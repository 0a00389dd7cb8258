// Index maps: where the element at a flat index of a domain lies in a buffer.

/// An affine map from a row-major flat index to an element offset:
/// the index is unflattened over `dims`, and the offset is `offset + Σ index_d · strides_d`.
package struct IndexMap: Hashable, Sendable {
  package var dims: [Int]
  /// In elements; 0 repeats, negative runs backwards.
  package var strides: [Int]
  package var offset: Int

  package init(dims: [Int], strides: [Int], offset: Int = 0) {
    self.dims = dims
    self.strides = strides
    self.offset = offset
  }

  /// The identity over a dense row-major array of these extents.
  package static func identity(_ dims: [Int]) -> IndexMap {
    var strides = [Int](repeating: 1, count: dims.count)
    var stride = 1
    for axis in dims.indices.reversed() {
      strides[axis] = stride
      stride = stride &* Swift.max(1, dims[axis])
    }
    return IndexMap(dims: dims, strides: strides)
  }

  package var count: Int { dims.reduce(1, &*) }

  /// The same map with extents of 1 dropped and mergeable neighbours merged: the shortest form.
  package var collapsed: IndexMap {
    var outDims: [Int] = []
    var outStrides: [Int] = []
    for (dim, stride) in zip(dims, strides) where dim != 1 {
      if let last = outDims.last, outStrides[outDims.count - 1] == stride &* dim {
        outDims[outDims.count - 1] = last &* dim
        outStrides[outDims.count - 1] = stride
      } else {
        outDims.append(dim)
        outStrides.append(stride)
      }
    }
    return IndexMap(dims: outDims, strides: outStrides, offset: offset)
  }

  /// True when flat index i lies at element i.
  package var isIdentity: Bool {
    let c = collapsed
    return c.offset == 0 && (c.dims.isEmpty || (c.dims.count == 1 && c.strides == [1]))
  }

  /// True when every index lies at the same element.
  package var isScalar: Bool { collapsed.strides.allSatisfy { $0 == 0 } }

  /// The offset of one flat index (slow; for the interpreter of maps and for tests).
  package func offset(at flatIndex: Int) -> Int {
    var rest = flatIndex
    var result = offset
    for axis in dims.indices.reversed() where dims[axis] > 0 {
      result &+= (rest % dims[axis]) &* strides[axis]
      rest /= dims[axis]
    }
    return result
  }

  /// `self` after `view`: reading, at index i, the element that a dense array of extents `viewed`
  /// holds at `view(i)`, where that array itself is read through `self` (whose dims are `viewed`).
  /// Nil when the composition is not affine in the index of `view`.
  package func composed(after view: IndexMap) -> IndexMap? {
    // Each axis of `view` steps by a stride in the dense array; it stays affine when that step,
    // taken extent times, moves along one axis of `self` only.
    let dense = IndexMap.identity(dims)
    // Split the start offset over the axes of `self`.
    var start = [Int](repeating: 0, count: dims.count)
    var rest = view.offset
    guard rest >= 0 else { return nil }
    for axis in dims.indices {
      let stride = dense.strides[axis]
      start[axis] = stride > 0 ? rest / stride : 0
      rest -= start[axis] &* stride
      guard start[axis] < Swift.max(1, dims[axis]) else { return nil }
    }
    var outStrides: [Int] = []
    var outDims: [Int] = []
    var low = start
    var high = start
    for (dim, step) in zip(view.dims, view.strides) {
      // Nothing to walk. An extent of 0 has to stay: without it the map would have elements.
      if dim <= 1 || step == 0 {
        outDims.append(dim)
        outStrides.append(0)
        continue
      }
      let magnitude = Swift.abs(step)
      let sign = step < 0 ? -1 : 1
      // A step over `dim` indices may walk several axes of `self` when it runs over them densely;
      // split the view axis from the inside out.
      var remaining = dim
      var stepNow = magnitude
      var pieces: [(Int, Int)] = []  // (extent, stride), innermost first
      while remaining > 1 {
        guard
          let axis = dims.indices.last(where: {
            dims[$0] > 1 && dense.strides[$0] <= stepNow
              && stepNow % dense.strides[$0] == 0
              && stepNow < dense.strides[$0] &* dims[$0]
          })
        else { return nil }
        let factor = stepNow / dense.strides[axis]
        let reach = factor &* (remaining - 1)
        if sign > 0 ? high[axis] + reach < dims[axis] : low[axis] - reach >= 0 {
          pieces.append((remaining, sign &* factor &* strides[axis]))
          if sign > 0 { high[axis] += reach } else { low[axis] -= reach }
          remaining = 1
        } else {
          // Must wrap exactly at the axis' end, beginning at its start.
          guard sign > 0, low[axis] == 0, high[axis] == 0, factor == 1 || dims[axis] % factor == 0
          else { return nil }
          let extent = dims[axis] / factor
          guard extent > 1, remaining % extent == 0 else { return nil }
          pieces.append((extent, factor &* strides[axis]))
          high[axis] += factor &* (extent - 1)
          remaining /= extent
          stepNow = dense.strides[axis] &* dims[axis]
        }
      }
      for (extent, stride) in pieces.reversed() {
        outDims.append(extent)
        outStrides.append(stride)
      }
    }
    var base = offset
    for axis in dims.indices { base &+= start[axis] &* strides[axis] }
    return IndexMap(dims: outDims, strides: outStrides, offset: base)
  }
}

/// A padded read: positions outside of the source, and between its elements when `interior` > 0,
/// hold the fill value.
package struct PadMap: Hashable, Sendable {
  package var dims: [Int]
  package var sourceDims: [Int]
  package var strides: [Int]
  package var low: [Int]
  package var interior: [Int]

  package init(dims: [Int], sourceDims: [Int], strides: [Int], low: [Int], interior: [Int]) {
    self.dims = dims
    self.sourceDims = sourceDims
    self.strides = strides
    self.low = low
    self.interior = interior
  }
}
