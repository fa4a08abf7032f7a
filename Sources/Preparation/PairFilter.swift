// Decides which judged summaries make a useful training pair.

/// The limits of the summarisation recipe, https://github.com/thepowerfuldeez/qwen2_1_5b_summarize.
package struct PairFilter: Sendable, Equatable {
  /// Pairs of summaries with a higher similarity are dropped: they carry little information.
  package var maximumSimilarity = 0.75
  /// Pairs whose total scores differ by this or less are dropped too.
  package var closeScores = 1.0

  package init() {}

  /// The result for one answer.
  package struct Outcome: Sendable {
    /// Nil when the answer could not be read.
    package let judged: JudgedSummaries?
    /// Nil when the answer was not compared.
    package let similarity: Double?
    package let rejection: Rejection?
  }

  /// Judges one answer.
  package func outcome(_ answer: TeacherAnswer) -> Outcome {
    if let failure = answer.failure { return Outcome(judged: nil, similarity: nil, rejection: failure) }
    do {
      let judged = try JudgedSummaries(answer: answer.text, isCutShort: answer.isCutShort)
      let similarity = EditDistance.similarity(judged.texts[0], judged.texts[1])
      return Outcome(judged: judged, similarity: similarity, rejection: rejection(judged, similarity))
    } catch {
      return Outcome(judged: nil, similarity: nil, rejection: error)
    }
  }

  /// The reason to drop a pair; nil when it is kept.
  func rejection(_ judged: JudgedSummaries, _ similarity: Double) -> Rejection? {
    if similarity > maximumSimilarity { return Rejection(.similarSummaries, "similarity \(rounded(similarity))") }
    let (first, second) = (judged.scores[0], judged.scores[1])
    let scores = "scores \(plain(first)) and \(plain(second))"
    guard abs(first - second) > closeScores else { return Rejection(.closeScores, scores) }
    guard judged.best == (first > second ? 0 : 1) else {
      return Rejection(.contradiction, "\(scores), but summary \(judged.best + 1) is called better")
    }
    return nil
  }
}

/// Rounds to four decimals, for files that people read.
func rounded(_ number: Double) -> Double { (number * 10_000).rounded() / 10_000 }
