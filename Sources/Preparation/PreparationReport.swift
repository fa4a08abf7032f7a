// The statistics of documents and answers: numbers for report.json and a page for the user.

package import Checkpoints

/// Counts and histograms of one preparation of pairs.
package struct PreparationReport: Sendable, CustomStringConvertible {
  private let limits: DocumentLimits
  private let filter: PairFilter
  private let testShare: Double

  private let recordCount: Int
  private let duplicateCount: Int
  private let uses: [(name: String, count: Int)]
  private let unansweredCount: Int
  private let referenceCount: Int

  package let answerCount: Int
  package let trainCount: Int
  package let testCount: Int
  /// Rejected answers by reason, in the order of the reasons. Reasons that did not occur are left out.
  package let rejects: [(reason: RejectReason, count: Int)]
  /// Pairs whose chosen summary is the first. The prompt asks for a longer first summary.
  private let firstChosenCount: Int

  private var documentTokens = Histogram(from: 0, by: 100, bins: 41)
  private var similarities = Histogram(from: 0, by: 0.05, bins: 21)
  private var differences = Histogram(from: 0, by: 1, bins: 15)
  private var chosenScores = Histogram(from: 4, by: 1, bins: 15)
  private var rejectedScores = Histogram(from: 4, by: 1, bins: 15)
  private var chosenLengths = Histogram(from: 0, by: 200, bins: 26)
  private var rejectedLengths = Histogram(from: 0, by: 200, bins: 26)
  private let meanLengths: (chosen: Double, rejected: Double)

  init(
    documents: SourceDocuments, filter: PairFilter, testShare: Double, answers: [String],
    outcomes: [PairFilter.Outcome], rejects: [RejectedAnswer], train: [PreferencePair], test: [PreferencePair],
    references: Int
  ) {
    referenceCount = references
    (limits, self.filter, self.testShare) = (documents.limits, filter, testShare)
    (recordCount, duplicateCount) = (documents.recordCount, documents.duplicates.count)
    uses = [
      ("for_pairs", documents.count(.pair)), ("held_out", documents.count(.heldOut)),
      ("too_short", documents.count(.tooShort)), ("between", documents.count(.between)),
      ("too_long", documents.count(.tooLong)),
    ]
    let answered = Set(answers)
    unansweredCount = documents.documents.count { $0.lengthClass == .pair && !answered.contains($0.id) }
    (answerCount, trainCount, testCount) = (answers.count, train.count, test.count)
    self.rejects = RejectReason.allCases.compactMap { reason in
      let count = rejects.count { $0.rejection.reason == reason }
      return count > 0 ? (reason, count) : nil
    }
    for document in documents.documents { documentTokens.count(Double(document.tokens)) }
    for outcome in outcomes {
      guard let judged = outcome.judged, let similarity = outcome.similarity else { continue }
      similarities.count(similarity)
      differences.count(abs(judged.scores[0] - judged.scores[1]))
    }
    let pairs = train + test
    firstChosenCount = pairs.count { $0.judged.best == 0 }
    var (chosen, rejected) = (0, 0)
    for pair in pairs {
      let lengths = (pair.chosen.unicodeScalars.count, pair.rejected.unicodeScalars.count)
      (chosen, rejected) = (chosen + lengths.0, rejected + lengths.1)
      chosenLengths.count(Double(lengths.0))
      rejectedLengths.count(Double(lengths.1))
      chosenScores.count(pair.judged.scores[pair.judged.best])
      rejectedScores.count(pair.judged.scores[1 - pair.judged.best])
    }
    let count = Double(max(1, pairs.count))
    meanLengths = (Double(chosen) / count, Double(rejected) / count)
  }

  package var json: JSONValue {
    func count(_ number: Int) -> JSONValue { .integer(Int64(number)) }
    func object(_ counts: [(String, Int)]) -> JSONValue { .object(counts.map { .init($0.0, count($0.1)) }) }
    let lengths = limits.heldOutCharacters
    return [
      "limits": [
        "min_tokens": count(limits.tokens.lowerBound), "max_tokens": count(limits.tokens.upperBound),
        "max_similarity": .number(filter.maximumSimilarity), "close_scores": .number(filter.closeScores),
        "test_share": .number(testShare), "min_heldout_characters": count(lengths.lowerBound),
        "max_heldout_characters": count(lengths.upperBound),
      ],
      "documents": object(
        [("read", recordCount), ("duplicates", duplicateCount)] + uses.map { ($0.name, $0.count) }
          + [("without_answer", unansweredCount), ("with_reference", referenceCount)]),
      "answers": [
        "read": count(answerCount), "pairs": count(trainCount + testCount),
        "rejected": object(rejects.map { ($0.reason.rawValue, $0.count) }),
      ],
      "pairs": [
        "train": count(trainCount), "test": count(testCount), "summary_1_chosen": count(firstChosenCount),
        "summary_2_chosen": count(trainCount + testCount - firstChosenCount),
        "mean_chosen_characters": .number(rounded(meanLengths.chosen)),
        "mean_rejected_characters": .number(rounded(meanLengths.rejected)),
      ],
      "histograms": [
        "document_tokens": documentTokens.json, "similarity": similarities.json, "score_difference": differences.json,
        "chosen_score": chosenScores.json, "rejected_score": rejectedScores.json,
        "chosen_characters": chosenLengths.json, "rejected_characters": rejectedLengths.json,
      ],
    ]
  }

  package var description: String {
    let pairs = trainCount + testCount
    let named = uses.map { "\($0.count) \($0.name.replacing("_", with: " "))" }.joined(separator: ", ")
    var lines = [
      "documents: \(recordCount) read, \(duplicateCount) of them again; \(named)",
      "answers: \(answerCount) read, \(pairs) pairs, \(answerCount - pairs) rejected; "
        + "\(unansweredCount) documents without an answer",
    ]
    lines += rejects.map { "  \($0.count) \($0.reason.rawValue)" }
    lines.append("pairs: \(trainCount) train, \(testCount) test")
    guard pairs > 0 else { return lines.joined(separator: "\n") }
    lines.append(
      "chosen: summary 1 in \(firstChosenCount), summary 2 in \(pairs - firstChosenCount); mean characters "
        + "\(Int(meanLengths.chosen.rounded())) chosen, \(Int(meanLengths.rejected.rounded())) rejected")
    for (name, histogram) in [
      ("tokens of documents", documentTokens), ("similarity of the two summaries", similarities),
      ("difference of their scores", differences),
    ] {
      lines.append("\(name), bins from:")
      lines += histogram.lines()
    }
    return lines.joined(separator: "\n")
  }
}
