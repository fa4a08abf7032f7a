// The scores of one summary.

/// The scores that an answer gives to one summary.
struct SummaryScores {
  private var criteria: [Criterion: WrittenScore] = [:]
  private var written: WrittenScore?
  private var wrongSum: (sum: Double, total: Double)?
  private var conflict = false
  private var unreadable: String?

  /// - Parameter isRemark: whether the scores are in an explanation. It may mention a criterion again, which is not a
  ///   conflict.
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

  /// Adds a total that is not a number.
  mutating func addUnreadable(_ text: String) { unreadable = unreadable ?? String(text.prefix(80)) }

  /// The sum of the criteria when all have a score.
  private var sum: Double? {
    criteria.count == Criterion.allCases.count ? criteria.values.reduce(0) { $0 + $1.value } : nil
  }

  var total: Double? { written?.value ?? sum }

  var isMissing: Bool { total == nil && unreadable == nil }

  /// The first problem of the scores.
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

/// A number without an unnecessary fraction.
func plain(_ number: Double) -> String { Int(exactly: number).map { "\($0)" } ?? "\(number)" }
