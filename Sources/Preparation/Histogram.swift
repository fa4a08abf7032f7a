// Counts numbers in bins of equal width.

package import Checkpoints

/// Counts of numbers in bins `[start + i width, start + (i + 1) width)`. The first and the last bin are open-ended.
package struct Histogram: Sendable, Equatable {
  package let start: Double
  package let width: Double
  package private(set) var counts: [Int]

  package init(from start: Double, by width: Double, bins: Int) {
    precondition(width > 0 && bins > 0, "\(bins) bins of width \(width)")
    (self.start, self.width, counts) = (start, width, [Int](repeating: 0, count: bins))
  }

  package mutating func count(_ number: Double) {
    // Adds a little, so that 0.15 falls into the bin that starts at 3 * 0.05.
    let bin = ((number - start) / width + 1e-9).rounded(.down)
    counts[Int(min(max(bin, 0), Double(counts.count - 1)))] += 1
  }

  package var json: JSONValue {
    ["start": .number(start), "width": .number(width), "counts": .array(counts.map { .integer(Int64($0)) })]
  }

  /// One line per bin, from the first to the last non-empty bin.
  package func lines() -> [String] {
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 }),
      let highest = counts.max()
    else { return [] }
    return (first...last).map { bin in
      let label = plain(rounded(start + Double(bin) * width)) + (bin == counts.count - 1 ? "+" : " ")
      let length = (40 * counts[bin] + highest - 1) / highest
      let bar = String(repeating: "#", count: length)
      return String(repeating: " ", count: max(0, 8 - label.count)) + "\(label)  \(bar) \(counts[bin])"
    }
  }
}
