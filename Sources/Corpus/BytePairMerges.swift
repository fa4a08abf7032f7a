// The merge loop of byte pair encoding (Sennrich et al., 2016, arXiv 1508.07909), on ids.

/// The pairs of tokens that merge, their results, and their order.
struct BytePairMerges: Sendable {
  private struct Slot {
    /// `left << 32 | right`; all ones if the slot is empty, which is not a valid pair of ids.
    var pair = UInt64.max
    var rank = UInt32.max
    var result: Int32 = 0
  }

  /// One token of the current piece. `rank` and `result` belong to its pair with the next token.
  private struct Symbol {
    var id: Int32
    var rank = UInt32.max
    var result: Int32 = 0
  }

  /// Pieces of at most this many bytes are merged by scanning; longer pieces are rare and use a heap.
  private static let longestScanned = 96

  /// The token of each byte; -1 if there is none.
  private let byteTokens: [Int32]
  private let hasAllBytes: Bool
  /// An open-addressing table; its size is a power of two, at least twice the number of merges.
  private var slots: [Slot]
  private let shift: UInt64
  /// Random, so that an attacker cannot prepare a file of colliding pairs; the table's order does not affect any
  /// result.
  private let multiplier = UInt64.random(in: .min ... .max) | 1

  init(byteTokens: [Int32?], capacity: Int) {
    precondition(byteTokens.count == 256, "\(byteTokens.count) byte tokens, expected 256")
    self.byteTokens = byteTokens.map { $0 ?? -1 }
    hasAllBytes = !byteTokens.contains(nil)
    var bits: UInt64 = 4
    while 1 << bits < 2 * capacity { bits += 1 }
    shift = 64 - bits
    slots = [Slot](repeating: Slot(), count: 1 << Int(bits))
  }

  /// Adds a merge; lower ranks merge first. False if the pair already has a merge.
  mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, result: Int32) -> Bool {
    let pair = Self.pair(left, right)
    let slot = slot(of: pair)
    guard slots[slot].pair != pair else { return false }
    slots[slot] = Slot(pair: pair, rank: rank, result: result)
    return true
  }

  @inline(__always)
  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// The slot that holds `pair`, or the empty slot where it belongs.
  @inline(__always)
  private func slot(of pair: UInt64) -> Int {
    var place = Int(truncatingIfNeeded: (pair &* multiplier) &>> shift)
    while slots[place].pair != pair, slots[place].pair != .max { place = (place &+ 1) & (slots.count &- 1) }
    return place
  }

  /// Appends the tokens of one piece. Bytes without a token are left out, as the library does.
  func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if !hasAllBytes, piece.contains(where: { byteTokens[Int($0)] < 0 }) {
      return piece.filter { byteTokens[Int($0)] >= 0 }.withUnsafeBufferPointer { encode($0, into: &ids) }
    }
    if piece.count > Self.longestScanned { return encodeByHeap(piece, into: &ids) }
    withUnsafeTemporaryAllocation(of: Symbol.self, capacity: piece.count) { symbols in
      for (index, byte) in piece.enumerated() {
        symbols.initializeElement(at: index, to: Symbol(id: byteTokens[Int(byte)]))
      }
      var count = piece.count
      for index in 0..<max(count - 1, 0) { rank(&symbols[index], before: symbols[index + 1].id) }
      while true {
        var best = 0
        for index in 1..<max(count, 1) where symbols[index].rank < symbols[best].rank { best = index }
        guard count > 1, symbols[best].rank != .max else { break }
        symbols[best].id = symbols[best].result
        for index in best + 1..<count - 1 { symbols[index] = symbols[index + 1] }
        count -= 1
        rank(&symbols[best], before: best + 1 < count ? symbols[best + 1].id : nil)
        if best > 0 { rank(&symbols[best - 1], before: symbols[best].id) }
      }
      for index in 0..<count { ids.append(symbols[index].id) }
    }
  }

  @inline(__always)
  private func rank(_ symbol: inout Symbol, before next: Int32?) {
    let merge = next.map { slots[slot(of: Self.pair(symbol.id, $0))] } ?? Slot()
    symbol.rank = merge.rank
    symbol.result = merge.result
  }

  /// Does the same in time n log n: a run of letters may be as long as the text.
  private func encodeByHeap(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    var symbols = piece.map { Symbol(id: byteTokens[Int($0)]) }
    // The neighbours of each remaining symbol; `count` and -1 mark the ends.
    var next = (1...symbols.count).map(Int32.init)
    var previous = (0..<symbols.count).map { Int32($0) - 1 }
    var heap = RankHeap()
    for index in 0..<symbols.count - 1 {
      rank(&symbols[index], before: symbols[index + 1].id)
      heap.push(rank: symbols[index].rank, place: index)
    }
    while let (rank, place) = heap.pop() {
      // A heap entry is stale if its symbol has changed or is gone; the symbol's rank then differs.
      guard symbols[place].rank == rank else { continue }
      let absorbed = Int(next[place])
      symbols[place].id = symbols[place].result
      symbols[absorbed].rank = .max
      next[place] = next[absorbed]
      let follower = Int(next[place])
      if follower < symbols.count { previous[follower] = Int32(place) }
      self.rank(&symbols[place], before: follower < symbols.count ? symbols[follower].id : nil)
      heap.push(rank: symbols[place].rank, place: place)
      let leader = Int(previous[place])
      if leader >= 0 {
        self.rank(&symbols[leader], before: symbols[place].id)
        heap.push(rank: symbols[leader].rank, place: leader)
      }
    }
    var place = 0
    while place < symbols.count {
      ids.append(symbols[place].id)
      place = Int(next[place])
    }
  }
}

/// A binary heap of pairs: lowest rank first, leftmost first among equal ranks.
private struct RankHeap {
  private var entries: [UInt64] = []

  /// Skips the rank of pairs that do not merge (all ones).
  mutating func push(rank: UInt32, place: Int) {
    guard rank != .max else { return }
    var hole = entries.count
    let entry = UInt64(rank) << 32 | UInt64(place)
    entries.append(entry)
    while hole > 0, entries[(hole - 1) / 2] > entry {
      entries[hole] = entries[(hole - 1) / 2]
      hole = (hole - 1) / 2
    }
    entries[hole] = entry
  }

  mutating func pop() -> (rank: UInt32, place: Int)? {
    guard let first = entries.first, let last = entries.popLast() else { return nil }
    var hole = 0
    while 2 * hole + 1 < entries.count {
      var child = 2 * hole + 1
      if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
      if entries[child] >= last { break }
      entries[hole] = entries[child]
      hole = child
    }
    if hole < entries.count { entries[hole] = last }
    return (UInt32(truncatingIfNeeded: first >> 32), Int(first & 0xFFFF_FFFF))
  }
}
