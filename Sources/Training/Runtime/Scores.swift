// Log-prob sums of many examples, computed by many ranks.

import Collectives

/// Sums of examples as integers: each entry is filled by one rank, as the bits of a Double, and a sum of integers brings
/// them together.
package struct Scores: Sendable {
  package let count: Int
  let mostSums: Int
  var words: [Int64]

  /// - Parameter mostSums: the most sums that any example has.
  package init(count: Int, mostSums: Int = 2) {
    (self.count, self.mostSums) = (count, mostSums)
    words = [Int64](repeating: 0, count: (mostSums + 1) * count)
  }

  /// An example's sums; nil where there are none yet.
  package internal(set) subscript(slot: Int) -> [Double]? {
    get {
      let start = (mostSums + 1) * slot
      guard words[start] > 0 else { return nil }
      return (0..<Int(words[start])).map { Double(bitPattern: UInt64(bitPattern: words[start + 1 + $0])) }
    }
    set {
      let start = (mostSums + 1) * slot
      words[start] = Int64(newValue?.count ?? 0)
      for (i, sum) in (newValue ?? []).enumerated() { words[start + 1 + i] = Int64(bitPattern: sum.bitPattern) }
    }
  }

  /// Places of the examples that have none yet.
  var missing: [Int] { (0..<count).filter { words[(mostSums + 1) * $0] == 0 } }

  mutating func clear() { words = [Int64](repeating: 0, count: words.count) }

  /// All sums, if all are there.
  package var all: [[Double]]? {
    let all = (0..<count).compactMap { self[$0] }
    return all.count == count ? all : nil
  }
}
