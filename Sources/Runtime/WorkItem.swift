// A micro-batch as a message: the trees, and everything that a rank without the data needs.

import Collectives
package import Corpus

/// One micro-batch, to be sent to the next free rank.
package struct WorkItem: Sendable, Equatable {
  package var trees: [ExampleTree]
  /// Each tree's index in the results of the phase.
  package var slots: [Int]
  /// Reference sums of each tree's completions; empty when the phase does not need them.
  package var references: [[Double]]
  /// Likelihood tokens of the whole step, for losses that need this count.
  package var likelihoodTokens: Int

  package init(trees: [ExampleTree], slots: [Int], references: [[Double]] = [], likelihoodTokens: Int = 0) {
    (self.trees, self.slots, self.references, self.likelihoodTokens) = (trees, slots, references, likelihoodTokens)
  }

  /// The amount of work, in tokens.
  package var cost: Double { Double(trees.reduce(0) { $0 + $1.tokenCount }) }

  /// Little-endian 64-bit words for numbers, 32-bit words for tokens.
  package var bytes: [UInt8] {
    var writer = MessageWriter()
    writer.append(likelihoodTokens)
    writer.append(trees.count)
    for (i, tree) in trees.enumerated() {
      writer.append(tree.index)
      writer.append(slots[i])
      writer.append(tokens: tree.prompt)
      writer.append(tree.completions.count)
      for completion in tree.completions { writer.append(tokens: completion) }
      writer.append(tree.unscored.count)
      for gaps in tree.unscored { writer.append(ranges: gaps) }
      writer.append(tree.label.map { $0 ? 2 : 1 } ?? 0)
      writer.append(tree.scoresPrompt ? 1 : 0)
      let reference = references.isEmpty ? [] : references[i]
      writer.append(reference.count)
      for sum in reference { writer.append(sum) }
    }
    return writer.bytes
  }

  /// - Throws: `DamagedMessage` when the bytes are not a work item.
  package init(bytes: [UInt8]) throws {
    var reader = MessageReader(bytes: bytes)
    self.init(trees: [], slots: [], likelihoodTokens: try reader.next())
    for _ in 0..<(try reader.count()) {
      let index = try reader.next()
      let slot = try reader.next()
      guard index >= 0, slot >= 0 else { throw DamagedMessage() }
      slots.append(slot)
      let prompt = try reader.tokens()
      let completions = try (0..<(try reader.count())).map { _ in try reader.tokens() }
      let unscored = try (0..<(try reader.count())).map { _ in try reader.ranges() }
      let label = try reader.next()
      let scoresPrompt = try reader.next()
      guard 0...2 ~= label, 0...1 ~= scoresPrompt else { throw DamagedMessage() }
      let tree = ExampleTree(
        index: index, prompt: prompt, completions: completions, unscored: unscored,
        label: label == 0 ? nil : label == 2, scoresPrompt: scoresPrompt == 1)
      guard tree.isWellFormed else { throw DamagedMessage() }
      trees.append(tree)
      let sums = try (0..<(try reader.count())).map { _ in try reader.number() }
      if !sums.isEmpty { references.append(sums) }
    }
    guard reader.isAtEnd, references.isEmpty || references.count == trees.count else { throw DamagedMessage() }
  }
}
