// A preference pair from an answer, or the reason why there is no pair.

struct PreferencePair: Sendable {
  let document: Int
  let judged: JudgedSummaries
  let similarity: Double

  var chosen: String { judged.texts[judged.best] }
  var rejected: String { judged.texts[1 - judged.best] }
}

struct RejectedAnswer: Sendable {
  let answer: Int
  let rejection: Rejection
}
