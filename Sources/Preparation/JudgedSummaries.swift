// Parses a teacher's answer: two summaries, their total scores and the verdict.

/// Two summaries of one document and the teacher's judgement.
package struct JudgedSummaries: Sendable, Equatable {
  /// Summary 1 and summary 2, in this order even if the answer has another.
  package let texts: [String]
  /// Their total scores, 4 to 18.
  package let scores: [Double]
  /// The better summary according to the teacher: 0 or 1.
  package let best: Int

  /// Comparing two texts takes memory proportional to the square of their length.
  private static let maximumBytes = 1 << 18

  /// Reads an answer.
  /// - Parameter isCutShort: whether the teacher reached its token limit.
  /// - Throws: `Rejection` with the first reason why the answer cannot be used.
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

  /// The missing parts, in their expected order.
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
