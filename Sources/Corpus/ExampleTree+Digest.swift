// What an example is, in 32 bytes: the key under which numbers that depend on it are kept.

import Checkpoints

extension ExampleTree {
  /// SHA-256 of the tokens, of where the prompt and each completion end, and of what says more than "all tokens
  /// are in the loss"; `index` does not enter.
  package var contentDigest: [UInt8] {
    let hash = SHA256()
    func update(_ numbers: [Int]) {
      numbers.map { UInt64($0).littleEndian }.withUnsafeBytes { hash.append($0) }
    }
    let parts = [prompt] + completions
    update([parts.count] + parts.map(\.count))
    for part in parts {
      part.map(\.littleEndian).withUnsafeBytes { hash.append($0) }
    }
    // The tokens end where the counts say, so what follows cannot be taken for tokens.
    if !unscored.isEmpty || label != nil || scoresPrompt {
      update([(label.map { $0 ? 2 : 1 } ?? 0) + (scoresPrompt ? 4 : 0)])
      for gaps in unscored { update([gaps.count] + gaps.flatMap { [$0.lowerBound, $0.upperBound] }) }
    }
    return hash.digest
  }
}
