// Token sequences whose keys and values are in a cache. What several of them begin with is there once.
//
// A node is a run of tokens; its children continue it. Sequences that are in use hold their path; the rest stays until
// its rows are needed, the least recently used first (as in Zheng et al., "SGLang", arXiv 2312.07104, section 3).

package import Tensors

/// The tree of cached tokens, and the cache's free rows.
package struct PrefixTree {
  /// A held path.
  package struct Lease: Sendable {
    fileprivate let node: Int
    /// The keys of the path.
    package let keys: KeyRuns
    /// Rows of its end that stand beside the tree.
    fileprivate var own: [Range<Int>] = []
  }

  private struct Node {
    var tokens: ArraySlice<Int32>
    var rows: KeyRuns
    var parent: Int
    var children: [Int32: Int] = [:]
    /// Leases of this node and of those below it.
    var leases = 0
    var lastUse: Int
    /// The round that computed it.
    var round: Int
  }

  private var free: FreeRows
  /// Node 0 is the root, which has no tokens. Unused numbers are in `unused`.
  private var nodes = [Node(tokens: [], rows: KeyRuns(), parent: -1, lastUse: 0, round: 0)]
  private var unused: [Int] = []
  private var clock = 0
  private var round = 0

  package init(rows: Int) { free = FreeRows(rows) }

  /// Starts a round: what was computed before is no longer fresh.
  package mutating func startRound() { round += 1 }

  // MARK: Leases

  /// Holds the path of `tokens`, and says what of it has to be computed.
  ///
  /// - Parameter stale: the number of first tokens for which cached keys serve. Later ones must be of this round, or are
  ///   computed again.
  /// - Returns: nil when there are too few rows. The spans continue each other.
  package mutating func lease(_ tokens: ArraySlice<Int32>, stale: Int) -> (lease: Lease, spans: [CachedSpan])? {
    clock += 1
    var (node, matched, keys) = (0, 0, KeyRuns())
    var isBlocked = false
    while matched < tokens.count, let child = nodes[node].children[tokens[tokens.startIndex + matched]] {
      var common = nodes[child].tokens.commonPrefixCount(tokens.dropFirst(matched))
      if nodes[child].round < round, matched + common > stale {
        common = max(stale - matched, 0)
        isBlocked = true
      }
      if common > 0 {
        node = common < nodes[child].tokens.count ? split(child, at: common) : child
        keys = Self.joined(keys, nodes[node].rows)
        matched += common
      }
      if common == 0 || isBlocked || node != child { break }
    }
    hold(node)
    let rest = tokens.dropFirst(matched)
    guard let places = take(rest.count) else {
      release(node)
      return nil
    }
    let spans = Self.spans(rest, places, after: keys)
    let all = places.reduce(keys) { $0.appending($1) }
    // A stale child begins with the same token: these rows stand beside the tree.
    guard let first = rest.first, nodes[node].children[first] == nil else {
      return (Lease(node: node, keys: all, own: places), spans)
    }
    let leaf = add(
      Node(
        tokens: rest, rows: places.reduce(KeyRuns()) { $0.appending($1) }, parent: node,
        leases: 1, lastUse: clock, round: round))
    nodes[node].children[first] = leaf
    return (Lease(node: leaf, keys: all), spans)
  }

  /// Lets go of a path. Its keys stay until their rows are needed.
  package mutating func release(_ lease: Lease) {
    release(lease.node)
    give(lease.own)
  }

  private mutating func hold(_ node: Int) {
    var place = node
    while place >= 0 {
      nodes[place].leases += 1
      nodes[place].lastUse = clock
      place = nodes[place].parent
    }
  }

  private mutating func release(_ node: Int) {
    var place = node
    while place >= 0 {
      nodes[place].leases -= 1
      place = nodes[place].parent
    }
  }

  // MARK: Rows

  /// Takes rows for tokens of one sequence alone, if need be from paths without a lease.
  package mutating func take(_ count: Int) -> [Range<Int>]? {
    if free.count < count { evict(until: count) }
    return free.take(count)
  }

  package mutating func give(_ rows: [Range<Int>]) { for range in rows { free.give(range) } }

  /// Removes paths without a lease, the least recently used first, and some more than needed: each time costs a sort.
  private mutating func evict(until count: Int) {
    let candidates = nodes.indices.dropFirst().filter { nodes[$0].leases == 0 && !nodes[$0].rows.runs.isEmpty }
    // A path's use is also a use of its beginning, so what is older is never above what is younger.
    let order = candidates.sorted { (nodes[$0].lastUse, depth($1)) < (nodes[$1].lastUse, depth($0)) }
    for node in order where free.count < 2 * count && nodes[node].children.isEmpty { remove(node) }
  }

  private func depth(_ node: Int) -> Int {
    var (place, depth) = (node, 0)
    while nodes[place].parent >= 0 { (place, depth) = (nodes[place].parent, depth + 1) }
    return depth
  }

  private mutating func remove(_ node: Int) {
    if let first = nodes[node].tokens.first { nodes[nodes[node].parent].children[first] = nil }
    give(nodes[node].rows.runs)
    nodes[node] = Node(tokens: [], rows: KeyRuns(), parent: -1, lastUse: 0, round: 0)
    unused.append(node)
  }

  // MARK: Nodes

  private mutating func add(_ node: Node) -> Int {
    if let place = unused.popLast() {
      nodes[place] = node
      return place
    }
    nodes.append(node)
    return nodes.count - 1
  }

  /// Gives the first `count` tokens of a node a node of their own, above it.
  private mutating func split(_ node: Int, at count: Int) -> Int {
    let old = nodes[node]
    let (first, rest) = (old.tokens.prefix(count), old.tokens.dropFirst(count))
    let upper = add(
      Node(
        tokens: first, rows: old.rows.prefix(count), parent: old.parent, leases: old.leases, lastUse: old.lastUse,
        round: old.round))
    if let token = first.first { nodes[old.parent].children[token] = upper }
    if let token = rest.first { nodes[upper].children[token] = node }
    nodes[node].tokens = rest
    nodes[node].rows = old.rows.dropFirst(count)
    nodes[node].parent = upper
    return upper
  }

  private static func joined(_ a: KeyRuns, _ b: KeyRuns) -> KeyRuns { b.runs.reduce(a) { $0.appending($1) } }

  private static func spans(_ tokens: ArraySlice<Int32>, _ places: [Range<Int>], after keys: KeyRuns) -> [CachedSpan] {
    var (rest, before) = (tokens, keys)
    return places.map { range in
      let span = CachedSpan(tokens: rest.prefix(range.count), before: before, places: range)
      rest = rest.dropFirst(range.count)
      before.append(range)
      return span
    }
  }
}
