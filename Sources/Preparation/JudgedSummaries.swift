// A teacher's answer, understood: two summaries, their total scores and the verdict.

/// Two summaries of one document and what the teacher thinks of them.
package struct JudgedSummaries: Sendable, Equatable {
  /// Summary 1 and summary 2, whatever the order they came in.
  package let texts: [String]
  /// Their total scores, 4 to 18.
  package let scores: [Double]
  /// The one called better: 0 or 1.
  package let best: Int

  /// Comparing two texts takes memory by the square of their length.
  private static let maximumBytes = 1 << 18

  /// Reads an answer.
  /// - Parameter isCutShort: whether the teacher ran into its limit of tokens.
  /// - Throws: `Rejection` with the first reason why it cannot be used.
  package init(answer: String, isCutShort: Bool = false) throws(Rejection) {
    guard answer.utf8.count <= Self.maximumBytes else {
      throw Rejection(.tooLong, "\(answer.utf8.count) bytes, expected at most \(Self.maximumBytes)")
    }
    let body = AnswerText.body(of: answer)
    var scanner = AnswerScanner()
    for line in body.text.lines { scanner.read(line) }
    guard !answer.allSatisfy(\.isWhitespace) else { throw Rejection(.empty) }
    let sections = scanner.sections
    let missing = Self.missing(scanner)
    if sections.allSatisfy({ !$0.hasBegun }), AnswerText.isRefusal(body.text) { throw Rejection(.refusal) }
    if let first = missing.first {
      if let open = body.open { throw Rejection(.truncated, open) }
      if isCutShort || scanner.endsInSentence {
        throw Rejection(.truncated, "missing: " + missing.map(\.detail).joined(separator: ", "))
      }
      if first.reason == .missingSummary { throw first }
    }
    if let number = sections.firstIndex(where: \.isRepeated) {
      throw Rejection(.repeatedSummary, "summary \(number + 1) is there twice, with different texts")
    }
    for (place, section) in sections.enumerated() {
      if let problem = section.scores.problem("summary \(place + 1)") { throw problem }
    }
    if let first = missing.first(where: { $0.reason == .missingScore }) { throw first }
    guard scanner.verdicts.count < 2 else { throw Rejection(.twoVerdicts) }
    guard let best = scanner.verdicts.first else {
      throw scanner.hasUnclearVerdict ? Rejection(.unclearVerdict) : Rejection(.missingVerdict)
    }
    guard !scanner.hasUnclearVerdict else { throw Rejection(.unclearVerdict) }
    texts = sections.map(\.text)
    scores = sections.compactMap(\.scores.total)
    self.best = best - 1
  }

  /// Which parts are not there, in the order in which they should be.
  private static func missing(_ scanner: AnswerScanner) -> [Rejection] {
    var missing: [Rejection] = []
    for (place, section) in scanner.sections.enumerated() where section.text.isEmpty {
      missing.append(Rejection(.missingSummary, "summary \(place + 1)"))
    }
    for (place, section) in scanner.sections.enumerated() where section.scores.isMissing {
      missing.append(Rejection(.missingScore, "the score of summary \(place + 1)"))
    }
    if scanner.verdicts.isEmpty, !scanner.hasUnclearVerdict {
      missing.append(Rejection(.missingVerdict, "the verdict"))
    }
    return missing
  }
}

/// What an answer says about the scores of one summary.
struct SummaryScores {
  private var criteria: [Criterion: WrittenScore] = [:]
  private var written: WrittenScore?
  private var wrongSum: (sum: Double, total: Double)?
  private var conflict = false
  private var unreadable: String?

  /// - Parameter isRemark: whether the scores stand in an explanation, where a criterion that has its score already
  ///   is only talked about.
  mutating func add(_ reading: ScoreReading, isRemark: Bool = false) {
    for (criterion, score) in reading.criteria {
      if let known = criteria[criterion] {
        if known.value != score.value, !isRemark { conflict = true }
      } else {
        criteria[criterion] = score
      }
    }
    guard let total = reading.total else { return }
    if let sum = reading.sum, abs(sum - total.value) > 1e-6 { wrongSum = wrongSum ?? (sum, total.value) }
    if let known = written {
      if known.value != total.value { conflict = true }
    } else {
      written = total
    }
  }

  /// A total that is no number.
  mutating func addUnreadable(_ text: String) { unreadable = unreadable ?? String(text.prefix(80)) }

  /// The sum of the criteria when all have a score.
  private var sum: Double? {
    criteria.count == Criterion.allCases.count ? criteria.values.reduce(0) { $0 + $1.value } : nil
  }

  var total: Double? { written?.value ?? sum }

  var isMissing: Bool { total == nil && unreadable == nil }

  /// What is wrong with the scores that are there.
  func problem(_ name: String) -> Rejection? {
    if conflict { return Rejection(.conflictingScores, name) }
    if let unreadable, total == nil { return Rejection(.unreadableScore, "\(name): \(unreadable)") }
    for criterion in Criterion.allCases {
      guard let score = criteria[criterion] else { continue }
      guard 1...criterion.maximum ~= score.value, score.maximum ?? criterion.maximum == criterion.maximum else {
        return Rejection(.scoreOutOfRange, "\(name): \(criterion) \(score), expected 1 to \(Int(criterion.maximum))")
      }
    }
    if let written {
      let range = Criterion.totals
      guard range ~= written.value, written.maximum ?? range.upperBound == range.upperBound else {
        return Rejection(.scoreOutOfRange, "\(name): total \(written), expected 4 to 18")
      }
      if let wrongSum {
        return Rejection(.wrongSum, "\(name): \(plain(wrongSum.sum)) by addends, \(plain(wrongSum.total)) written")
      }
      if let sum, abs(sum - written.value) > 1e-6 {
        return Rejection(.wrongSum, "\(name): \(plain(sum)) by criteria, \(written) written")
      }
    }
    return nil
  }
}

extension WrittenScore: CustomStringConvertible {
  var description: String { plain(value) + (maximum.map { "/\(plain($0))" } ?? "") }
}

/// A number without a fraction it does not have.
func plain(_ number: Double) -> String {
  Int(exactly: number).map { "\($0)" } ?? "\(number)"
}
