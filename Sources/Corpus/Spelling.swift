// Suggests the name that the user probably meant.

package enum Spelling {
  /// The name closest to `word`; nil if its distance from `word` is more than a third of the letters (at least 2).
  package static func nearest(to word: String, among names: [String]) -> String? {
    let limit = max(2, word.count / 3)
    // A length difference above the limit implies a larger distance; `word` may be as long as its file.
    let distances = names.filter { abs($0.utf8.count - word.utf8.count) <= limit }
      .map { (name: $0, distance: distance(Array(word.utf8), Array($0.utf8))) }
    guard let best = distances.min(by: { $0.distance < $1.distance }), best.distance <= limit else { return nil }
    return best.name
  }

  /// Edits between two words: insert, delete, replace, or swap two neighbours.
  private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var before: [Int] = []
    var above = Array(0...second.count)
    for (row, letter) in first.enumerated() {
      var current = [row + 1]
      for (column, other) in second.enumerated() {
        var best = min(current[column] + 1, above[column + 1] + 1, above[column] + (letter == other ? 0 : 1))
        if row > 0, column > 0, letter == second[column - 1], first[row - 1] == other {
          best = min(best, before[column - 1] + 1)
        }
        current.append(best)
      }
      (before, above) = (above, current)
    }
    return above[second.count]
  }
}
