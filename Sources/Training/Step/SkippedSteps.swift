// Counts steps that were skipped because their gradient was not usable, and decides when there are too many.

/// The skipped steps so far; the same on every rank.
package struct SkippedSteps: Sendable, Equatable, Codable {
  /// A run ends when `most` of `window` consecutive steps were skipped.
  package static let window = 20
  package static let most = 3

  package private(set) var count: Int
  /// The skipped steps among the `window` steps up to the last skipped one, in order.
  package private(set) var recent: [Int]

  package init(count: Int = 0, recent: [Int] = []) { (self.count, self.recent) = (count, recent) }

  package mutating func take(_ step: Int) {
    count += 1
    recent = recent.filter { $0 > step - Self.window } + [step]
  }

  /// Whether one of the `window` steps up to `step` was skipped.
  package func areRecent(at step: Int) -> Bool { recent.contains { $0 > step - Self.window } }

  /// Whether too many recent steps were skipped.
  package var areTooMany: Bool { recent.count >= Self.most }
}
