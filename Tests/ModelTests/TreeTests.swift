import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// A tree is its completions as sequences of their own, and its numbers are its own.
@Suite struct TreeTests {
  /// Trees of the fixture's vocabulary with every awkward length: one token here and there, tiles crossed.
  static let trees: [ExampleTree] = [
    tree(0, 23, [9, 13]), tree(1, 1, [1, 1]), tree(2, 1, [7, 2]), tree(3, 40, [1, 17]),
    tree(4, 130, [3, 65]),
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
    _ fixture: TinyFixture, _ trees: [ExampleTree] = trees, retention: Retention = .all,
    dropout: Bool = false,
    threads: Int = 2
  ) -> Pass {
    Pass(
      model: fixture.model, layout: fixture.adapter?.layout, capacity: Capacity(TreeBatch(trees)), positions: 256,
      retention: retention, dropout: dropout, threads: threads)
  }

  /// Fixed coefficients of a tree's completions, whatever it is batched with.
  static func coefficients(_ trees: [ExampleTree]) -> [Double] {
    trees.flatMap { tree in
      tree.sumTokens.indices.map { 0.3 * Double($0) - 0.2 + 0.05 * Double(tree.index) }
    }
  }

  struct Gradient {
    let sums: [Double]
    let entries: [Float]
  }

  static func gradient(
    _ pass: Pass, _ fixture: TinyFixture, _ trees: [ExampleTree], dropout: DropoutDraw? = nil
  ) throws -> Gradient {
    let adapter = try fixture.adapter.required("adapter")
    let count = adapter.layout.count
    let gradient = Storage(count: count)
    for i in 0..<count { gradient.base[i] = .nan }
    let sums = try pass.gradient(TreeBatch(trees), adapter: adapter, dropout: dropout, into: gradient) { _ in
      coefficients(trees)
    }
    return Gradient(sums: sums, entries: Array(UnsafeBufferPointer(start: gradient.base, count: count)))
  }

  @Test(arguments: [nil, DropoutDraw(probability: 0.3, seed: 5, step: 2)])
  func `bits of sums do not depend on neighbours, order or threads`(dropout: DropoutDraw?) throws {
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
    // Scoring keeps less memory, not other bits.
    if dropout == nil {
      let scoring = Self.pass(fixture, retention: .none, threads: 1)
      #expect(try scoring.logProbabilities(TreeBatch(Self.trees), adapter: fixture.adapter) == whole.sums)
    }
  }

  @Test(arguments: [nil, DropoutDraw(probability: 0.3, seed: 5, step: 2)])
  func `recomputing layers gives the same bits`(dropout: DropoutDraw?) throws {
    for name in ["all", "qv"] {
      let fixture = try TinyFixture(name)
      let kept = try Self.gradient(Self.pass(fixture, dropout: true), fixture, Self.trees, dropout: dropout)
      for layers in 0...fixture.model.configuration.layerCount {
        let pass = Self.pass(fixture, retention: .activations(layers: layers), dropout: true)
        // The second time no buffer is fresh.
        for _ in 1...2 {
          let again = try Self.gradient(pass, fixture, Self.trees, dropout: dropout)
          #expect(kept.sums == again.sums, "\(layers) layers kept")
          #expect(kept.entries.map(\.bitPattern) == again.entries.map(\.bitPattern), "\(layers) layers kept")
        }
      }
      #expect(kept.entries.allSatisfy(\.isFinite) && kept.entries.contains { $0 != 0 })
    }
  }

