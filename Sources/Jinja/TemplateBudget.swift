// Limits on what one rendering does.

/// What a rendering holds that may refer to itself: it is emptied at the end.
protocol Emptiable: AnyObject {
  /// Whether the budget knows of it.
  var isKept: Bool { get set }
  func removeAll()
}

/// Counts work before it is done; a template that takes too much is refused.
final class TemplateBudget: @unchecked Sendable {
  // Sendable because one rendering, on one thread, uses it.

  /// Statements, evaluated expressions, parts of texts, and sixteenths of bytes that are read or made, together. About a
  /// second, whatever they are.
  static let maximumWork = 5_000_000
  static let maximumBytes = 64 << 20
  static let maximumValues = 1_000_000
  /// Data are nested 64 deep at most.
  static let maximumNesting = 200

  /// Whether what is not there is an error where its text or its truth is asked for.
  let isStrict: Bool

  init(isStrict: Bool) { self.isStrict = isStrict }

  /// In sixteenths of a step.
  private var work = 0
  private var kept: [any Emptiable] = []

  /// What is left, in bytes that may be read.
  var left: Int { Self.maximumWork * 16 - work }

  func spend(_ steps: Int = 1) throws(TemplateProblem) { try read(bytes: steps * 16) }

  /// Accounts for bytes that are about to be read, or for as much work.
  func read(bytes: Int) throws(TemplateProblem) {
    work += bytes
    if work > Self.maximumWork * 16 { throw TemplateProblem("rendering takes more than \(Self.maximumWork) steps") }
  }

  /// Accounts for a text that is about to be made, or for more of one.
  func make(bytes: Int, beside others: Int = 0) throws(TemplateProblem) {
    guard bytes <= Self.maximumBytes, bytes + others <= Self.maximumBytes else {
      throw TemplateProblem("a text of more than \(Self.maximumBytes) bytes")
    }
    try read(bytes: bytes)
  }

  /// Accounts for parts of a text that are about to be made.
  func make(parts: Int, beside others: Int = 0) throws(TemplateProblem) {
    guard parts + others <= Self.maximumValues else {
      throw TemplateProblem("a text with more than \(Self.maximumValues) parts")
    }
    try spend(parts)
  }

  // MARK: Scopes

  /// Keeps a scope that values refer to until the end.
  func keep(_ scope: any Emptiable) throws(TemplateProblem) {
    guard !scope.isKept else { return }
    scope.isKept = true
    try spend(10)
    kept.append(scope)
  }

  /// Empties the scopes that were kept: they may refer to themselves, or to each other in a chain of any length.
  func release() {
    for scope in kept { scope.removeAll() }
    kept = []
  }
}
