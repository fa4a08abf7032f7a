// Reads the scores of one line, in any order and punctuation.

/// A score as written: the number, and its maximum if the answer gives one.
struct WrittenScore: Equatable {
  var value: Double
  var maximum: Double?
}

/// Scores by criterion and their total, as far as a line has them.
struct ScoreReading {
  private(set) var criteria: [(criterion: Criterion, score: WrittenScore)] = []
  private(set) var total: WrittenScore?
  /// The sum of the addends of "4 + 5 + 4 + 3 = 16".
  private(set) var sum: Double?
  /// Whether the line ends with the scores.
  private(set) var isWhole = false

  /// Reads scores from the start of the line's value.
  /// - Returns: nil when there is no score.
  init?(_ value: LineCursor) {
    var cursor = value
    cursor.skipEmphasis()
    if !takeNamed(&cursor) {
      guard takeNumbers(&cursor) else { return nil }
      // The scores that make up a total may follow it in brackets.
      _ = takeNamed(&cursor)
    }
    cursor.skipBetweenScores()
    isWhole = cursor.isAtEnd
  }

  /// A score from a table cell whose row has a name.
  init?(_ score: WrittenScore, of heading: AnswerHeading) {
    switch heading {
    case .criterion(let criterion): criteria = [(criterion, score)]
    case .total: total = score
    default: return nil
    }
  }

  /// "Coherence: 4, Consistency: 5/5, … Total: 16"; the total may also follow an equals sign.
  private mutating func takeNamed(_ cursor: inout LineCursor) -> Bool {
    var found = false
    while true {
      var next = cursor
      next.skipBetweenScores()
      if next.take("=") {
        next.skipEmphasis()
        guard found, let score = next.takeScore() else { return found }
        total = score
      } else if let heading = AnswerWords.headings.take(&next), let score = next.takeScoreAfterName() {
        switch heading {
        case .criterion(let criterion): criteria.append((criterion, score))
        case .total where found: total = score
        default: return found
        }
      } else {
        return found
      }
      found = true
      cursor = next
    }
  }

  /// "15", "15/18", "4 + 5 + 4 + 3 = 16", or one number for each criterion: "4, 5, 4, 3".
  private mutating func takeNumbers(_ cursor: inout LineCursor) -> Bool {
    guard let first = cursor.takeScore() else { return false }
    var scores = [first]
    cursor.skipRemark()
    let isSum = cursor.current == "+"
    while cursor.take("+") || !isSum && (cursor.take(",") || cursor.take(";")) {
      cursor.skipEmphasis()
      guard let next = cursor.takeScore() else { return isSum ? false : finish(scores, isSum: isSum) }
      scores.append(next)
      cursor.skipRemark()
    }
    if scores.count > 1, cursor.take("=") {
      cursor.skipEmphasis()
      guard let score = cursor.takeScore() else { return false }
      total = score
    }
    return finish(scores, isSum: isSum)
  }

  private mutating func finish(_ scores: [WrittenScore], isSum: Bool) -> Bool {
    guard scores.count > 1 else {
      total = scores[0]
      return true
    }
    let sum = scores.reduce(0) { $0 + $1.value }
    if isSum {
      self.sum = sum
      total = total ?? WrittenScore(value: sum)
      return true
    }
    guard scores.count == Criterion.allCases.count else { return false }
    criteria = Array(zip(Criterion.allCases, scores))
    return true
  }
}

extension LineCursor {
  /// Moves past a score: "4", "4/5", "15 out of 18", "15分".
  mutating func takeScore() -> WrittenScore? {
    guard let value = takeNumber() else { return nil }
    var score = WrittenScore(value: value)
    var cursor = self
    cursor.skipEmphasis()
    if cursor.take("/") || AnswerWords.outOf.take(&cursor) != nil {
      cursor.skipEmphasis()
      if let maximum = cursor.takeNumber() {
        score.maximum = maximum
        self = cursor
      }
    }
    skipEmphasis()
    _ = take("分")
    return score
  }

  /// Moves past the score of the preceding criterion: "(1-5): 4", "(4/5)", " = 4".
  fileprivate mutating func takeScoreAfterName() -> WrittenScore? {
    var inBrackets: WrittenScore?
    _ = takeQualifiers()
    if let bracketed = takeBracketed() {
      var inside = LineCursor(bracketed)
      inside.skipSpace()
      if let score = inside.takeScore(), inside.isAtEnd { inBrackets = score }
    }
    let mark = self
    _ = takeSeparator()
    skipClosingMarks()
    skipEmphasis()
    if let score = takeScore() { return score }
    self = mark
    return inBrackets
  }

  /// Moves past spaces and the marks that separate scores.
  fileprivate mutating func skipBetweenScores() {
    skipEmphasis()
    while let scalar = current, [",", ";", "|", "+", "(", ")", "、", "."].contains(scalar) {
      position += 1
      skipEmphasis()
    }
  }

  /// Moves past a remark in brackets: "4 (coherence) + 5 (consistency)".
  fileprivate mutating func skipRemark() {
    skipEmphasis()
    var cursor = self
    guard cursor.takeBracketed() != nil else { return }
    cursor.skipEmphasis()
    if let scalar = cursor.current, ["+", ",", ";", "="].contains(scalar) { self = cursor }
  }
}
