// The reasons why an answer does not become a pair. The raw values appear in rejects.jsonl and report.json;
// docs/prepare.md explains each.

/// The reason why an answer does not become a pair. Reasons are checked in this order and the first counts.
package enum RejectReason: String, Sendable, CaseIterable {
  // The document.
  case unknownDocument = "unknown_document"
  case duplicateDocument = "duplicate_document"
  case documentLength = "document_length"

  // The answer as a whole.
  case noAnswer = "no_answer"
  case empty
  case tooLong = "too_long"
  case refusal
  case truncated

  // Its parts.
  case missingSummary = "missing_summary"
  case repeatedSummary = "repeated_summary"
  case conflictingScores = "conflicting_scores"
  case unreadableScore = "unreadable_score"
  case scoreOutOfRange = "score_out_of_range"
  case wrongSum = "wrong_sum"
  case missingScore = "missing_score"
  case twoVerdicts = "two_verdicts"
  case unclearVerdict = "unclear_verdict"
  case missingVerdict = "missing_verdict"

  // The pair.
  case similarSummaries = "similar_summaries"
  case closeScores = "close_scores"
  case contradiction
  case duplicatePair = "duplicate_pair"
}

/// The reason why an answer does not become a pair, with details.
package struct Rejection: Error, Sendable, Equatable {
  package let reason: RejectReason
  /// Names the part and the numbers; empty when the reason says everything.
  package let detail: String

  package init(_ reason: RejectReason, _ detail: String = "") { (self.reason, self.detail) = (reason, detail) }
}
