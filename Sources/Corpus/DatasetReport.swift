// Counts the results of reading records, and describes them in a few lines for the user.

/// Counts over the records of a data set.
package struct DatasetReport: Sendable, Equatable, Codable, CustomStringConvertible {
  /// The number of records that a list of locations names.
  package static let namedRecords = 5

  package let limit: LengthLimit
  private let omissions: DataOmissions?
  package private(set) var records = 0
  /// Records of which at least one example was kept.
  package private(set) var kept = 0
  /// Examples of the kept records: KTO makes two of a pair, and a running text is divided into pieces.
  package private(set) var examples = 0
  package private(set) var truncated = 0
  package private(set) var dropped = 0
  /// Running texts that were divided, the pieces, and the single last tokens that no piece has.
  package private(set) var (divided, pieces, singleTokens) = (0, 0, 0)
  /// The first few.
  package private(set) var firstTruncated: [RecordLocation] = []
  /// The first few.
  package private(set) var firstDropped: [RecordLocation] = []
  /// Rows of all kept examples, with each prompt counted once.
  package private(set) var tokens = 0
  /// Prompt and longest completion of the longest kept example, in tokens.
  package private(set) var longest = 0
  /// Records with mistakes, which were left out.
  package private(set) var skipped = 0
  /// Pairs with equal completions, which have no preference.
  package private(set) var equalPairs = 0
  /// How many examples each remark is about.
  package private(set) var remarks: [RecordRemark: Int] = [:]

  init(limit: LengthLimit, omissions: DataOmissions?) { (self.limit, self.omissions) = (limit, omissions) }

  mutating func count(_ outcome: RecordOutcome, at location: RecordLocation) {
    records += 1
    guard case .read(let parts, _) = outcome else {
      skipped += 1
      return
    }
    if parts.contains(where: { !$0.trees.isEmpty }) { kept += 1 }
    for part in parts { count(part, at: location) }
  }

  private mutating func count(_ part: RecordOutcome.Part, at location: RecordLocation) {
    equalPairs += part.traits.isEqualPair ? 1 : 0
    guard !part.isLeftOut else { return }
    guard !part.trees.isEmpty else {
      dropped += 1
      if firstDropped.count < Self.namedRecords { firstDropped.append(location) }
      return
    }
    examples += part.trees.count
    for tree in part.trees {
      tokens += tree.tokenCount
      longest = max(longest, tree.sequenceLength)
    }
    for remark in part.traits.remarks { remarks[remark, default: 0] += 1 }
    if let tokens = part.tokensBetweenPieces {
      divided += 1
      pieces += part.trees.count
      singleTokens += tokens
    }
    guard part.isTruncated else { return }
    truncated += 1
    if firstTruncated.count < Self.namedRecords { firstTruncated.append(location) }
  }

  package var description: String {
    let made = examples == kept ? "" : " as \(examples) examples"
    var lines = ["\(kept) of \(records) records kept\(made): \(tokens) tokens, the longest example \(longest)"]
    if truncated > 0 {
      lines.append(
        "\(truncated) cut to \(limit), \(limit.strategy == .truncate ? "at the end" : "in the middle of the prompt"): "
          + RecordLocation.list(firstTruncated, of: truncated))
    }
    if divided > 0 {
      let lost =
        singleTokens == 0 ? "" : "; \(singleTokens) end in a single token that nothing predicts, which is left out"
      lines.append(
        "\(divided) longer than \(limit) divided into \(pieces) pieces, of which all tokens but the first are trained"
          + "\(lost)")
    }
    if dropped > 0 {
      lines.append(
        "\(dropped) dropped, longer than \(limit): "
          + RecordLocation.list(firstDropped, of: dropped))
    }
    if equalPairs > 0 {
      let fate = omissions.map { $0.equalPairs ? " and are left out" : " (drop_equal_pairs: true leaves them out)" }
      lines.append("\(equalPairs) with chosen equal to rejected: they prefer nothing\(fate ?? "")")
    }
    for remark in RecordRemark.allCases {
      if let count = remarks[remark] { lines.append("\(count) \(remark.text)") }
    }
    return lines.joined(separator: "\n")
  }

  /// The error of data of which no example is left.
  var emptiness: CorpusError {
    let equal = omissions?.equalPairs == true ? equalPairs : 0
    guard records > 0 else { return .nothingLeft("`split` takes none") }
    guard equal > 0 || skipped > 0 else { return .nothingFits(records: records, limit: limit.description) }
    let reasons = [
      (skipped, "with mistakes (skip_bad_records)"), (equal, "with chosen equal to rejected (drop_equal_pairs)"),
      (dropped, "longer than \(limit.description)"),
    ]
    return .nothingLeft(
      reasons.filter { $0.0 > 0 }.map { "\($0) \($1)" }.joined(separator: ", ") + ", of \(records) records")
  }
}
