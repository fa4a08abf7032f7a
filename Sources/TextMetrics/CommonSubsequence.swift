// Longest common subsequences by bit-parallel columns (Hyyrö 2004): 64 cells of the table at a time, and not the table
// but its columns are kept, so that two texts of a megabyte fit.

/// The longest common subsequence of one sequence of tokens with others.
///
/// t[i][j] is the length for the first i tokens of the reference and the first j of the candidate. Bit i of column j is
/// clear if t[i + 1][j] = t[i][j] + 1. Time is |reference| · |candidate| / 64 words; `forEachIndex` keeps about
/// √|candidate| columns twice.
package struct CommonSubsequence {
  private let reference: [Int32]
  /// Words of a column.
  private let words: Int
  /// The places of each token in the reference; empty for tokens that it lacks.
  private let places: TokenPlaces
  /// The columns' masks of tokens that occur often; a mask is made anew for others.
  private var masks: [Int: [UInt64]] = [:]
  private var scratch: [UInt64]

  package init(_ reference: [Int32]) {
    self.reference = reference
    words = (reference.count + 63) / 64
    places = TokenPlaces(reference)
    scratch = [UInt64](repeating: 0, count: words)
    // Masks of tokens with at least as many places as a column has words: at most about 64 of them.
    for slot in 0..<places.count where places[slot].count >= words {
      var mask = scratch
      for place in places[slot] { mask[Int(place) >> 6] |= 1 << UInt64(place & 63) }
      masks[slot] = mask
    }
  }

  /// The length of the longest common subsequence.
  package mutating func length(with candidate: [Int32]) -> Int {
    var column = [UInt64](repeating: ~0, count: words)
    for token in candidate { advance(&column, by: token) }
    return column.reduce(0) { $0 + (~$1).nonzeroBitCount }
  }

  /// Passes the reference's indices of one longest common subsequence, last first: where tokens differ, the walk back
  /// leaves out the candidate's token only if that keeps the length and leaving out the reference's does not.
  package mutating func forEachIndex(with candidate: [Int32], _ body: (Int) -> Void) {
    let block = Swift.max(Int(Double(candidate.count).squareRoot().rounded(.up)), 1 << 12 / Swift.max(words, 1), 1)
    var column = [UInt64](repeating: ~0, count: words)
    // The column before each block.
    var starts: [[UInt64]] = []
    for (number, token) in candidate.enumerated() {
      if number % block == 0 { starts.append(column) }
      // The last block's columns are computed below.
      if number < (candidate.count - 1) / block * block { advance(&column, by: token) }
    }
    var remaining = reference.count
    while let start = starts.popLast(), remaining > 0 {
      let first = starts.count * block
      remaining = walk(back: candidate, first..<min(first + block, candidate.count), from: start, remaining, body)
    }
  }

  /// Walks from the end of the candidate's `range` to its start; returns how many tokens of the reference are left.
  private mutating func walk(
    back candidate: [Int32], _ range: Range<Int>, from start: [UInt64], _ remaining: Int, _ body: (Int) -> Void
  ) -> Int {
    var columns: [UInt64] = []
    columns.reserveCapacity(range.count * words)
    var column = start
    for index in range {
      advance(&column, by: candidate[index])
      columns.append(contentsOf: column)
    }
    var (i, j) = (remaining, range.count)
    while i > 0, j > 0 {
      if reference[i - 1] == candidate[range.lowerBound + j - 1] {
        body(i - 1)
        i -= 1
        j -= 1
      } else if columns[(j - 1) * words + (i - 1) >> 6] >> UInt64((i - 1) & 63) & 1 == 0 {
        j -= 1
      } else {
        i -= 1
      }
    }
    return i
  }

  /// The column after one more token of the candidate.
  private mutating func advance(_ column: inout [UInt64], by token: Int32) {
    guard let slot = places.slot(of: token) else { return }
    let places = places[slot]
    let first = Int(places[places.startIndex]) >> 6
    if let mask = masks[slot] { return Self.advance(&column, mask, from: first) }
    for place in places { scratch[Int(place) >> 6] |= 1 << UInt64(place & 63) }
    Self.advance(&column, scratch, from: first)
    for place in places { scratch[Int(place) >> 6] = 0 }
  }

  private static func advance(_ column: inout [UInt64], _ mask: [UInt64], from first: Int) {
    column.withUnsafeMutableBufferPointer { column in
      mask.withUnsafeBufferPointer { mask in
        var carry: UInt64 = 0
        for word in first..<column.count {
          let old = column[word]
          let (partial, overflow) = old.addingReportingOverflow(old & mask[word])
          let (sum, second) = partial.addingReportingOverflow(carry)
          column[word] = sum | old & ~mask[word]
          carry = overflow || second ? 1 : 0
        }
      }
    }
  }
}

/// Where each token of a sequence occurs.
private struct TokenPlaces {
  private var slots: [Int32: Int] = [:]
  /// The places of one token after those of another.
  private var places: [Int32]
  private var ends: [Int] = []

  var count: Int { ends.count }

  init(_ tokens: [Int32]) {
    var counts: [Int] = []
    for token in tokens {
      if let slot = slots[token] {
        counts[slot] += 1
      } else {
        slots[token] = counts.count
        counts.append(1)
      }
    }
    var starts: [Int] = []
    for count in counts {
      starts.append(ends.last ?? 0)
      ends.append((ends.last ?? 0) + count)
    }
    places = [Int32](repeating: 0, count: tokens.count)
    for (place, token) in tokens.enumerated() {
      guard let slot = slots[token] else { continue }
      places[starts[slot]] = Int32(place)
      starts[slot] += 1
    }
  }

  func slot(of token: Int32) -> Int? { slots[token] }

  subscript(slot: Int) -> ArraySlice<Int32> { places[(slot == 0 ? 0 : ends[slot - 1])..<ends[slot]] }
}
