// Reads an answer line by line and assigns each line to a part.

/// The parts of an answer that have been read so far.
struct AnswerScanner {
  /// The parts that belong to one summary.
  struct Section {
    var hasBegun = false
    var scores = SummaryScores()
    /// Whether the heading occurred again with a different text.
    var isRepeated: Bool { others.contains { $0 != text } }
    /// The summary, without additions of the teacher such as rules and word counts.
    var text: String { Self.trimmed(lines) }
    fileprivate var lines: [String] = []
    fileprivate var repetitions: [[String]] = []

    /// Removes the table rows at the end, which belong to a table of scores.
    fileprivate mutating func dropTable() { while lines.last?.trimmed.hasPrefix("|") == true { lines.removeLast() } }

    private var others: [String] { repetitions.map(Self.trimmed) }

    private static func trimmed(_ lines: [String]) -> String {
      let kept = lines.drop(while: isPadding).reversed().drop(while: isPadding).reversed()
      return kept.joined(separator: "\n").trimmed
    }

    private static func isPadding(_ line: String) -> Bool {
      let text = line.trimmed
      if text.allSatisfy({ "-*_=#`".contains($0) }) { return true }
      return text.count <= 30 && text.hasPrefix("(") && text.dropFirst().first?.isNumber == true
        && text.lowercased().hasSuffix("words)")
    }
  }

  private enum Part {
    case none
    case summary
    case repetition
    case scores
    case explanation
    case verdict
  }

  private(set) var sections = [Section(), Section()]
  /// The summaries that the answer calls better, without duplicates.
  private(set) var verdicts: Set<Int> = []
  private(set) var hasUnclearVerdict = false
  private var part = Part.none
  /// The summary that the current part is about: 1 or 2.
  private var current: Int?
  /// A heading whose value may be on the next line.
  private var awaited: AnswerHeading?

  /// Whether the text ends inside a sentence of a summary, so that it was cut.
  var endsInSentence: Bool {
    guard part == .summary, let current, let last = sections[current - 1].text.last else { return false }
    return last.isLetter || ",;:-–—(“„«".contains(last)
  }

  mutating func read(_ line: Substring) {
    let cursor = LineCursor(line)
    if let awaited, !line.allSatisfy(\.isWhitespace) {
      self.awaited = nil
      if take(cursor, as: awaited) { return }
    }
    if readTableRow(line) { return }
    guard let heading = LineHeading(cursor) else {
      append(String(line))
      return
    }
    switch heading.kind {
    case .summary(let index): open(index, heading.value)
    case .part(let kind): read(kind, of: heading.index, heading.value)
    }
  }

  /// Takes the value of a heading that was alone on its line.
  private mutating func take(_ line: LineCursor, as heading: AnswerHeading) -> Bool {
    var cursor = line
    cursor.skipOpening()
    switch heading {
    case .verdict:
      // "Summary 1" names a summary, "Summary 1:" starts it.
      if case .summary? = LineHeading(line)?.kind, !line.isNameAlone { return false }
      guard let index = Verdict(cursor).summary else { return false }
      verdicts.insert(index)
      return true
    case .total:
      guard let current, let reading = ScoreReading(cursor), reading.isWhole else { return false }
      sections[current - 1].scores.add(reading)
      return true
    default: return false
    }
  }

  private mutating func append(_ line: String) {
    guard let current else { return }
    switch part {
    case .summary: sections[current - 1].lines.append(line)
    case .repetition:
      let last = sections[current - 1].repetitions.count - 1
      sections[current - 1].repetitions[last].append(line)
    default: break
    }
  }

  // MARK: Headings

  /// "Summary 1:". Under scores and explanations these words only say which summary is meant.
  private mutating func open(_ index: Int, _ value: LineCursor) {
    let text = value.rest.withoutOuterEmphasis
    guard sections[index - 1].hasBegun else {
      sections[index - 1].hasBegun = true
      sections[index - 1].lines = [text]
      (current, part) = (index, .summary)
      return
    }
    if part == .verdict { return }
    current = index
    if let reading = ScoreReading(value), reading.isWhole || part == .scores {
      sections[index - 1].scores.add(reading, isRemark: part == .explanation)
      if part != .explanation { part = .scores }
    } else if part != .explanation, part != .scores {
      sections[index - 1].repetitions.append([text])
      part = .repetition
    }
  }

  private mutating func read(_ heading: AnswerHeading, of index: Int?, _ value: LineCursor) {
    let isRemark = part == .explanation
    if let index { current = index }
    switch heading {
    case .criterion:
      guard let current, let reading = ScoreReading(value) else { return append(value.rest) }
      sections[current - 1].scores.add(reading, isRemark: isRemark)
      if !isRemark { part = .scores }
    case .total, .scores:
      part = .scores
      guard !value.isAtEnd else {
        if heading == .total { awaited = .total }
        return
      }
      guard let current else { return }
      if let reading = ScoreReading(value) {
        sections[current - 1].scores.add(reading)
      } else if heading == .total {
        sections[current - 1].scores.addUnreadable(value.rest)
      }
    case .explanation:
      part = .explanation
    case .verdict, .choice:
      part = .verdict
      switch Verdict(value) {
      case .summary(let index): verdicts.insert(index)
      case .unclear: hasUnclearVerdict = true
      case .absent: awaited = .verdict
      }
    case .aside:
      if part == .summary || part == .repetition { part = .none }
    }
  }

  /// "| Coherence | 4 | 5 |": one column for each summary.
  private mutating func readTableRow(_ line: Substring) -> Bool {
    let row = String(line).trimmed
    guard row.hasPrefix("|"), row.dropFirst().contains("|") else { return false }
    let cells = row.split(separator: "|").map { LineCursor($0) }
    guard cells.count == 3 else { return false }
    var name = cells[0]
    name.skipOpening()
    let scores = cells[1...].compactMap { cell in
      var cell = cell
      cell.skipEmphasis()
      return cell.takeScore()
    }
    guard let heading = AnswerWords.headings.take(&name), scores.count == 2 else {
      // Heading rows and rules are not text.
      return part != .summary
    }
    for (place, score) in scores.enumerated() {
      guard let reading = ScoreReading(score, of: heading) else { return false }
      sections[place].scores.add(reading)
    }
    if part == .summary, let current { sections[current - 1].dropTable() }
    part = .scores
    return true
  }
}

extension LineCursor {
  /// Whether the line has only the name of a summary and perhaps a full stop.
  fileprivate var isNameAlone: Bool {
    var cursor = self
    cursor.skipOpening()
    guard cursor.takeSummaryName() != nil else { return false }
    cursor.skipClosingMarks()
    return cursor.isAtEnd || cursor.isLastMark(".")
  }
}

extension String {
  /// The parts between line feeds.
  var lines: [Substring] {
    utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Substring($0) }
  }

  /// Without white space at both ends.
  var trimmed: String {
    // By scalars: grapheme breaking would take longer than all other work on an answer.
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(self[first..<scalars.index(after: last)])
  }

  /// Removes the marks at the end of `**Summary 1: text**`: `text**` becomes `text`.
  fileprivate var withoutOuterEmphasis: String {
    let text = trimmed
    guard text.hasSuffix("**"), !text.dropLast(2).contains("**") else { return text }
    return String(text.dropLast(2))
  }
}
