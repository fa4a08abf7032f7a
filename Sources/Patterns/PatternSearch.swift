// Searches texts for a pattern as Python's `re` does, with what its groups match.

/// A pattern that is searched for.
///
/// All states are followed at once, in the order in which Python would try them (Pike's machine), so a search costs states
/// times characters for each match and nothing is tried twice.
package struct PatternSearch: Sendable {
  /// What one search may cost, in states that are entered.
  private static let maximumWork = 500_000_000

  /// A match: where the whole pattern and each of its groups match, in code points. A group that takes no part has nil.
  package struct Match: Sendable, Equatable {
    package let groups: [Range<Int>?]

    package var range: Range<Int> { groups[0] ?? 0..<0 }
  }

  private let program: PatternProgram
  /// The number of groups, with the whole match as the first.
  package let groupCount: Int
  private let groupNames: [String: Int]

  /// - Throws: `PatternRefusal` for what Python refuses, for references to groups, and above the limits.
  package init(_ pattern: String) throws(PatternRefusal) {
    (program, groupCount, groupNames) = try PatternParser.search(pattern)
  }

  /// The matches from left to right, as `re.finditer` gives them.
  /// - Throws: `PatternRefusal` if the search takes too long.
  package func matches(in text: [Unicode.Scalar], atMost maximum: Int = .max) throws(PatternRefusal) -> [Match] {
    var machine = PatternMachine(program, marks: 2 * groupCount, text, work: Self.maximumWork)
    var matches: [Match] = []
    var (start, mustAdvance) = (0, false)
    while start <= text.count, matches.count < maximum {
      guard let marks = try machine.run(from: start, isAnchored: false, mustAdvance: mustAdvance) else { break }
      let groups = (0..<groupCount).map { group -> Range<Int>? in
        let (lower, upper) = (marks[2 * group], marks[2 * group + 1])
        return lower >= 0 && upper >= lower ? lower..<upper : nil
      }
      let match = Match(groups: groups)
      matches.append(match)
      (start, mustAdvance) = (match.range.upperBound, match.range.isEmpty)
    }
    return matches
  }

  /// What `re.findall` gives: the groups of each match, or the whole match if the pattern has no group.
  /// - Throws: `PatternRefusal` if the search takes too long.
  package func findAll(_ text: String) throws(PatternRefusal) -> [[String]] {
    let scalars = Array(text.unicodeScalars)
    return try matches(in: scalars).map { match in
      (groupCount == 1 ? match.groups[...] : match.groups.dropFirst()).map { $0.map { Self.text(scalars[$0]) } ?? "" }
    }
  }

  /// The text with its matches replaced, as by `re.sub`.
  /// - Parameters:
  ///   - replacement: with `\1`, `\g<1>` or `\g<name>` for groups.
  ///   - count: how many are replaced at most; 0: all.
  /// - Throws: `PatternRefusal` if the replacement is malformed, or if the search takes too long.
  package func replacing(_ text: String, with replacement: String, count: Int = 0) throws(PatternRefusal) -> String {
    let scalars = Array(text.unicodeScalars)
    let matches = try matches(in: scalars, atMost: count > 0 ? count : .max)
    if matches.isEmpty { return text }
    let parts = try PatternReplacement(replacement, groups: groupCount, names: groupNames).parts
    var result = String.UnicodeScalarView()
    var place = 0
    for match in matches {
      result.append(contentsOf: scalars[place..<match.range.lowerBound])
      for part in parts {
        switch part {
        case .text(let text): result.append(contentsOf: text.unicodeScalars)
        case .group(let number): if let range = match.groups[number] { result.append(contentsOf: scalars[range]) }
        }
      }
      place = match.range.upperBound
    }
    result.append(contentsOf: scalars[place...])
    return String(result)
  }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }
}
