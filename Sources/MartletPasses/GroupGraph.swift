// Which groups need which, while groups merge: what keeps fusion and updates in place from making
// cycles.

/// A directed acyclic graph of groups that grows, merges and answers whether one needs another.
///
/// A question is a breadth-first search from both ends at once. A path between near groups is short;
/// where there is none, one end has little around it (a new group has no followers yet, an update
/// none at all), so answers cost little however long the program is. A search that meets more
/// than `limit` groups gives up and says yes, which only ever costs a fusion.
struct GroupGraph {
  static let limit = 4096

  /// A merged group points to the one that took it.
  private var parent: [Int] = []
  private var before: [[Int]] = []
  private var after: [[Int]] = []
  private var mark: [Int] = []
  private var search = 0
  /// Groups that all searches together have met: the tests bound it.
  private(set) var visits = 0

  var count: Int { parent.count }

  @discardableResult
  mutating func add() -> Int {
    parent.append(parent.count)
    before.append([])
    after.append([])
    mark.append(0)
    return parent.count - 1
  }

  /// The group that a merged one is part of now.
  mutating func find(_ group: Int) -> Int {
    var group = group
    while parent[group] != group {
      parent[group] = parent[parent[group]]
      group = parent[group]
    }
    return group
  }

  mutating func connect(_ first: Int, before second: Int) {
    let (a, b) = (find(first), find(second))
    guard a != b, before[b].last != a else { return }
    before[b].append(a)
    after[a].append(b)
  }

  mutating func merge(_ from: Int, into to: Int) {
    before[to] += before[from]
    after[to] += after[from]
    before[from] = []
    after[from] = []
    parent[from] = to
  }

  /// The groups that must run before one, each once.
  mutating func predecessors(_ group: Int) -> [Int] {
    search += 2
    mark[group] = search
    var result: [Int] = []
    for index in before[group].indices {
      let other = find(before[group][index])
      guard mark[other] != search else { continue }
      mark[other] = search
      result.append(other)
    }
    return result
  }

  /// True when there is a path from `first` to `second`, or the search gave up.
  mutating func isNeeded(_ first: Int, by second: Int) -> Bool {
    let (start, end) = (find(first), find(second))
    guard start != end else { return true }
    search += 2
    let (down, up) = (search, search + 1)
    mark[start] = down
    mark[end] = up
    var below = [start]
    var above = [end]
    var nextBelow = 0
    var nextAbove = 0
    while nextBelow < below.count, nextAbove < above.count {
      if below.count + above.count > GroupGraph.limit { return true }
      let group = below[nextBelow]
      nextBelow += 1
      for index in after[group].indices {
        let other = find(after[group][index])
        if mark[other] == up { return true }
        guard mark[other] != down else { continue }
        mark[other] = down
        below.append(other)
      }
      visits += after[group].count
      let user = above[nextAbove]
      nextAbove += 1
      for index in before[user].indices {
        let other = find(before[user][index])
        if mark[other] == down { return true }
        guard mark[other] != up else { continue }
        mark[other] = up
        above.append(other)
      }
      visits += before[user].count
    }
    return false
  }
}
