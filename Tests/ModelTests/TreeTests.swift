import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// A tree gives the same numbers as its completions as separate sequences, whatever it is batched with.
@Suite struct TreeTests {
  /// Trees of the fixture's vocabulary with all difficult lengths: single tokens, and lengths that cross tiles.
  static let trees: [ExampleTree] = [
    tree(0, 23, [9, 13]), tree(1, 1, [1, 1]), tree(2, 1, [7, 2]), tree(3, 40, [1, 17]), tree(4, 130, [3, 65]),
    tree(5, 12, [5, 8, 3]), partly(tree(6, 9, [70]), [[3..<4, 9..<66]]),
    withPrompt(tree(7, 67, [6, 4])), withPrompt(tree(8, 2, [3])),
  ]

  static func withPrompt(_ tree: ExampleTree) -> ExampleTree {
    var tree = tree
    tree.scoresPrompt = true
    return tree
  }

  static func partly(_ tree: ExampleTree, _ unscored: [[Range<Int>]]) -> ExampleTree {
    ExampleTree(index: tree.index, prompt: tree.prompt, completions: tree.completions, unscored: unscored)
  }

  static func tree(_ index: Int, _ prompt: Int, _ completions: [Int]) -> ExampleTree {
    let random = CounterRandom(key: 99)
    func tokens(_ count: Int, _ part: Int) -> [Int32] {
      (0..<count).map { Int32(random.uniform(stream: UInt64(index * 8 + part), index: UInt64($0)) * 407) }
    }
    return ExampleTree(
      index: index, prompt: tokens(prompt, 0),
      completions: completions.enumerated().map { tokens($1, $0 + 1) })
  }

  static func pass(
    _ fixture: TinyFixture, _ trees: [ExampleTree] = trees, retention: Retention = .all, dropout: Bool = false,
    threads: Int = 2
  ) -> Pass {
    Pass(
      model: fixture.model, layout: fixture.adapter?.layout, capacity: Capacity(TreeBatch(trees)), positions: 256,
      retention: retention, dropout: dropout, threads: threads)
  }

  /// Fixed coefficients of a tree's completions, independent of the batch.
  static func coefficients(_ trees: [ExampleTree]) -> [Double] {
    trees.flatMap { tree in tree.sumTokens.indices.map { 0.3 * Double($0) - 0.2 + 0.05 * Double(tree.index) } }
  }

  struct Gradient {
    let sums: [Double]
    let entries: [Float]
  }

  static func gradient(
    _ pass: Pass, _ fixture: TinyFixture, _ trees: [ExampleTree], dropout: RandomDraw? = nil
  ) throws -> Gradient {
    let adapter = try fixture.adapter.required("adapter")
    let count = adapter.layout.count
    let gradient = Storage(count: count)
    for i in 0..<count { gradient.base[i] = .nan }
    let sums = try pass.gradient(
      TreeBatch(trees), model: fixture.model, adapter: adapter, dropout: dropout, into: gradient
    ) { _ in
      coefficients(trees)
    }
    return Gradient(sums: sums, entries: Array(UnsafeBufferPointer(start: gradient.base, count: count)))
  }

