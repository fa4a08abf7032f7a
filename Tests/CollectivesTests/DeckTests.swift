import Collectives
import Testing

@Suite struct DeckTests {
  /// Deals `costs` to ranks of the given seconds per unit; returns when each rank is done and what it took.
  private func deal(_ costs: [Double], to paces: [Double]) -> (ends: [Double], taken: [[UInt8]]) {
    var deck = Deck()
    deck.open(costs.enumerated().map { WorkPiece(bytes: [UInt8($0.offset)], cost: $0.element) })
    var free = paces.map { _ in 0.0 }
    var (present, taken) = (Set(paces.indices), paces.map { _ in [UInt8]() })
    while let rank = present.min(by: { (free[$0], $0) < (free[$1], $1) }) {
      guard let item = deck.take(for: rank, at: free[rank]) else {
        present.remove(rank)
        continue
      }
      taken[rank] += item
      free[rank] += paces[rank] * costs[Int(item[0])]
    }
    #expect(deck.isEmpty)
    return (free, taken)
  }

  @Test func `equal ranks share equal work`() {
    let (ends, taken) = deal(Array(repeating: 1, count: 8), to: [1, 1])
    #expect(ends == [4, 4] && taken.map(\.count) == [4, 4])
  }

  @Test func `longest first ends together`() {
    #expect(deal([5, 4, 3, 3, 3], to: [1, 1]).ends.max() == 10)
    #expect(deal([7], to: [1, 1, 1]).taken.map(\.count) == [1, 0, 0])
  }

  /// Nobody waits for a slow rank longer than a fast one takes for an item.
  @Test(arguments: 4...24)
  func `a rank at a third of the speed costs less than one item of idle time`(count: Int) {
    for ranks in 2...4 {
      let paces = [3.0] + Array(repeating: 1, count: ranks - 1)
      let (ends, taken) = deal(Array(repeating: 1, count: count), to: paces)
      #expect(taken.joined().sorted() == (0..<UInt8(count)).map { $0 })
      guard count >= 2 * ranks + 2 else { continue }
      let last = ends.max() ?? 0
      #expect(ends.dropFirst().allSatisfy { last - $0 <= 1 }, "\(count) items, \(ranks) ranks: \(ends)")
    }
  }

  @Test func `a fast rank that is overdue is not relied on`() {
    func deck() -> Deck {
      var deck = Deck()
      deck.open((0..<5).map { WorkPiece(bytes: [$0]) })
      for (rank, time) in [(0, 0.0), (1, 0.0), (0, 1.0)] { #expect(deck.take(for: rank, at: time) != nil) }
      return deck
    }
    // Rank 0 takes 1 s, rank 1 takes 3 s. At 3 s rank 0 should be done and free; it has been stopped since 1 s.
    var stopped = deck()
    #expect(stopped.take(for: 1, at: 3) != nil)
    // At 6 s it is 4 s overdue: rank 1 takes the last item.
    #expect(stopped.take(for: 1, at: 6) != nil && stopped.isEmpty)
  }

  @Test func `a phase that is cut deals nothing more, and another may follow`() {
    var deck = Deck()
    deck.open((0..<3).map { WorkPiece(bytes: [$0]) })
    #expect(deck.take(for: 0, at: 0) == [0])
    deck.cut()
    #expect(deck.isEmpty && deck.take(for: 1, at: 0) == nil && deck.take(for: 0, at: 1) == nil)
    deck.open([WorkPiece(bytes: [7])])
    #expect(deck.take(for: 1, at: 2) == [7])
  }

  @Test func `a rank that was told nothing is left is not waited for`() {
    var deck = Deck()
    deck.open([1, 1, 1].map { WorkPiece(bytes: [0], cost: $0) })
    #expect(deck.take(for: 0, at: 0) != nil && deck.take(for: 1, at: 0) != nil)
    // Rank 0 took a second; rank 1, slower, is done at 9: the fast one will be free at 10 and done at 11.
    #expect(deck.take(for: 0, at: 1) != nil)
    #expect(deck.take(for: 1, at: 9) == nil || deck.isEmpty)
    #expect(deck.isEmpty)
    deck.open([])
    #expect(deck.take(for: 0, at: 10) == nil && deck.phase == 2)
  }
}