  @Test func `recomputing saves memory layer by layer, and scoring between passes changes nothing`() throws {
    let fixture = try TinyFixture("all")
    let c = fixture.model.configuration
    let bytes = (0...c.layerCount).map { layers in
      Pass.byteCount(
        c, fixture.adapter?.layout, capacity: Capacity(TreeBatch(Self.trees)), positions: 256,
        retention: .activations(layers: layers), dropout: false, threads: 1)
    }
    // The last two steps hold one layer's full rows each: the shared buffers go when the first layer keeps its own.
    #expect(zip(bytes, bytes.dropFirst()).dropLast().allSatisfy { $0 < $1 } && bytes[0] < bytes[c.layerCount])
    #expect(Retention.all.recomputedLayers(of: 28) == 0 && Retention.layerInputs.recomputedLayers(of: 28) == 27)
    #expect(Retention.activations(layers: 27).recomputedLayers(of: 28) == 0)
    let pass = Self.pass(fixture, retention: .activations(layers: 1))
    let first = try Self.gradient(pass, fixture, Self.trees)
    let scores = try pass.logProbabilities(TreeBatch(Self.trees), adapter: fixture.adapter)
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

  /// prompt + completion of a tree equals the same tokens alone; gradients of the tree are the sum of both.
  @Test func `a shared prompt equals separate sequences`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try fixture.adapter.required("adapter")
    let pass = Self.pass(fixture)
    for tree in Self.trees where !tree.scoresPrompt {
      let whole = try Self.gradient(pass, fixture, [tree])
      let coefficients = Self.coefficients([tree])
      var sum = [Float](repeating: 0, count: whole.entries.count)
      let tokens = try pass.tokenLogProbabilities(TreeBatch([tree]), adapter: fixture.adapter)
      var start = 0
      for (c, completion) in tree.completions.enumerated() {
        let single = TreeBatch([
          Self.partly(
            ExampleTree(index: tree.index, prompt: tree.prompt, completions: [completion]),
            tree.unscored.isEmpty ? [] : [tree.unscored[c]])
        ])
        let alone = try pass.tokenLogProbabilities(single, adapter: fixture.adapter)
        // The same operations in the same order: not only close.
        #expect(
          alone == Array(tokens[start..<start + tree.scoredCount(c)]), "tree \(tree.index), completion \(c)")
        start += tree.scoredCount(c)
        let gradient = Storage(count: sum.count)
        _ = try pass.gradient(single, adapter: adapter, dropout: nil, into: gradient) { _ in [coefficients[c]] }
        for i in sum.indices { sum[i] += gradient.base[i] }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient, "tree \(tree.index)")
    }
  }

  /// The prompt after its first token has the log-probability and the gradient of a completion.
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
    // The prompt's coefficient is another one than that of a first completion.
    let (own, other) = (Self.coefficients([scored])[1], Self.coefficients([moved])[0])
    let sum = zip(plain.entries, alone.entries).map { $0 + $1 * Float(own / other) }
    #expect(relativeDistance(whole.entries, sum) < Distance.gradient)
  }

  /// The prompt's end moved into the completion: the same sequence, so the same log-probabilities of the rest.
  @Test func `where the prompt ends does not change later tokens`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture)
    let tree = Self.tree(0, 30, [12])
    let moved = ExampleTree(
      index: 0, prompt: Array(tree.prompt[..<9]),
      completions: [Array(tree.prompt[9...]) + tree.completions[0]])
    let (a, b) = (
      try pass.tokenLogProbabilities(TreeBatch([tree]), adapter: fixture.adapter),
      try pass.tokenLogProbabilities(TreeBatch([moved]), adapter: fixture.adapter)
    )
    #expect(excess(Array(b.suffix(12)), a, .logProbability) < 1)
  }

  /// Of prompt | A U B with U not in the loss: A after the prompt, and B after prompt, A and U.
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
      let all = try pass.tokenLogProbabilities(TreeBatch([tokens]), adapter: fixture.adapter)
      let some = try pass.tokenLogProbabilities(batch, adapter: fixture.adapter)
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
        _ = try pass.gradient(TreeBatch([part]), adapter: adapter, dropout: nil, into: gradient) { _ in coefficient }
        for i in sum.indices { sum[i] += gradient.base[i] }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient, "\(a) \(u) \(b)")
    }
  }

  @Test func `gradients of trees add up`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, dropout: true)
    for dropout in [nil, DropoutDraw(probability: 0.2, seed: 1, step: 9)] {
      let whole = try Self.gradient(pass, fixture, Self.trees, dropout: dropout)
      var sum = [Float](repeating: 0, count: whole.entries.count)
      for tree in Self.trees {
        for (i, entry) in try Self.gradient(pass, fixture, [tree], dropout: dropout).entries.enumerated() {
          sum[i] += entry
        }
      }
      #expect(relativeDistance(whole.entries, sum) < Distance.gradient)
    }
  }

  @Test func `equal completions have equal sums, and opposite coefficients cancel`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture)
    var tree = Self.tree(7, 19, [11])
    tree.completions.append(tree.completions[0])
    let adapter = try fixture.adapter.required("adapter")
    let gradient = Storage(count: adapter.layout.count)
    let sums = try pass.gradient(TreeBatch([tree]), adapter: adapter, dropout: nil, into: gradient) { _ in [0.5, -0.5] }
    #expect(sums[0] == sums[1])
    let norm = Optimizer.norm(gradient.base, count: gradient.count, pass.pool)
    _ = try pass.gradient(TreeBatch([tree]), adapter: adapter, dropout: nil, into: gradient) { _ in [0.5, 0.5] }
    #expect(norm < 1e-5 * Optimizer.norm(gradient.base, count: gradient.count, pass.pool))
  }

  @Test(arguments: ["all", "untied"])
  func `B = 0 is the base model`(name: String) throws {
    let fixture = try TinyFixture(name)
    let adapter = try fixture.adapter.required("adapter")
    let trees = name == "all" ? Self.trees : fixture.trees
    let pass = Self.pass(fixture, trees)
    for layer in 0..<fixture.model.configuration.layerCount {
      for module in adapter.layout.modules {
        let b = try adapter.layout.b(module, layer: layer, in: adapter.weights).required("B")
        Kernels.clear(b, pass.pool)
      }
    }
    let batch = TreeBatch(trees)
    let base = try pass.tokenLogProbabilities(batch, adapter: nil)
    #expect(try pass.tokenLogProbabilities(batch, adapter: fixture.adapter) == base)
    let sums = try pass.logProbabilities(batch, adapter: fixture.adapter)
    let reference = try pass.logProbabilities(batch, adapter: nil)
    #expect(sums == reference)
    if name == "untied" { #expect(TrainingStepTests.gradients(sums, reference, beta: 0.1).loss == log(2)) }
    // A's gradient is then zero, B's is not.
    let found = try Self.gradient(pass, fixture, trees)
    let gradient = Storage(count: found.entries.count)
    gradient.base.update(from: found.entries, count: found.entries.count)
    for matrix in AdapterMatrix.all(fixture.model.configuration, modules: adapter.layout.modules) {
      let isZero = adapter.layout.matrix(matrix, in: gradient).elements.allSatisfy { $0 == 0 }
      #expect(isZero == (matrix.side == .a), "\(matrix.name)")
    }
  }

  @Test func `dropout draws anew for every step, seed and example, and does nothing at 0`() throws {
    let fixture = try TinyFixture("all")
    let pass = Self.pass(fixture, dropout: true)
    let draw = DropoutDraw(probability: 0.3, seed: 5, step: 2)
    let sums = try Self.gradient(pass, fixture, Self.trees, dropout: draw).sums
    let plain = try Self.gradient(pass, fixture, Self.trees)
    #expect(sums != plain.sums)
    for other in [
      DropoutDraw(probability: 0.3, seed: 6, step: 2), DropoutDraw(probability: 0.3, seed: 5, step: 3),
    ] {
      #expect(zip(try Self.gradient(pass, fixture, Self.trees, dropout: other).sums, sums).allSatisfy { $0 != $1 })
    }
    var renamed = Self.trees
    for i in renamed.indices { renamed[i].index += 100 }
    #expect(zip(try Self.gradient(pass, fixture, renamed, dropout: draw).sums, sums).allSatisfy { $0 != $1 })
    let none = try Self.gradient(pass, fixture, Self.trees, dropout: DropoutDraw(probability: 0, seed: 5, step: 2))
    #expect(none.sums == plain.sums && none.entries == plain.entries)
  }

  /// The gradient along random directions against differences of the loss itself, module by module.
  @Test(arguments: ["all", "qv", "untied"], [nil, DropoutDraw(probability: 0.25, seed: 3, step: 1)])
  func `central differences`(name: String, dropout: DropoutDraw?) throws {
    let fixture = try TinyFixture(name)
    let adapter = try fixture.adapter.required("adapter")
    let pass = Self.pass(fixture, fixture.trees, dropout: true)
    let batch = TreeBatch(fixture.trees)
    let coefficients = Self.coefficients(fixture.trees)
    let gradient = Storage(count: adapter.layout.count)
    func value() throws -> Double {
      let sums = try pass.gradient(batch, adapter: adapter, dropout: dropout, into: gradient) { _ in coefficients }
      return zip(sums, coefficients).reduce(0) { $0 + $1.0 * $1.1 }
    }
    _ = try value()
    let found = Array(UnsafeBufferPointer(start: gradient.base, count: gradient.count))
    let random = CounterRandom(key: 17)
    for (place, matrix) in AdapterMatrix.all(fixture.model.configuration, modules: adapter.layout.modules)
      .enumerated()
    {
      let part = adapter.layout.matrix(matrix, in: adapter.weights)
      let offset = part.base - adapter.weights.base
      let count = part.rows * part.columns
      let own = Array(found[offset..<offset + count])
      let norm = own.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      // Half along the gradient, so that the derivative is well above rounding; half anywhere.
      let before = part.elements
      let direction = own.indices.map { i in
        Double(own[i]) / norm + (2 * random.uniform(stream: UInt64(place), index: UInt64(i)) - 1)
          / Double(count).squareRoot()
      }
      let step = 4e-3
      func move(by amount: Double) -> [Double] {
        for i in 0..<count { part.base[i] = Float(Double(before[i]) + amount * direction[i]) }
        return (0..<count).map { Double(part.base[$0]) }
      }
      let above = move(by: step)
      let high = try value()
      let below = move(by: -step)
      let low = try value()
      part.base.update(from: before, count: count)
      // What was really stepped, after rounding.
      let expected = (0..<count).reduce(0.0) { $0 + Double(own[$1]) * (above[$1] - below[$1]) }
      #expect(abs(high - low - expected) < Distance.difference * abs(expected), "\(matrix.name)")
    }
  }
}
