// Recognises the heading at the start of an answer's line, if there is one.

/// The heading of a line.
struct LineHeading {
  enum Kind: Equatable {
    /// The name and number of a summary.
    case summary(Int)
    case part(AnswerHeading)
  }

  let kind: Kind
  /// The summary that the heading names: "Explanation of summary 2:".
  var index: Int?
  /// The start of the value. For a criterion this is its name, since more criteria may follow in the line.
  var value: LineCursor
}

extension LineHeading {
  /// - Returns: nil for a line of text.
  init?(_ line: LineCursor) {
    var cursor = line
    cursor.skipOpening()
    var summary = cursor
    if let index = summary.takeSummaryName() {
      self.init(summary: index, after: summary)
    } else {
      _ = AnswerWords.articles.take(&cursor)
      cursor.skipSpace()
      self.init(part: cursor)
    }
  }

  /// A summary's name with its number, followed by a colon, nothing, or the name of one of its parts.
  private init?(summary index: Int, after name: LineCursor) {
    var part = name
    part.skipClosingMarks()
    if part.take("'") { _ = part.take("s") }
    _ = part.takeSeparator()
    part.skipEmphasis()
    if let heading = LineHeading(part: part), heading.kind != .part(.verdict), heading.kind != .part(.choice) {
      self = heading
      self.index = heading.index ?? index
      return
    }
    var cursor = name
    let isSetOff = cursor.skipClosingMarks()
    cursor.skipEmphasis()
    // "(350 words)", "(long)".
    if let bracketed = cursor.takeBracketed(), bracketed.count > 80 { return nil }
    cursor.skipClosingMarks()
    cursor.skipSpace()
    guard cursor.takeSeparator() || isSetOff || cursor.isAtEnd || cursor.isLastMark(".") else { return nil }
    cursor.skipClosingMarks()
    self.init(kind: .summary(index), index: index, value: cursor)
  }

  /// The name of a part, its summary, and then a sign that it is a heading and not a word of a text.
  private init?(part start: LineCursor) {
    var cursor = start
    guard let heading = AnswerWords.headings.take(&cursor) else { return nil }
    let isVerdict = heading == .verdict || heading == .choice
    let index = isVerdict ? nil : cursor.takeQualifiers()
    if isVerdict { cursor.skipBracketedWords() }
    var named = cursor
    let isSetOff = cursor.skipClosingMarks()
    let hasSeparator = cursor.takeSeparator() || isSetOff
    cursor.skipClosingMarks()
    cursor.skipEmphasis()
    switch heading {
    case .criterion:
      guard ScoreReading(start)?.criteria.isEmpty == false else { return nil }
      cursor = start
    case .total:
      guard hasSeparator || cursor.isAtEnd || ScoreReading(cursor)?.isWhole == true else { return nil }
    case .scores:
      guard cursor.isAtEnd || ScoreReading(cursor) != nil else { return nil }
    case .explanation:
      guard hasSeparator || cursor.isAtEnd else { return nil }
    case .aside:
      guard hasSeparator else { return nil }
    case .verdict, .choice:
      named.skipEmphasis()
      if AnswerWords.copulas.take(&named) != nil {
        // "The best summary is summary 2": the words alone can also start a sentence.
        _ = named.takeSeparator()
        cursor = named
        guard Verdict(cursor).summary != nil else { return nil }
      } else if heading == .choice || !hasSeparator && !cursor.isAtEnd {
        guard Verdict(cursor).summary != nil else { return nil }
      }
    }
    self.init(kind: .part(heading), index: index, value: cursor)
  }
}

extension LineCursor {
  /// Moves past "Summary 1", "Summary No. 1", "First summary" and their translations.
  mutating func takeSummaryName() -> Int? {
    var cursor = self
    _ = AnswerWords.articles.take(&cursor)
    cursor.skipSpace()
    let ordinal = AnswerWords.ordinals.take(&cursor)
    cursor.skipSpace()
    guard AnswerWords.summaries.take(&cursor) != nil else { return nil }
    guard ordinal == nil else {
      self = cursor
      return ordinal
    }
    cursor.skipEmphasis()
    _ = AnswerWords.numberSigns.take(&cursor)
    cursor.skipSpace()
    guard let number = AnswerWords.numbers.take(&cursor) else { return nil }
    self = cursor
    return number
  }

  /// Moves past words between a heading's word and its colon. Returns the summary that they name.
  mutating func takeQualifiers() -> Int? {
    var index: Int?
    while true {
      skipEmphasis()
      var cursor = self
      if let bracketed = cursor.takeBracketed() {
        var inside = LineCursor(bracketed)
        inside.skipSpace()
        // A score in brackets is a value, so it is not skipped.
        guard inside.takeScore() == nil || !inside.isAtEnd else { return index }
        if let named = LineCursor(bracketed).named { index = named }
        self = cursor
      } else if let named = cursor.takeSummaryName() {
        index = named
        self = cursor
      } else if AnswerWords.fillers.take(&cursor) != nil {
        self = cursor
      } else if let number = AnswerWords.numbers.take(&cursor), cursor.isBeforeColon {
        index = number
        self = cursor
      } else {
        return index
      }
    }
  }

  /// The summary named in brackets: "Summary 1" or its number.
  private var named: Int? {
    var cursor = self
    cursor.skipSpace()
    guard let index = cursor.takeSummaryName() ?? AnswerWords.numbers.take(&cursor) else { return nil }
    return cursor.isAtEnd ? index : nil
  }

  mutating func skipBracketedWords() {
    var cursor = self
    cursor.skipEmphasis()
    if let bracketed = cursor.takeBracketed(), Verdict(LineCursor(bracketed)).summary == nil { self = cursor }
  }

  private var isBeforeColon: Bool {
    var cursor = self
    cursor.skipEmphasis()
    while cursor.takeBracketed() != nil { cursor.skipEmphasis() }
    return cursor.current == ":"
  }

  /// Whether only `scalar` and perhaps marks of emphasis follow.
  func isLastMark(_ scalar: Unicode.Scalar) -> Bool {
    var cursor = self
    guard cursor.take(scalar) else { return false }
    cursor.skipEmphasis()
    return cursor.isAtEnd
  }
}

/// The summary that a verdict names.
enum Verdict: Equatable {
  case summary(Int)
  /// Both, neither, or words that do not name a summary.
  case unclear
  case absent

  init(_ value: LineCursor) {
    var cursor = value
    cursor.skipOpening()
    guard !cursor.isAtEnd else {
      self = .absent
      return
    }
    guard let index = cursor.takeChoice() else {
      self = .unclear
      return
    }
    cursor.skipEmphasis()
    cursor.skipClosingMarks()
    cursor.skipEmphasis()
    if AnswerWords.conjunctions.take(&cursor) != nil {
      cursor.skipOpening()
      if let other = cursor.takeChoice(), other != index {
        self = .unclear
        return
      }
    }
    self = .summary(index)
  }

  var summary: Int? { if case .summary(let index) = self { index } else { nil } }
}

extension LineCursor {
  /// Moves past the name or number of a summary.
  fileprivate mutating func takeChoice() -> Int? {
    var cursor = self
    if let index = cursor.takeSummaryName() {
      self = cursor
      return index
    }
    _ = AnswerWords.articles.take(&cursor)
    cursor.skipSpace()
    _ = AnswerWords.numberSigns.take(&cursor)
    cursor.skipSpace()
    guard let index = AnswerWords.numbers.take(&cursor) ?? AnswerWords.ordinals.take(&cursor) else { return nil }
    self = cursor
    return index
  }
}
