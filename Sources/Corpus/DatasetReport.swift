// What became of the records, in numbers for the plan and in a few lines for people.

/// Counts over the records of a data set.
package struct DatasetReport: Sendable, Equatable, CustomStringConvertible {
  /// How many records a list of locations names.
  package static let namedRecords = 5

  package let limit: LengthLimit
  package private(set) var records = 0
  package private(set) var kept = 0
  package private(set) var truncated = 0
  package private(set) var dropped = 0
  /// The first few.
  package private(set) var firstTruncated: [RecordLocation] = []
  /// The first few.
  package private(set) var firstDropped: [RecordLocation] = []
  /// Rows of all kept examples, each prompt once.
  package private(set) var tokens = 0
  /// Prompt and longest completion of the longest kept example, in tokens.
  package private(set) var longest = 0
  /// Pairs whose completions are the same: kept, though they prefer nothing.
  package private(set) var equalPairs = 0
  /// Examples whose prompt lost its last tokens, because they read otherwise before a completion.
  package private(set) var movedSeams = 0
  /// Examples with the text of a special token in a field, which stays text here.
  package private(set) var specialTexts = 0

  init(limit: LengthLimit) { self.limit = limit }

  mutating func count(_ outcome: Dataset.Outcome, at location: RecordLocation) {
    records += 1
    switch outcome {
    case .wrong: break
    case .dropped:
      dropped += 1
      if firstDropped.count < Self.namedRecords { firstDropped.append(location) }
    case .kept(let example, let traits, let isTruncated):
      kept += 1
      tokens += example.tokenCount
      longest = max(longest, example.sequenceLength)
      equalPairs += traits.isEqualPair ? 1 : 0
      movedSeams += traits.seamTokens > 0 ? 1 : 0
      specialTexts += traits.holdsSpecialText ? 1 : 0
      guard isTruncated else { return }
      truncated += 1
      if firstTruncated.count < Self.namedRecords { firstTruncated.append(location) }
    }
  }

  package var description: String {
    var lines = ["\(kept) of \(records) records kept: \(tokens) tokens, the longest example \(longest)"]
    if truncated > 0 {
      lines.append(
        "\(truncated) cut to sequence_len \(limit.sequenceLength), in the middle of the prompt: "
          + Self.names(firstTruncated, of: truncated))
    }
    if dropped > 0 {
      lines.append(
        "\(dropped) dropped, longer than sequence_len \(limit.sequenceLength): "
          + Self.names(firstDropped, of: dropped))
    }
    if equalPairs > 0 { lines.append("\(equalPairs) with chosen equal to rejected: they prefer nothing") }
    if movedSeams > 0 {
      lines.append(
        "\(movedSeams) whose prompt ends in other tokens before a completion: the completion starts there")
    }
    if specialTexts > 0 {
      lines.append(
        "\(specialTexts) with the text of a special token in a field: it stays text (TRL makes it the token)")
    }
    return lines.joined(separator: "\n")
  }

  private static func names(_ locations: [RecordLocation], of count: Int) -> String {
    locations.map(\.description).joined(separator: ", ") + (count > locations.count ? ", …" : "")
  }
}
