// What a cached pass runs.

package import Tensors

/// Adjacent tokens of one sequence.
package struct CachedSpan: Sendable {
  package var tokens: ArraySlice<Int32>
  /// The keys of all tokens before.
  package var before: KeyRuns
  /// Where its own keys and values go.
  package var places: Range<Int>

  package init(tokens: ArraySlice<Int32>, before: KeyRuns, places: Range<Int>) {
    precondition(tokens.count == places.count, "\(tokens.count) tokens for \(places.count) places")
    (self.tokens, self.before, self.places) = (tokens, before, places)
  }

  /// Its first `count` tokens, and the others.
  package func cut(at count: Int) -> (first: CachedSpan, rest: CachedSpan) {
    let place = places.lowerBound + count
    let first = CachedSpan(tokens: tokens.prefix(count), before: before, places: places.lowerBound..<place)
    let rest = CachedSpan(
      tokens: tokens.dropFirst(count), before: before.appending(first.places), places: place..<places.upperBound)
    return (first, rest)
  }

  /// Cuts spans into runs of at most `rows` tokens, each part with the index of its span. The cuts do not change any bit
  /// of the results.
  package static func runs(_ spans: [CachedSpan], rows: Int) -> [[(span: CachedSpan, index: Int)]] {
    var (runs, count): ([[(span: CachedSpan, index: Int)]], Int) = ([], rows)
    for (index, span) in spans.enumerated() {
      var rest = span
      while !rest.tokens.isEmpty {
        if count == rows {
          runs.append([])
          count = 0
        }
        let (first, others) = rest.cut(at: min(rows - count, rest.tokens.count))
        runs[runs.count - 1].append((first, index))
        (rest, count) = (others, count + first.tokens.count)
      }
    }
    return runs
  }
}
