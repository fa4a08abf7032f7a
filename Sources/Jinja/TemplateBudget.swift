// Limits on what one rendering does.

/// Counts work; a template that takes too much is refused.
final class TemplateBudget: @unchecked Sendable {
  // Sendable because one rendering, on one thread, uses it.

  /// Statements, evaluated expressions and sixteenths of made bytes, together.
  static let maximumWork = 5_000_000
  static let maximumBytes = 64 << 20
  static let maximumValues = 1_000_000

  private var work = 0

  func spend(_ amount: Int = 1) throws(TemplateProblem) {
    work += amount
    if work > Self.maximumWork { throw TemplateProblem("rendering takes more than \(Self.maximumWork) steps") }
  }

  /// Accounts for a text that is about to be made.
  func make(bytes: Int) throws(TemplateProblem) {
    if bytes > Self.maximumBytes { throw TemplateProblem("a text of \(bytes) bytes, more than \(Self.maximumBytes)") }
    try spend(bytes / 16)
  }
}
