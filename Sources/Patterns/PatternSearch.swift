// Searches texts for a pattern as Python's `re` does, with what its groups match.

/// What a search may take.
package struct PatternRoom: Sendable {
  /// States that are entered: a second or two.
  package var states = 20_000_000
  /// Bytes of replacements.
  package var bytes = 256 << 20

  package init() {}

  fileprivate mutating func take(bytes count: Int) throws(PatternRefusal) {
    bytes -= count
    guard bytes >= 0 else { throw PatternRefusal(reason: "makes too long a text") }
  }
}

/// A pattern that is searched for.
///
/// All states are followed at once, in the order in which Python would try them (Pike's machine), so a search costs states
/// times characters for each match and nothing is tried twice.
package struct PatternSearch: Sendable {
  /// A match: where the whole pattern and each of its groups match, in code points. A group that takes no part has nil.
  package struct Match: Sendable, Equatable {
    package let groups: [Range<Int>?]

    package var range: Range<Int> { groups[0] ?? 0..<0 }
  }

  private let program: PatternProgram
  /// The number of groups, with the whole match as the first.
  package let groupCount: Int
  private let groupNames: [String: Int]
  /// States of the program: what reading the pattern took.
  package var stateCount: Int { program.count }

  /// - Throws: `PatternRefusal` for what Python refuses, for references to groups, and above the limits.
  package init(_ pattern: String) throws(PatternRefusal) {
    (program, groupCount, groupNames) = try PatternParser.search(pattern)
  }

  /// The matches from left to right, as `re.finditer` gives them.
  /// - Throws: `PatternRefusal` if the search takes too long.
  package func matches(in text: [Unicode.Scalar]) throws(PatternRefusal) -> [Match] {
    var room = PatternRoom()
    return try matches(in: text, atMost: .max, &room)
  }

  private func matches(
    in text: [Unicode.Scalar], atMost maximum: Int, _ room: inout PatternRoom
  ) throws(PatternRefusal) -> [Match] {
    var machine = PatternMachine(program, marks: 2 * groupCount, text, work: room.states)
    defer { room.states = machine.work }
    var matches: [Match] = []
    var (start, mustAdvance) = (0, false)
    while start <= text.count, matches.count < maximum {
      guard let marks = try machine.run(from: start, isAnchored: false, mustAdvance: mustAdvance) else { break }
      let groups = (0..<groupCount).map { group -> Range<Int>? in
        let (lower, upper) = (marks[2 * group], marks[2 * group + 1])
        return lower >= 0 && upper >= lower ? lower..<upper : nil
      }
      // A match takes memory too.
      machine.work -= 4 * groups.count + 4
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
  ///   - room: what it may take; less afterwards.
  /// - Throws: `PatternRefusal` if the replacement is malformed, or if it takes more than there is room for.
  package func replacing(
    _ text: String, with replacement: String, count: Int = 0, _ room: inout PatternRoom
  ) throws(PatternRefusal) -> String {
    let scalars = Array(text.unicodeScalars)
    let matches = try matches(in: scalars, atMost: count > 0 ? count : .max, &room)
    if matches.isEmpty { return text }
    let parts = try PatternReplacement(replacement, groups: groupCount, names: groupNames).parts
    var result: [UInt8] = []
    var place = 0
    for match in matches {
      result += Self.text(scalars[place..<match.range.lowerBound]).utf8
      for part in parts {
        switch part {
        case .text(let text):
          try room.take(bytes: text.utf8.count)
          result += text.utf8
        case .group(let number):
          guard let range = match.groups[number] else { continue }
          try room.take(bytes: 4 * range.count)
          result += Self.text(scalars[range]).utf8
        }
      }
      place = match.range.upperBound
    }
    result += Self.text(scalars[place...]).utf8
    return String(decoding: result, as: UTF8.self)
  }

  /// The same within the usual limits.
  package func replacing(_ text: String, with replacement: String, count: Int = 0) throws(PatternRefusal) -> String {
    var room = PatternRoom()
    return try replacing(text, with: replacement, count: count, &room)
  }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }
}
