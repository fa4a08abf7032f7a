import Collectives
import Corpus
import Runtime
import Testing

/// Messages between ranks are read back unchanged, or refused.
@Suite struct WorkItemTests {
  static let trees = [
    ExampleTree(index: 70_000, prompt: [0, 1, .max], completions: [[5], [7, 8, 9]]),
    ExampleTree(index: 0, prompt: [42], completions: [[1]]),
    ExampleTree(
      index: 3, prompt: [4, 4], completions: [[1], [2], [3, 3, 4, 5, 6]], unscored: [[], [], [1..<2, 3..<4]],
      label: true),
    ExampleTree(index: 4, prompt: [4, 4], completions: [[1]], label: false, scoresPrompt: true),
  ]
  static let items = [
    WorkItem(trees: [], slots: []), WorkItem(trees: trees, slots: [2, 0, 9, 3], likelihoodTokens: 77),
    WorkItem(
      trees: trees, slots: [2, 0, 9, 3],
      references: [[-1.5, 0x1p-1060], [-.infinity], [.greatestFiniteMagnitude, -0.0, 3], [1, 2]]),
  ]

  @Test(arguments: items)
  func `round trip`(item: WorkItem) throws { #expect(try WorkItem(bytes: item.bytes) == item) }

  @Test func `a message cut short or too long is refused`() {
    for item in Self.items {
      let bytes = item.bytes
      for count in bytes.indices {
        #expect(throws: DamagedMessage.self) { try WorkItem(bytes: Array(bytes[..<count])) }
      }
      #expect(throws: DamagedMessage.self) { try WorkItem(bytes: bytes + [0]) }
    }
  }

  /// A message with any byte changed is refused, or is an item that a pass can run on.
  @Test func `damaged bytes`() {
    let bytes = Self.items[2].bytes
    var refused = 0
    for place in bytes.indices {
      for change: UInt8 in [0x01, 0x80, 0xff] {
        var damaged = bytes
        damaged[place] ^= change
        guard let item = try? WorkItem(bytes: damaged) else {
          refused += 1
          continue
        }
        #expect(item.slots.count == item.trees.count && item.slots.allSatisfy { $0 >= 0 })
        #expect(item.references.isEmpty || item.references.count == item.trees.count)
        for tree in item.trees { #expect(tree.index >= 0 && tree.isWellFormed) }
      }
    }
    #expect(refused > 0)
  }
}
