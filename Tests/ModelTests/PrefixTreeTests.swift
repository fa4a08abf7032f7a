import Model
import Tensors
import Testing

/// Which keys sequences share, and which have to be computed.
@Suite struct PrefixTreeTests {
  private func tokens(_ text: String) -> ArraySlice<Int32> { text.utf8.map(Int32.init)[...] }

  private func text(_ spans: [CachedSpan]) -> String {
    spans.map { String(decoding: $0.tokens.map(UInt8.init), as: UTF8.self) }.joined(separator: "|")
  }

  @Test func `what is there is not computed again`() throws {
    var tree = PrefixTree(rows: 100)
    tree.startRound()
    func lease(_ text: String) throws -> (spans: String, keys: KeyRuns, lease: PrefixTree.Lease) {
      let foundFound = tree.lease(tokens(text), stale: .max)
      let found = try #require(foundFound)
      #expect(found.lease.keys.count == text.utf8.count)
      return (self.text(found.spans), found.lease.keys, found.lease)
    }
    let first = try lease("question one")
    #expect(first.spans == "question one")
    let second = try lease("question two")
    #expect(second.spans == "two" && second.keys.prefix(9) == first.keys.prefix(9))
    // The same again, its beginning, and more than it.
    #expect(try lease("question one").spans == "")
    let beginning = try lease("quest")
    #expect(beginning.spans == "" && beginning.keys == first.keys.prefix(5))
    let longer = try lease("question one!")
    #expect(longer.spans == "!" && longer.keys.prefix(12) == first.keys)
    #expect(try lease("quiz").spans == "iz")
    #expect(try lease("other").spans == "other")
    // What was cut later is still what was leased.
    #expect(try lease("question two").keys == second.keys)
  }

  @Test func `rows of unused paths are used again, those of held paths never`() throws {
    var tree = PrefixTree(rows: 12)
    tree.startRound()
    let heldFound = tree.lease(tokens("abcd"), stale: .max)
    let held = try #require(heldFound?.lease)
    let freeFound = tree.lease(tokens("abxy"), stale: .max)
    let free = try #require(freeFound?.lease)
    let rowsFound = tree.take(4)
    let rows = try #require(rowsFound)
    let none = tree.lease(tokens("12345"), stale: .max)
    #expect(none == nil)
    tree.release(free)
    // Two rows of "xy" and two that were free.
    let thirdFound = tree.lease(tokens("1234"), stale: .max)
    let third = try #require(thirdFound)
    #expect(third.spans.map(\.tokens.count).reduce(0, +) == 4)
    #expect(Set(held.keys.runs.flatMap { $0 }).isDisjoint(with: third.lease.keys.runs.flatMap { $0 }))
    #expect(Set(rows.flatMap { $0 }).isDisjoint(with: third.lease.keys.runs.flatMap { $0 }))
    let full = tree.lease(tokens("abxy"), stale: .max)
    #expect(full == nil)
    tree.give(rows)
    let againFound = tree.lease(tokens("abxy"), stale: .max)
    let again = try #require(againFound)
    #expect(text(again.spans) == "xy" && again.lease.keys.prefix(2) == held.keys.prefix(2))
    // Positions go on where a sequence's rows lie apart.
    var position = 2
    for span in again.spans {
      #expect(span.before.count == position)
      position += span.tokens.count
    }
  }

  @Test func `rows whose results are wanted must be of this round`() throws {
    var tree = PrefixTree(rows: 100)
    tree.startRound()
    let first = tree.lease(tokens("context choice"), stale: 6)
    // In the same round everything serves.
    let same = tree.lease(tokens("context chance"), stale: 6)
    #expect(same.map { text($0.spans) } == "ance")
    tree.startRound()
    // Later only the keys before the first wanted row do; the others stand beside the tree.
    let foundFound = tree.lease(tokens("context chosen"), stale: 6)
    let found = try #require(foundFound)
    #expect(text(found.spans) == "t chosen")
    let otherFound = tree.lease(tokens("context chosen"), stale: 14)
    let other = try #require(otherFound)
    #expect(text(other.spans) == "sen")
    // Without leases all rows can be had again, also those.
    let (held, full) = (tree.take(100), [found.lease, other.lease])
    #expect(held == nil)
    for lease in full { tree.release(lease) }
    tree.release(try #require(first).lease)
    tree.release(try #require(same).lease)
    let all = tree.take(100)
    #expect(all?.map(\.count).reduce(0, +) == 100)
  }

  /// Random leases and releases: held rows are disjoint, or of equal beginnings.
  @Test func `no two sequences get the same rows`() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20 {
      var tree = PrefixTree(rows: 200)
      // What a row holds: the tokens up to it.
      var contents: [Int: [Int32]] = [:]
      var held: [(tokens: [Int32], lease: PrefixTree.Lease)] = []
      for _ in 0..<300 {
        if Bool.random(using: &random), let gone = held.indices.randomElement(using: &random) {
          tree.release(held.remove(at: gone).lease)
        }
        let tokens = (0..<Int.random(in: 1...30, using: &random)).map { _ in Int32.random(in: 0...1, using: &random) }
        guard let found = tree.lease(tokens[...], stale: .max) else { continue }
        for span in found.spans {
          for (place, row) in span.places.enumerated() {
            contents[row] = Array(tokens.prefix(span.before.count + place + 1))
          }
        }
        held.append((tokens, found.lease))
        for (tokens, lease) in held {
          #expect(tokens.indices.allSatisfy { contents[lease.keys[$0]] == Array(tokens.prefix($0 + 1)) })
        }
      }
    }
  }
}
