import Collectives
import Testing

@Suite struct WorkSchedulerTests {
  /// Hands out `costs` to ranks of the given seconds per unit; returns each rank's end time and items.
  private func dispatch(_ costs: [Double], to speeds: [Double]) -> (ends: [Double], taken: [[UInt8]]) {
    var scheduler = WorkScheduler()
    scheduler.open(costs.enumerated().map { WorkPiece(bytes: [UInt8($0.offset)], cost: $0.element) })
    var free = speeds.map { _ in 0.0 }
    var (present, taken) = (Set(speeds.indices), speeds.map { _ in [UInt8]() })
    while let rank = present.min(by: { (free[$0], $0) < (free[$1], $1) }) {
      guard let item = scheduler.take(for: rank, at: free[rank]) else {
        present.remove(rank)
        continue
      }
      taken[rank] += item
      free[rank] += speeds[rank] * costs[Int(item[0])]
    }
    #expect(scheduler.isEmpty)
    return (free, taken)
  }

  @Test func `equal ranks share equal work`() {
    let (ends, taken) = dispatch(Array(repeating: 1, count: 8), to: [1, 1])
    #expect(ends == [4, 4] && taken.map(\.count) == [4, 4])
  }

  @Test func `longest first ends together`() {
    #expect(dispatch([5, 4, 3, 3, 3], to: [1, 1]).ends.max() == 10)
    #expect(dispatch([7], to: [1, 1, 1]).taken.map(\.count) == [1, 0, 0])
  }

  /// The wait for a slow rank is never longer than a fast rank needs for an item.
  @Test(arguments: 4...24)
  func `a rank at a third of the speed costs less than one item of idle time`(count: Int) {
    for ranks in 2...4 {
      let speeds = [3.0] + Array(repeating: 1, count: ranks - 1)
      let (ends, taken) = dispatch(Array(repeating: 1, count: count), to: speeds)
      #expect(taken.joined().sorted() == (0..<UInt8(count)).map { $0 })
      guard count >= 2 * ranks + 2 else { continue }
      let last = ends.max() ?? 0
      #expect(ends.dropFirst().allSatisfy { last - $0 <= 1 }, "\(count) items, \(ranks) ranks: \(ends)")
    }
  }

  @Test func `a fast rank that is overdue is not relied on`() {
    func scheduler() -> WorkScheduler {
      var scheduler = WorkScheduler()
      scheduler.open((0..<5).map { WorkPiece(bytes: [$0]) })
      for (rank, time) in [(0, 0.0), (1, 0.0), (0, 1.0)] { #expect(scheduler.take(for: rank, at: time) != nil) }
      return scheduler
    }
    // Rank 0 needs 1 s per item, rank 1 needs 3 s. Rank 0 should be free at 3 s, but it has been stopped since 1 s.
    var stopped = scheduler()
    #expect(stopped.take(for: 1, at: 3) != nil)
    // At 6 s rank 0 is 4 s overdue: rank 1 takes the last item.
    #expect(stopped.take(for: 1, at: 6) != nil && stopped.isEmpty)
  }

  @Test func `a phase that is cut dispatches nothing more, and another may follow`() {
    var scheduler = WorkScheduler()
    scheduler.open((0..<3).map { WorkPiece(bytes: [$0]) })
    #expect(scheduler.take(for: 0, at: 0) == [0])
    scheduler.cut()
    #expect(scheduler.isEmpty && scheduler.take(for: 1, at: 0) == nil && scheduler.take(for: 0, at: 1) == nil)
    scheduler.open([WorkPiece(bytes: [7])])
    #expect(scheduler.take(for: 1, at: 2) == [7])
  }

  @Test func `a rank that was told nothing is left is not waited for`() {
    var scheduler = WorkScheduler()
    scheduler.open([1, 1, 1].map { WorkPiece(bytes: [0], cost: $0) })
    #expect(scheduler.take(for: 0, at: 0) != nil && scheduler.take(for: 1, at: 0) != nil)
    // Rank 0 took a second; rank 1 is slower and done at 9: rank 0 will be free at 10 and done at 11.
    #expect(scheduler.take(for: 0, at: 1) != nil)
    #expect(scheduler.take(for: 1, at: 9) == nil || scheduler.isEmpty)
    #expect(scheduler.isEmpty)
    scheduler.open([])
    #expect(scheduler.take(for: 0, at: 10) == nil && scheduler.phase == 2)
  }
}