  @Test(arguments: [nil, RandomDraw(probability: 0.3, seed: 5, step: 2)])
  func `bits of sums do not depend on neighbours, order or threads`(dropout: RandomDraw?) throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, dropout: true)
    let whole = try Self.gradient(pass, fixture, Self.trees, dropout: dropout)
    var start = 0
    for tree in Self.trees {
      let alone = try Self.gradient(pass, fixture, [tree], dropout: dropout).sums
      #expect(alone == Array(whole.sums[start..<start + tree.sumTokens.count]), "tree \(tree.index)")
      start += tree.sumTokens.count
    }
    let turned = try Self.gradient(pass, fixture, Self.trees.reversed(), dropout: dropout).sums
    let offsets = TreeBatch(Self.trees).sumOffsets
    #expect(turned == Self.trees.indices.reversed().flatMap { whole.sums[offsets[$0]..<offsets[$0 + 1]] })
    for threads in [1, 3] {
      let other = try Self.gradient(
        Self.pass(fixture, dropout: true, threads: threads), fixture, Self.trees, dropout: dropout)
      #expect(other.sums == whole.sums)
      #expect(other.entries.map(\.bitPattern) == whole.entries.map(\.bitPattern), "\(threads) threads")
    }
    // Scoring keeps less memory, but computes the same bits.
    if dropout == nil {
      let scoring = Self.pass(fixture, retention: .none, threads: 1)
      #expect(
        try scoring.logProbabilities(TreeBatch(Self.trees), model: fixture.model, adapter: fixture.adapter)
          == whole.sums)
    }
  }

  @Test(arguments: [nil, RandomDraw(probability: 0.3, seed: 5, step: 2)])
  func `recomputing layers gives the same bits`(dropout: RandomDraw?) throws {
    for name in ["all", "qv"] {
      let fixture = try TinyFixture(name)
      let kept = try Self.gradient(Self.pass(fixture, dropout: true), fixture, Self.trees, dropout: dropout)
      for layers in 0...fixture.model.configuration.layerCount {
        let pass = Self.pass(fixture, retention: .activations(layers: layers), dropout: true)
        // The second time all buffers contain old values.
        for _ in 1...2 {
          let again = try Self.gradient(pass, fixture, Self.trees, dropout: dropout)
          #expect(kept.sums == again.sums, "\(layers) layers kept")
          #expect(kept.entries.map(\.bitPattern) == again.entries.map(\.bitPattern), "\(layers) layers kept")
        }
      }
      #expect(kept.entries.allSatisfy(\.isFinite) && kept.entries.contains { $0 != 0 })
    }
  }

  @Test func `scoring between passes changes nothing`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, retention: .activations(layers: 1))
    let first = try Self.gradient(pass, fixture, Self.trees)
    let scores = try pass.logProbabilities(TreeBatch(Self.trees), model: fixture.model, adapter: fixture.adapter)
    #expect(scores == first.sums)
    #expect(try Self.gradient(pass, fixture, Self.trees).entries == first.entries)
  }

  @Test func `a pass leaves nothing behind for the next`() throws {
    let fixture = try TinyFixture("all")
    let used = Self.pass(fixture)
    _ = try Self.gradient(used, fixture, Self.trees)
    let small = [Self.trees[2], Self.trees[1]]
    let (after, fresh) = (
      try Self.gradient(used, fixture, small), try Self.gradient(Self.pass(fixture), fixture, small)
    )
    #expect(after.sums == fresh.sums && after.entries.map(\.bitPattern) == fresh.entries.map(\.bitPattern))
  }

  /// prompt + completion of a tree equals the same tokens alone. The tree's gradient is the sum of both.
  @Test func `a shared prompt equals separate sequences`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try fixture.adapter.required("adapter")
    let pass = Self.pass(fixture)
    for tree in Self.trees where !tree.scoresPrompt {
      let whole = try Self.gradient(pass, fixture, [tree])
      let coefficients = Self.coefficients([tree])
      var sum = [Float](repeating: 0, count: whole.entries.count)
      let tokens = try pass.tokenLogProbabilities(TreeBatch([tree]), model: fixture.model, adapter: fixture.adapter)
      var start = 0
      for (c, completion) in tree.completions.enumerated() {
        let single = TreeBatch([
          Self.partly(
            ExampleTree(index: tree.index, prompt: tree.prompt, completions: [completion]),
            tree.unscored.isEmpty ? [] : [tree.unscored[c]])
        ])
        let alone = try pass.tokenLogProbabilities(single, model: fixture.model, adapter: fixture.adapter)
        // The same operations in the same order, so exactly equal.
        #expect(alone == Array(tokens[start..<start + tree.scoredCount(c)]), "tree \(tree.index), completion \(c)")
        start += tree.scoredCount(c)
        let gradient = Storage(count: sum.count)
        _ = try pass.gradient(single, model: fixture.model, adapter: adapter, dropout: nil, into: gradient) { _ in
          [coefficients[c]]
        }
        for i in sum.indices { sum[i] += gradient.base[i] }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient, "tree \(tree.index)")
    }
  }

  /// The prompt after its first token has the log-prob and the gradient of a completion.
  @Test func `a scored prompt equals a completion`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture)
    let tree = Self.tree(7, 67, [6])
    let scored = Self.withPrompt(tree)
    let moved = ExampleTree(index: 7, prompt: [tree.prompt[0]], completions: [Array(tree.prompt[1...])])
    let (plain, whole) = (try Self.gradient(pass, fixture, [tree]), try Self.gradient(pass, fixture, [scored]))
    let alone = try Self.gradient(pass, fixture, [moved])
    #expect(whole.sums[0] == plain.sums[0], "the completion does not notice")
    #expect(excess([whole.sums[1] / 66], [alone.sums[0] / 66], .logProbability) < 1)
    // The prompt's coefficient differs from that of a first completion.
    let (own, other) = (Self.coefficients([scored])[1], Self.coefficients([moved])[0])
    let sum = zip(plain.entries, alone.entries).map { $0 + $1 * Float(own / other) }
    #expect(relativeDistance(whole.entries, sum) < Distance.gradient)
  }

  /// Moves the prompt's end into the completion. The sequence is the same, so the rest has the same log-probs.
  @Test func `where the prompt ends does not change later tokens`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture)
    let tree = Self.tree(0, 30, [12])
    let moved = ExampleTree(
      index: 0, prompt: Array(tree.prompt[..<9]), completions: [Array(tree.prompt[9...]) + tree.completions[0]])
    let (a, b) = (
      try pass.tokenLogProbabilities(TreeBatch([tree]), model: fixture.model, adapter: fixture.adapter),
      try pass.tokenLogProbabilities(TreeBatch([moved]), model: fixture.model, adapter: fixture.adapter)
    )
    #expect(excess(Array(b.suffix(12)), a, .logProbability) < 1)
  }

  /// For prompt | A U B with U not in the loss: A after the prompt, and B after prompt, A and U.
  @Test func `tokens outside the loss are context alone`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try fixture.adapter.required("adapter")
    let pass = Self.pass(fixture)
    for (a, u, b) in [(1, 1, 1), (3, 17, 9), (40, 2, 1)] {
      let tokens = Self.tree(0, 30, [a + u + b])
      var tree = tokens
      tree.unscored = [[a..<a + u]]
      let batch = TreeBatch([tree])
      #expect(batch.sumTokens == [a + b] && batch.targets.count == a + b)
      #expect(batch.scoredRows.count == a + b && batch.scoredRows.map { $0 } == batch.scoredRows.sorted())
      let all = try pass.tokenLogProbabilities(TreeBatch([tokens]), model: fixture.model, adapter: fixture.adapter)
      let some = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: fixture.adapter)
      #expect(excess(some, Array(all[..<a] + all[(a + u)...]), .logProbability) < 1)
      let completion = tokens.completions[0]
      let parts = [
        ExampleTree(index: 0, prompt: tree.prompt, completions: [Array(completion[..<a])]),
        ExampleTree(
          index: 0, prompt: tree.prompt + completion[..<(a + u)], completions: [Array(completion[(a + u)...])]),
      ]
      let coefficient = Self.coefficients([tree])
      let whole = try Self.gradient(pass, fixture, [tree])
      var sum = [Float](repeating: 0, count: whole.entries.count)
      for part in parts {
        let gradient = Storage(count: sum.count)
        _ = try pass.gradient(TreeBatch([part]), model: fixture.model, adapter: adapter, dropout: nil, into: gradient) {
          _ in coefficient
        }
        for i in sum.indices { sum[i] += gradient.base[i] }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient, "\(a) \(u) \(b)")
    }
  }
}
