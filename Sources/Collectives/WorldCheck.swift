// Checks before the work starts that the ranks are alike and that the world adds correctly.

package enum WorldCheck {
  /// The facts that differ between ranks, by key; the same answer on every rank. Collective.
  package static func differences(
    of facts: [String: String], in world: any Communicator
  ) throws -> [RankDifference] {
    let all = try world.gather(encode(facts)).enumerated().map { rank, bytes in
      guard let facts = decode(bytes) else {
        throw MPIFailure(operation: "world check", reason: "what rank \(rank) sent is damaged")
      }
      return facts
    }
    return compare(all)
  }

  /// Rejects a world whose ranks differ in any of `facts`. Collective.
  /// - Throws: `WorldError.ranksDiffer`, the same on every rank.
  package static func requireAlike(_ facts: [String: String], in world: any Communicator) throws {
    let differences = try differences(of: facts, in: world)
    guard differences.isEmpty else { throw WorldError.ranksDiffer(differences) }
  }

  /// Sums known numbers over ranks and compares the result with the closed form. Collective.
  ///
  /// The numbers need more than 53 bits, so a sum that uses floating point fails too.
  /// - Throws: `MPIFailure`.
  package static func requireCorrectSums(in world: any Communicator) throws {
    func entry(_ index: Int) -> Int64 { (Int64(1) << 54 + Int64(index)) * (index % 2 == 0 ? 1 : -1) }
    // Rank k contributes k + 1 times the entry. In very large worlds both sides wrap around in the same way.
    let size = Int64(world.size)
    let shares = size * (size + 1) / 2
    var values = (0..<4099).map { entry($0) &* Int64(world.rank + 1) }
    try world.sum(&values)
    for (index, value) in values.enumerated() where value != entry(index) &* shares {
      throw MPIFailure(
        operation: "self-test of the sum over \(size) ranks",
        reason: "entry \(index) is \(value), expected \(entry(index) &* shares)")
    }
  }

  package static func compare(_ all: [[String: String]]) -> [RankDifference] {
    let keys = Set(all.flatMap { $0.keys }).sorted()
    return keys.compactMap { key in
      var groups: [(value: String?, ranks: [Int])] = []
      for (rank, facts) in all.enumerated() {
        if let group = groups.firstIndex(where: { $0.value == facts[key] }) {
          groups[group].ranks.append(rank)
        } else {
          groups.append((facts[key], [rank]))
        }
      }
      guard groups.count > 1 else { return nil }
      return RankDifference(
        key: key, groups: groups.map { RankDifference.Group(value: $0.value, ranks: $0.ranks) })
    }
  }

  /// Encodes every string as its length (4 bytes, little-endian) and its UTF-8.
  package static func encode(_ facts: [String: String]) -> [UInt8] {
    facts.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }.flatMap { text in
      withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) } + Array(text.utf8)
    }
  }

  package static func decode(_ bytes: [UInt8]) -> [String: String]? {
    var strings: [String] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 4 else { return nil }
      let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard rest.count >= count else { return nil }
      strings.append(String(decoding: rest.prefix(count), as: UTF8.self))
      rest = rest.dropFirst(count)
    }
    guard strings.count.isMultiple(of: 2) else { return nil }
    return Dictionary(
      stride(from: 0, to: strings.count, by: 2).map { (strings[$0], strings[$0 + 1]) },
      uniquingKeysWith: { first, _ in first })
  }
}
