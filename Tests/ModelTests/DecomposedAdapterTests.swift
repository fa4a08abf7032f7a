import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// DoRA: magnitudes beside LoRA. PEFTAdapterTests compare log-probs and merged weights with PEFT's.
@Suite struct DecomposedAdapterTests {
  /// LoRA's matrices of the fixture, and the same with magnitudes at their start.
  private static func adapters(_ fixture: TinyFixture) throws -> (plain: Adapter, decomposed: Adapter) {
    let plain = try fixture.adapter.required("adapter")
    let shape = try plain.layout.shape(.query, layer: 0).required("shape")
    let decomposed = Adapter(
      layout: AdapterLayout(
        configuration: fixture.model.configuration, rank: shape.rank, scale: shape.scale,
        modules: Set(plain.layout.modules), form: .decomposed))
    for name in plain.layout.matrices {
      let (from, to) = (
        plain.layout.matrix(name, in: plain.weights), decomposed.layout.matrix(name, in: decomposed.weights)
      )
      to.base.update(from: from.base, count: from.rows * from.columns)
    }
    Policy(fixture.model, adapter: decomposed).startMagnitudes(ThreadPool(threads: 2))
    return (plain, decomposed)
  }

  /// Every magnitude by up to a third.
  private static func move(_ adapter: Adapter) {
    for range in adapter.layout.parameters.ranges(of: .magnitude) {
      for i in range { adapter.weights.base[i] *= 1 + Float(i * 7919 % 2003 - 1001) / 3003 }
    }
  }

  private static func pass(_ fixture: TinyFixture, _ layout: AdapterLayout, _ retention: Retention = .all) -> Pass {
    Pass(
      model: fixture.model, layout: layout, capacity: Capacity(TreeBatch(fixture.trees)), positions: 256,
      retention: retention, dropout: true, threads: 2)
  }

  private static func isClose(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 } }

  @Test(arguments: [nil, RandomDraw(probability: 0.25, seed: 3, step: 1)])
  func `magnitudes at their start are plain LoRA, with the same gradient`(dropout: RandomDraw?) throws {
    let fixture = try TinyFixture("all")
    let (plain, decomposed) = try Self.adapters(fixture)
    let batch = TreeBatch(fixture.trees)
    func gradient(_ adapter: Adapter) throws -> (sums: [Double], entries: Storage) {
      let gradient = Storage(count: adapter.layout.count)
      let sums = try Self.pass(fixture, adapter.layout).gradient(
        batch, model: fixture.model, adapter: adapter, dropout: dropout, into: gradient
      ) { _ in TreeTests.coefficients(fixture.trees) }
      return (sums, gradient)
    }
    let (expected, found) = (try gradient(plain), try gradient(decomposed))
    #expect(Self.isClose(expected.sums, found.sums))
    for name in plain.layout.matrices {
      let (a, b) = (plain.layout.matrix(name, in: expected.entries), decomposed.layout.matrix(name, in: found.entries))
      #expect(relativeDistance(b.elements, a.elements) < 1e-4, "\(name.name)")
    }
  }

  /// The norms stay as they were, because they have no gradient.
  @Test(arguments: [nil, RandomDraw(probability: 0.25, seed: 3, step: 1)])
  func `central differences`(dropout: RandomDraw?) throws {
    let fixture = try TinyFixture("all")
    let adapter = try Self.adapters(fixture).decomposed
    Self.move(adapter)
    #expect(adapter.layout.matrices.contains { $0.side == .magnitude })
    try expectCentralDifferences(adapter, fixture, dropout: dropout)
  }

  /// Two ways of the arithmetic: without dropout, and with one that drops nothing.
  @Test func `dropout of almost nothing changes nothing`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try Self.adapters(fixture).decomposed
    Self.move(adapter)
    let pass = Self.pass(fixture, adapter.layout)
    func gradient(_ dropout: RandomDraw?) throws -> (sums: [Double], entries: [Float]) {
      let gradient = Storage(count: adapter.layout.count)
      let sums = try pass.gradient(
        TreeBatch(fixture.trees), model: fixture.model, adapter: adapter, dropout: dropout, into: gradient
      ) { _ in TreeTests.coefficients(fixture.trees) }
      return (sums, (0..<adapter.layout.count).map { gradient.base[$0] })
    }
    let (without, with) = (try gradient(nil), try gradient(RandomDraw(probability: 1e-12, seed: 1, step: 1)))
    #expect(Self.isClose(without.sums, with.sums))
    #expect(relativeDistance(with.entries, without.entries) < 1e-4)
  }

  @Test func `norms follow the parameters when they are said to have changed`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try Self.adapters(fixture).decomposed
    let policy = Policy(fixture.model, adapter: adapter)
    let (batch, pass) = (TreeBatch(fixture.trees), Self.pass(fixture, adapter.layout))
    _ = try pass.logProbabilities(batch, policy)
    for range in adapter.layout.parameters.ranges(of: .loraB) { for i in range { adapter.weights.base[i] *= 3 } }
    let stale = try pass.logProbabilities(batch, policy)
    policy.parametersChanged()
    let fresh = try pass.logProbabilities(batch, policy)
    let other = Adapter(layout: adapter.layout)
    other.weights.base.update(from: adapter.weights.base, count: adapter.layout.count)
    #expect(try pass.logProbabilities(batch, model: fixture.model, adapter: other) == fresh && fresh != stale)
  }

  /// Token by token with a cache, where single rows have products of their own.
  @Test func `generation has the same model`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try Self.adapters(fixture).decomposed
    Self.move(adapter)
    let tree = fixture.trees[0]
    let completion = tree.completions[0]
    let expected = try Self.pass(fixture, adapter.layout).tokenLogProbabilities(
      TreeBatch([tree]), model: fixture.model, adapter: adapter)
    let cached = CachedPassProbe(fixture.model, adapter, capacity: 256)
    var (tokens, count) = (tree.prompt, 0)
    for (place, token) in completion.enumerated() {
      let logits = cached.logits(after: tokens, from: count).map(Double.init)
      count += tokens.count
      let largest = logits.max() ?? 0
      let logProbability = logits[Int(token)] - largest - log(logits.reduce(0) { $0 + exp($1 - largest) })
      #expect(abs(logProbability - expected[place]) < 1e-4, "token \(place)")
      tokens = [token]
    }
  }

  @Test func `names and operations`() throws {
    let adapter = try Self.adapters(TinyFixture("all")).decomposed
    let layout = adapter.layout.parameters
    let recomputed = FlopCount.training(
      try TinyFixture("all").trees[0], PolicyLayout(adapter.layout), recomputedLayers: 1)
    let kept = FlopCount.training(try TinyFixture("all").trees[0], PolicyLayout(adapter.layout))
    #expect(recomputed.linears > kept.linears)
    let names = layout.parameters.filter { $0.role == .magnitude }.map(\.name)
    #expect(names.contains("base_model.model.model.layers.1.mlp.down_proj.lora_magnitude_vector"))
  }
}
