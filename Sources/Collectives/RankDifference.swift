// In what ranks differ.

/// A fact that ranks must share and do not.
package struct RankDifference: Equatable, Sendable, CustomStringConvertible {
  /// Ranks that gave the same value; nil: they did not name the fact at all.
  package struct Group: Equatable, Sendable {
    package let value: String?
    package let ranks: [Int]
  }

  package let key: String
  /// In order of their lowest ranks; at least two.
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
