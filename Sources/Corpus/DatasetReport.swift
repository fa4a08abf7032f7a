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
  /// Examples whose prompt lost its last tokens, because they are different when a completion follows.
  package private(set) var movedSeams = 0
  /// Examples with the text of a special token in a field; it stays text here.
  package private(set) var specialTexts = 0
  /// Examples with special tokens that a field spells.
  package private(set) var parsedTexts = 0
  /// Examples whose system field was ignored, because the prompt is already rendered.
  package private(set) var ignoredSystems = 0
  /// Examples of which the template renders an answer otherwise once messages follow.
  package private(set) var brokenPrefixes = 0
  /// Examples of plain text although the model has a chat template.
  package private(set) var bareTexts = 0
  /// Examples whose prompt ends with the assistant's turn.
  package private(set) var answeredPrompts = 0
  /// Examples whose completions begin with the prompt again.
  package private(set) var repeatedPrompts = 0
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
    movedSeams += part.traits.seamTokens > 0 ? 1 : 0
    specialTexts += part.traits.holdsSpecialText && !part.traits.parsesSpecialText ? 1 : 0
    parsedTexts += part.traits.holdsSpecialText && part.traits.parsesSpecialText ? 1 : 0
    ignoredSystems += part.traits.ignoresSystem ? 1 : 0
    brokenPrefixes += part.traits.breaksPrefix ? 1 : 0
    bareTexts += part.oddities.isBareText ? 1 : 0
    answeredPrompts += part.oddities.answersItself ? 1 : 0
    repeatedPrompts += part.oddities.repeatsPrompt ? 1 : 0
    for remark in part.traits.remarks { remarks[remark, default: 0] += 1 }
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
    if dropped > 0 {
      lines.append(
        "\(dropped) dropped, longer than \(limit): "
          + RecordLocation.list(firstDropped, of: dropped))
    }
    if equalPairs > 0 {
      let fate = omissions.map { $0.equalPairs ? " and are left out" : " (drop_equal_pairs: true leaves them out)" }
      lines.append("\(equalPairs) with chosen equal to rejected: they prefer nothing\(fate ?? "")")
    }
    if movedSeams > 0 {
      lines.append("\(movedSeams) whose prompt ends in other tokens before a completion: the completion starts there")
    }
    if specialTexts > 0 {
      lines.append(
        "\(specialTexts) with the text of a special token in a field: it stays text (TRL and axolotl make it the "
          + "token)")
    }
    if parsedTexts > 0 { lines.append("\(parsedTexts) with special tokens in a field, made from its text") }
    if ignoredSystems > 0 {
      lines.append("\(ignoredSystems) with a system field beside a rendered question: the question is taken as it is")
    }
    if brokenPrefixes > 0 {
      lines.append(
        "\(brokenPrefixes) with answers that the chat template renders otherwise once messages follow: they are trained as "
          + "the whole chat has them")
    }
    for remark in RecordRemark.allCases {
      if let count = remarks[remark] { lines.append("\(count) \(remark.text)") }
    }
    return (lines + oddities).joined(separator: "\n")
  }

  /// What was probably not meant, and the way out.
  private var oddities: [String] {
    [
      bareTexts > 0
        ? "\(bareTexts) as plain text, without the chat template that the model has: if they are questions and answers, set "
          + "type: chatml.prompt_pairs, which makes chats of texts, or give lists of messages" : nil,
      answeredPrompts > 0
        ? "\(answeredPrompts) whose prompt ends with the assistant's turn: if that is the chosen answer, name a field without "
          + "it (field_messages, field_prompt)" : nil,
      repeatedPrompts > 0
        ? "\(repeatedPrompts) whose answers begin with the whole prompt again: take it out of them, or take out the prompt "
          + "field, and it is what chosen and rejected have in common" : nil,
    ].compactMap(\.self)
  }

  /// The error of data of which no example is left.
  var emptiness: CorpusError {
    let equal = omissions?.equalPairs == true ? equalPairs : 0
    guard equal > 0 || skipped > 0 else { return .nothingFits(records: records, limit: limit.description) }
    let reasons = [
      (skipped, "with mistakes (skip_bad_records)"), (equal, "with chosen equal to rejected (drop_equal_pairs)"),
      (dropped, "longer than \(limit.description)"),
    ]
    return .nothingLeft(
      reasons.filter { $0.0 > 0 }.map { "\($0) \($1)" }.joined(separator: ", ") + ", of \(records) records")
  }
}
