// Which judged summaries make a pair worth training on.

/// The limits of the summarisation recipe, https://github.com/thepowerfuldeez/qwen2_1_5b_summarize.
package struct PairFilter: Sendable, Equatable {
  /// Pairs of summaries more alike than this say little.
  package var maximumSimilarity = 0.75
  /// Nor do pairs whose total scores differ by this or less.
  package var closeScores = 1.0

  package init() {}

  /// What one answer comes to.
  package struct Outcome: Sendable {
    /// Nil when the answer could not be read.
    package let judged: JudgedSummaries?
    /// Nil when the answer was not compared.
    package let similarity: Double?
    package let rejection: Rejection?
  }

  /// Looks at one answer.
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

  /// Why a pair is dropped; nil when it is kept.
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

/// To four decimals, for files that people read.
func rounded(_ number: Double) -> Double { (number * 10_000).rounded() / 10_000 }
