// What rank 0 knows of a phase: what is left of it, and what came of it.

/// The items that are left and the results that came. Rank 0's threads share it.
struct WorkQueueState {
  var scheduler = WorkScheduler()
  var results = WorkResults()
  var isClosing = false
  private let start = ContinuousClock.now

  mutating func open(_ pieces: [WorkPiece], inTurn: Bool) {
    scheduler.open(pieces, inTurn: inTurn)
    results = WorkResults()
  }

  mutating func take(for rank: Int) -> [UInt8]? {
    let item = scheduler.take(for: rank, at: (ContinuousClock.now - start) / .seconds(1))
    if item != nil { results.expected += 1 }
    return item
  }

  mutating func takeResults() -> (new: [[UInt8]], isComplete: Bool) {
    (results.take(), scheduler.isEmpty && results.isComplete)
  }
}

/// Results of a phase.
struct WorkResults {
  /// Items that ranks have taken.
  var expected = 0
  private var received = 0
  private var new: [[UInt8]] = []

  var isComplete: Bool { received == expected }

  mutating func add(_ result: [UInt8]) {
    received += 1
    new.append(result)
  }

  mutating func take() -> [[UInt8]] {
    defer { new = [] }
    return new
  }
}
