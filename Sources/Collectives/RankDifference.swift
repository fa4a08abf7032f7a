// Differences between ranks.

/// A fact that must be equal on all ranks but differs.
package struct RankDifference: Equatable, Sendable, CustomStringConvertible {
  /// Ranks with the same value; nil means that they did not report the fact.
  package struct Group: Equatable, Sendable {
    package let value: String?
    package let ranks: [Int]
  }

  package let key: String
  /// In the order of their lowest ranks; at least two groups.
  package let groups: [Group]

  package var description: String {
    let sides = groups.map { group in
      let ranks = group.ranks.map { String($0) }.joined(separator: ", ")
      let value = group.value.map { "\"\($0)\"" } ?? "nothing"
      return "\(value) on rank\(group.ranks.count == 1 ? "" : "s") \(ranks)"
    }
    return "\(key): \(sides.joined(separator: ", "))"
  }
}
