// Steps whose update was left out because their numbers were none: how many, and when there are too many.

/// What has been skipped so far; the same on every rank.
package struct SkippedSteps: Sendable, Equatable, Codable {
  /// How many steps in a row are looked at, and how many of them end a run.
  package static let window = 20
  package static let most = 3

  package private(set) var count: Int
  /// Those among the `window` steps up to the last that was skipped, in order.
  package private(set) var recent: [Int]

  package init(count: Int = 0, recent: [Int] = []) { (self.count, self.recent) = (count, recent) }

  package mutating func take(_ step: Int) {
    count += 1
    recent = recent.filter { $0 > step - Self.window } + [step]
  }

  /// Whether one of the `window` steps up to `step` was skipped.
  package func areRecent(at step: Int) -> Bool { recent.contains { $0 > step - Self.window } }

  /// Whether the last skipped step was one too many.
  package var areTooMany: Bool { recent.count >= Self.most }
}
