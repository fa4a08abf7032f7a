// The similarity of two texts: Levenshtein distance, 64 rows of the table at once.

/// Levenshtein distance over Unicode scalars, as in G. Myers ("A fast bit-vector algorithm for approximate string
/// matching based on dynamic programming", J. ACM 46, 1999), in the form of H. Hyyrö ("A bit-vector algorithm for
/// computing Levenshtein and Damerau edit distances", 2003) for patterns of any length.
package enum EditDistance {
  /// The minimum number of scalar insertions, deletions and replacements that turn one text into the other.
  ///
  /// Does not normalize: a letter and its accent as two scalars count as two.
  package static func between(_ first: String, _ second: String) -> Int {
    distance(Array(first.unicodeScalars), Array(second.unicodeScalars))
  }

  /// 1 − distance / length of the longer text, in 0...1; 1 for two empty texts.
  package static func similarity(_ first: String, _ second: String) -> Double {
    let (first, second) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
    let longer = max(first.count, second.count)
    return longer == 0 ? 1 : 1 - Double(distance(first, second)) / Double(longer)
  }

  /// 64 rows of the table at one column: bit masks of the rows that are one more or one less than the row above.
  private struct Block {
    var more = UInt64.max
    var less: UInt64 = 0
  }

  private static func distance(_ first: [Unicode.Scalar], _ second: [Unicode.Scalar]) -> Int {
    // The shorter text has the rows: fewer rows need fewer blocks.
    let (pattern, text) = first.count <= second.count ? (first, second) : (second, first)
    guard !pattern.isEmpty else { return text.count }
    let classes = ScalarClasses(pattern)
    let blockCount = (pattern.count + 63) / 64
    // For each class, the rows that contain it, block by block. Class 0 (scalars not in the pattern) has no rows.
    var rows = [UInt64](repeating: 0, count: classes.count * blockCount)
    for (row, scalar) in pattern.enumerated() {
      rows[classes[scalar] * blockCount + row / 64] |= 1 << UInt64(row % 64)
    }
    var blocks = [Block](repeating: Block(), count: blockCount)
    let lastRow = UInt64(1) << UInt64((pattern.count - 1) % 64)
    var distance = pattern.count
    rows.withUnsafeBufferPointer { rows in
      blocks.withUnsafeMutableBufferPointer { blocks in
        for scalar in text {
          let start = classes[scalar] * blockCount
          // The change from the last column to this one in the row above the block. The first row counts columns.
          var (risesAbove, fallsAbove): (UInt64, UInt64) = (1, 0)
          for index in 0..<blockCount {
            let (more, less) = (blocks[index].more, blocks[index].less)
            let matches = rows[start + index]
            let vertical = matches | less
            let reached = matches | fallsAbove
            let horizontal = (((reached & more) &+ more) ^ more) | reached
            var rises = less | ~(horizontal | more)
            var falls = more & horizontal
            if index == blockCount - 1 { distance += (rises & lastRow != 0 ? 1 : 0) - (falls & lastRow != 0 ? 1 : 0) }
            let (risesBelow, fallsBelow) = (rises >> 63, falls >> 63)
            rises = rises << 1 | risesAbove
            falls = falls << 1 | fallsAbove
            blocks[index].more = falls | ~(vertical | rises)
            blocks[index].less = rises & vertical
            (risesAbove, fallsAbove) = (risesBelow, fallsBelow)
          }
        }
      }
    }
    return distance
  }

  /// Small numbers for the scalars of a pattern; 0 for all other scalars.
  private struct ScalarClasses {
    private(set) var count = 1
    /// A table for the first 256 scalars, which are nearly all scalars of a European text.
    private var low = [Int](repeating: 0, count: 256)
    private var high: [Unicode.Scalar: Int] = [:]

    init(_ pattern: [Unicode.Scalar]) {
      for scalar in pattern where self[scalar] == 0 {
        if scalar.value < 256 { low[Int(scalar.value)] = count } else { high[scalar] = count }
        count += 1
      }
    }

    subscript(scalar: Unicode.Scalar) -> Int { scalar.value < 256 ? low[Int(scalar.value)] : high[scalar] ?? 0 }
  }
}
