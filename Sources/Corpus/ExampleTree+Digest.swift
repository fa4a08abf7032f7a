// A 32-byte digest of an example: the cache key for numbers that depend on the example.

import Checkpoints

extension ExampleTree {
  /// SHA-256 of the tokens, of the lengths of the prompt and each completion, and of the loss settings if not all
  /// tokens are simply in the loss. `index` is not included.
  package var contentDigest: ContentDigest {
    let hash = SHA256()
    func update(_ numbers: [Int]) { numbers.map { UInt64($0).littleEndian }.withUnsafeBytes { hash.append($0) } }
    let parts = [prompt] + completions
    update([parts.count] + parts.map(\.count))
    for part in parts { part.map { $0.littleEndian }.withUnsafeBytes { hash.append($0) } }
    // The counts fix the end of the tokens, so the following bytes cannot be read as tokens.
    if !unscored.isEmpty || label != nil || scoresPrompt {
      update([(label.map { $0 ? 2 : 1 } ?? 0) + (scoresPrompt ? 4 : 0)])
      for gaps in unscored { update([gaps.count] + gaps.flatMap { [$0.lowerBound, $0.upperBound] }) }
    }
    return ContentDigest(hash.digest)
  }
}
