import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Compares QLoRA on a tiny model with bitsandbytes and PEFT in fp32 (Tests/Fixtures/nf4.py), and tests its two merges.
@Suite struct QLoRATests {
  private let scratch: TemporaryDirectory
  private let fixture: TinyFixture
  private let directory: ModelDirectory
  private let adapter: Adapter
  private let model: LanguageModel

  init() throws {
    scratch = try TemporaryDirectory()
    fixture = try TinyFixture("nf4", in: TinyFixture.nf4Directory)
    adapter = try fixture.adapter.required("adapter")
    directory = try ModelDirectory(TinyFixture.nf4Directory + "/model")
    model = try LanguageModel(
      directory, as: .nf4, modelHash: directory.contentHash(ContentHash(cacheDirectory: nil)),
      cacheDirectory: scratch.path("cache"), threads: 2)
  }

  private func pass(_ model: LanguageModel, _ batch: TreeBatch, adapter: Adapter?, retention: Retention = .all) -> Pass
  {
    Pass(
      model: model, layout: adapter?.layout, capacity: Capacity(batch), positions: 256, retention: retention, threads: 2
    )
  }

  private func logps(_ model: LanguageModel, adapter: Adapter?) throws -> [Float] {
    let batch = TreeBatch(fixture.trees)
    return try pass(model, batch, adapter: adapter, retention: .none)
      .tokenLogProbabilities(batch, model: model, adapter: adapter).map(Float.init)
  }

  private func reference(_ policy: String) throws -> [Float] {
    try fixture.trees.enumerated().flatMap { t, tree in
      try tree.completions.indices.flatMap { try fixture.reference("logp/\(policy)/\(t)/\($0)") }
    }
  }

  @Test func `log-probabilities`() throws {
    for (policy, adapter) in [("base", nil), ("policy", adapter)] {
      let expected = try reference(policy)
      let ours = try logps(model, adapter: adapter)
      #expect(excess(ours, expected, .logProbability) < 1, "\(policy)")
      // The effect of rounding to 4 bits is visible; otherwise this test proves nothing.
      let stored = try logps(fixture.model, adapter: adapter)
      #expect(excess(stored, expected, Tolerance(relative: 0, absolute: 0.01)) > 1)
    }
  }

  @Test(arguments: [Retention.all, .layerInputs])
  func `a step`(retention: Retention) throws {
    let batch = TreeBatch(fixture.trees)
    let pass = pass(model, batch, adapter: adapter, retention: retention)
    let count = adapter.layout.count
    let (gradient, first, second) = (Storage(count: count), Storage(count: count), Storage(count: count))
    let reference = try pass.logProbabilities(batch, model: model, adapter: nil)
    var loss = 0.0
    _ = try pass.gradient(batch, model: model, adapter: adapter, dropout: nil, into: gradient) { sums in
      let found = TrainingStepTests.gradients(sums, reference, beta: 0.1)
      loss = found.loss
      return found.gradients
    }
    let norm = Optimizer.norm(gradient.base, count: count, pass.pool)
    let expected = try [
      fixture.values["loss"]?.double.required("loss") ?? 0,
      fixture.values["grad_norm"]?.double.required("grad_norm") ?? 0,
    ]
    #expect(excess([loss, norm], expected, .trainingStep) < 1, "\([loss, norm]), expected \(expected)")

    let begun = Storage(count: count)
    begun.base.update(from: adapter.weights.base, count: count)
    Optimizer.adamW(
      weights: adapter.weights.base, first: first.base, second: second.base, gradient: gradient.base, count: count,
      AdamWStep(
        number: 1, learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01,
        gradientScale: Float(min(1, 1 / (norm + 1e-6)))), pass.pool)
    var (ours, theirs) = ([Float](), [Float]())
    for matrix in adapter.layout.matrices {
      let found = adapter.layout.matrix(matrix, in: gradient).elements
      #expect(relativeDistance(found, try fixture.reference("gradient/\(matrix.name)")) < Distance.gradient)
      let origin = adapter.layout.matrix(matrix, in: begun).elements
      ours += zip(adapter.layout.matrix(matrix, in: adapter.weights).elements, origin).map { $0 - $1 }
      theirs += zip(try fixture.reference("step/\(matrix.name)"), origin).map { $0 - $1 }
    }
    #expect(relativeDistance(ours, theirs) < Distance.update)
  }

  /// The model that `MergedExport` writes.
  private func merged(_ storage: WeightStorage, adapter: Adapter?, type: ElementType?) throws -> LanguageModel {
    let path = scratch.path("merged-\(UUID().uuidString)")
    let policy = adapter.map { Policy(fixture.model, adapter: $0) }
    try MergedExport(directory, policy, into: storage, type: type, pool: ThreadPool(threads: 2))
      .write(InferenceFiles(adapter: nil, base: directory.path), to: path, shardBytes: 1 << 30)
    return try LanguageModel(ModelDirectory(path))
  }

  @Test(arguments: [WeightStorage.stored, .nf4])
  func `merged`(storage: WeightStorage) throws {
    let base = storage == .stored ? fixture.model : model
    // Without an adapter: the same bits.
    let bare = try merged(storage, adapter: nil, type: .float32)
    for (layer, expected) in zip(bare.layers, base.layers) {
      for module in LinearModule.allCases {
        #expect(bits(layer.weight(module).widened()) == bits(expected.weight(module).widened()))
      }
    }
    #expect(bits(bare.embedding.widened()) == bits(fixture.model.embedding.widened()))
    // With the adapter: the same as the adapter beside this base, but not as beside the other base.
    let whole = try logps(merged(storage, adapter: adapter, type: .float32), adapter: nil)
    #expect(excess(whole, try logps(base, adapter: adapter), .logProbability) < 1)
    let other = storage == .stored ? model : fixture.model
    #expect(excess(whole, try logps(other, adapter: adapter), Tolerance(relative: 0, absolute: 0.01)) > 1)
    // In the checkpoint's type: one rounding of difference.
    let narrow = try merged(storage, adapter: adapter, type: nil)
    let wide = try merged(storage, adapter: adapter, type: .float32)
    for (layer, exact) in zip(narrow.layers, wide.layers) {
      for module in LinearModule.allCases {
        let rounded = exact.weight(module).widened().narrowed(to: .bfloat16)
        #expect(layer.weight(module).widened().narrowed(to: .bfloat16) == rounded)
      }
    }
  }
}
