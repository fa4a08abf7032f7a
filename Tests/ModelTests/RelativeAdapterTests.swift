import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Adapters that start from the base's weights, and the companion that takes their start away.
@Suite struct RelativeAdapterTests {
  static let starts: [RelativeStart] = [
    .singularVectors(iterations: nil), .singularVectors(iterations: 3), .orthogonalFactors,
  ]

  /// At its start.
  static func adapter(
    _ start: RelativeStart, of model: LanguageModel, rank: Int = 4,
    modules: Set<LinearModule> = Set(LinearModule.allCases)
  ) -> Adapter {
    let c = model.configuration
    let adapter = Adapter(
      layout: AdapterLayout(configuration: c, rank: rank, scale: 1.5, modules: modules, form: .relative))
    for layer in 0..<c.layerCount {
      for module in modules { adapter.fillCompanion(module, layer: layer, of: model, start, seed: 5) }
    }
    adapter.startAtCompanion()
    return adapter
  }

  /// Moves every entry by up to a share of itself, always the same.
  static func move(_ adapter: Adapter, by share: Float = 0.2) {
    for i in 0..<adapter.layout.count { adapter.weights.base[i] *= 1 + share * Float(i * 7919 % 2003) / 2003 }
  }

  static func pass(_ fixture: TinyFixture, _ layout: AdapterLayout, _ trees: [ExampleTree]) -> Pass {
    Pass(
      model: fixture.model, layout: layout, capacity: Capacity(TreeBatch(trees)), positions: 256, retention: .all,
      dropout: true, threads: 2)
  }

  @Test(arguments: starts) func `at the start the policy is the base`(_ start: RelativeStart) throws {
    let fixture = try TinyFixture("all")
    let adapter = Self.adapter(start, of: fixture.model)
    let pass = Self.pass(fixture, adapter.layout, fixture.trees)
    let batch = TreeBatch(fixture.trees)
    let base = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: nil)
    let policy = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: adapter)
    #expect(zip(base, policy).allSatisfy { abs($0 - $1) < 1e-4 })
    Self.move(adapter)
    let moved = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: adapter)
    #expect(zip(base, moved).contains { abs($0 - $1) > 1e-2 })
  }

  @Test(arguments: starts) func `saved as a plain adapter of twice the rank, and taken back`(_ start: RelativeStart)
    throws
  {
    let fixture = try TinyFixture("all")
    let adapter = Self.adapter(start, of: fixture.model, modules: [.query, .value, .down])
    Self.move(adapter)
    let saved = adapter.saved
    #expect(saved.layout.form == .plain && saved.layout.shape(.down, layer: 1)?.rank == 8)
    let trees = fixture.trees
    func sums(_ adapter: Adapter) throws -> [Double] {
      try Self.pass(fixture, adapter.layout, trees).logProbabilities(
        TreeBatch(trees), model: fixture.model, adapter: adapter)
    }
    #expect(zip(try sums(adapter), try sums(saved)).allSatisfy { abs($0 - $1) < 1e-3 })
    let other = Adapter(layout: adapter.layout)
    other.take(saved: saved)
    #expect(try sums(other) == sums(adapter))

    // Through files, with the configuration that says so.
    var configuration = AdapterConfiguration(
      rank: 4, alpha: 6, dropout: 0, modules: [.query, .value, .down], baseModel: "model")
    configuration.form = .relative
    let scratch = try TemporaryDirectory()
    try AdapterDirectory.write(
      adapter, configuration, InferenceFiles(adapter: nil, base: TinyFixture.path("model")), to: scratch.path("saved"))
    let read = try AdapterDirectory(scratch.path("saved"), model: fixture.model.configuration)
    #expect(read.configuration.rank == 8 && read.configuration.alpha == 12 && read.configuration.form == .plain)
    #expect(try sums(Adapter(read, model: fixture.model.configuration)) == sums(saved))
  }

  /// The frozen companion has a part in the gradient of its input, and sees it without dropout.
  @Test(arguments: [nil, RandomDraw(probability: 0.25, seed: 3, step: 1)])
  func `central differences`(dropout: RandomDraw?) throws {
    let fixture = try TinyFixture("all")
    let adapter = Self.adapter(.singularVectors(iterations: nil), of: fixture.model)
    Self.move(adapter)
    try expectCentralDifferences(adapter, fixture, dropout: dropout)
  }

  @Test func `a companion is part of memory and operations`() throws {
    let fixture = try TinyFixture("all")
    let relative = PolicyLayout(Self.adapter(.orthogonalFactors, of: fixture.model).layout)
    let plain = PolicyLayout(
      AdapterLayout(
        configuration: fixture.model.configuration, rank: 4, scale: 1.5, modules: Set(LinearModule.allCases)))
    let tree = fixture.trees[0]
    #expect(relative.count == plain.count && relative.saved.count == 2 * plain.count)
    let (more, less) = (FlopCount.training(tree, relative), FlopCount.training(tree, plain))
    #expect(more.lora * 6 == less.lora * 10 && more.linears == less.linears)
    let capacity = Capacity(TreeBatch([tree]))
    func bytes(_ layout: PolicyLayout) -> Int {
      Pass.byteCount(
        layout.configuration, layout, capacity: capacity, positions: 64, retention: .all, dropout: false, threads: 1)
    }
    let pass = Pass(
      layout: relative, capacity: capacity)
    #expect(bytes(relative) > bytes(plain) && pass.byteCount == bytes(relative))
  }
}

extension Pass {
  fileprivate convenience init(layout: PolicyLayout, capacity: Capacity) {
    self.init(
      layout.configuration, layout: layout, capacity: capacity, positions: 64, retention: .all, threads: 1)
  }
}
