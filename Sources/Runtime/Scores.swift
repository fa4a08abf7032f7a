// Log-prob sums of many examples, computed by many ranks.

import Collectives

/// Sums of examples as integers. One rank fills each entry with the bits of a Double, and an integer sum over ranks
/// combines them.
package struct Scores: Sendable {
  package let count: Int
  package let mostSums: Int
  /// For sums over ranks, and for saving.
  package var words: [Int64]

  /// - Parameter mostSums: the maximum number of sums of an example.
  package init(count: Int, mostSums: Int = 2) {
    (self.count, self.mostSums) = (count, mostSums)
    words = [Int64](repeating: 0, count: (mostSums + 1) * count)
  }

  /// An example's sums; nil if they are not computed yet.
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

  /// Indices of the examples without sums.
  package var missing: [Int] { (0..<count).filter { words[(mostSums + 1) * $0] == 0 } }

  mutating func clear() { words = [Int64](repeating: 0, count: words.count) }

  /// All sums, if they are complete.
  package var all: [[Double]]? {
    let all = (0..<count).compactMap { self[$0] }
    return all.count == count ? all : nil
  }
}
