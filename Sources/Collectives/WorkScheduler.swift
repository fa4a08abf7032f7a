// Decides which rank gets which item: a free rank takes the next item unless a faster rank would finish it sooner.

/// The remaining items, their phase, and the speed of each rank in it.
package struct WorkScheduler: Sendable {
  /// The phase that is open, counted from 1; 0 before the first.
  package private(set) var phase: Int64 = 0
  private var pieces: ArraySlice<WorkPiece> = []
  /// Each working rank's item cost and start time (seconds).
  private var working: [Int: (cost: Double, since: Double)] = [:]
  /// Seconds per unit of cost, from each rank's last item of the phase.
  private var speeds: [Int: Double] = [:]

  private var inTurn = false

  package init() {}

  /// - Parameter inTurn: whether every rank gets the next item, whatever its speed.
  package mutating func open(_ pieces: [WorkPiece], inTurn: Bool = false) {
    precondition(isEmpty, "phase \(phase) has \(self.pieces.count) items left")
    phase += 1
    self.pieces = pieces[...]
    (working, speeds) = ([:], [:])
    self.inTurn = inTurn
  }

  package var isEmpty: Bool { pieces.isEmpty }

  /// Drops the remaining items of the phase.
  package mutating func cut() { pieces = [] }

  /// The next item for a free rank, or nil if it should take no more. After nil the rank does not ask again in this
  /// phase.
  package mutating func take(for rank: Int, at now: Double) -> [UInt8]? {
    if let done = working.removeValue(forKey: rank) { speeds[rank] = (now - done.since) / done.cost }
    guard let first = pieces.first, inTurn || isWorthwhile(for: rank, at: now) else { return nil }
    working[rank] = (max(first.cost, .leastNormalMagnitude), now)
    return pieces.popFirst()?.bytes
  }

  /// Whether the rank gets an item in the schedule that ends soonest, which gives every item, in order, to the rank
  /// that would finish it first. Without this check a slow rank's last item would keep all others waiting.
  private func isWorthwhile(for rank: Int, at now: Double) -> Bool {
    guard let own = speeds[rank] else { return true }
    var free = [(speed: own, at: now)]
    for (other, item) in working {
      // A rank that has not finished its first item may be as fast as any other.
      guard let last = speeds[other] else { return true }
      // An overdue rank is slower than its last item shows; its end is estimated from the time already used.
      let speed = max(last, (now - item.since) / item.cost)
      free.append((speed, item.since + speed * item.cost))
    }
    for piece in pieces {
      let ends = free.map { $0.at + $0.speed * piece.cost }
      // min(by:) takes the first of equal values, which is the rank that asks.
      guard let best = ends.indices.min(by: { ends[$0] < ends[$1] }), best > 0 else { return true }
      free[best].at = ends[best]
    }
    return false
  }
}
