import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Every family beside transformers in fp64 (Tests/Fixtures/families.py): log-probs, and gradients of all weights.
@Suite struct FamilyTests {
  private static let directory = Repository.fixture("families")

  private static func layout(_ model: LanguageModel) -> PolicyLayout {
    PolicyLayout(model.configuration, weights: WeightName.all(model.configuration))
  }

  /// A policy that trains all weights of a model.
  private static func policy(_ name: String, _ layout: PolicyLayout) throws -> (policy: Policy, values: Storage) {
    let directory = try ModelDirectory("\(directory)/\(name)")
    let values = Storage(count: layout.count)
    layout.fill(values, from: LanguageModel(directory), ThreadPool(threads: 2))
    return (Policy(LanguageModel(directory), layout, values: values), values)
  }

  @Test(arguments: ["qwen2-tied", "qwen2-untied", "qwen3", "llama3", "llama-biases", "mistral"])
  func `log-probabilities equal transformers'`(of name: String) throws {
    let fixture = try TinyFixture(name, in: Self.directory)
    let batch = TreeBatch(fixture.trees)
    let pass = ParityTests.pass(fixture, batch, retention: .none)
    let logps = try pass.tokenLogProbabilities(batch, Policy(fixture.model))
    var start = 0
    for (t, tree) in fixture.trees.enumerated() {
      for (c, completion) in tree.completions.enumerated() {
        let reference = try fixture.reference("logp/base/\(t)/\(c)")
        let ours = logps[start..<start + completion.count].map(Float.init)
        #expect(excess(ours, reference, .logProbability) < 1, "tree \(t), completion \(c)")
        start += completion.count
      }
    }
  }

  @Test(
    arguments: ["qwen2-tied", "qwen2-untied", "qwen3", "llama3", "llama-biases"], [Retention.all, .layerInputs])
  func `gradients of all weights equal transformers'`(of name: String, retention: Retention) throws {
    let fixture = try TinyFixture(name, in: Self.directory)
    guard fixture.values["has_gradient"] == true else { return }
    let layout = Self.layout(fixture.model)
    let (policy, _) = try Self.policy(name, layout)
    let batch = TreeBatch(fixture.trees)
    let coefficients = (fixture.values["trees"]?.array ?? []).flatMap { $0["coefficients"]?.numbers ?? [] }
    let whole = fixture.values["gradient_norm"]?.double ?? 0
    var bits: [Float]?
    for threads in [1, 2] {
      let pass = Pass(
        fixture.model.configuration, layout: layout, capacity: Capacity(batch), positions: 256, retention: retention,
        threads: threads)
      let sink = GradientArena(count: layout.count)
      _ = try pass.gradient(batch, policy, dropout: nil, into: sink) { _ in coefficients }
      for parameter in layout.parameters.parameters {
        let reference = try fixture.reference("gradient/\(parameter.name)")
        let found = parameter.matrix(in: sink.values).elements
        let distance = zip(found, reference).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }.squareRoot()
        let norm = reference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        // Key biases cancel, so theirs is rounding alone.
        #expect(distance < max(1e-5 * norm, 1e-7 * whole), "\(parameter.name): \(distance) of \(norm)")
      }
      let found = Array(UnsafeBufferPointer(start: sink.values.base, count: layout.count))
      #expect(bits == nil || bits == found, "threads")
      bits = found
    }
  }

  /// A part of the weights has the gradients that it has among all, whatever stays frozen below it. A frozen head sums
  /// its rows' gradient otherwise than a trained one.
  @Test(arguments: ["qwen2-tied", "qwen3"]) func `frozen weights change no gradient of others`(name: String) throws {
    let fixture = try TinyFixture(name, in: Self.directory)
    let batch = TreeBatch(fixture.trees)
    let all = WeightName.all(fixture.model.configuration)
    func gradient(_ weights: [WeightName]) throws -> [String: [Float]] {
      let layout = PolicyLayout(fixture.model.configuration, weights: weights)
      let (policy, _) = try Self.policy(name, layout)
      let pass = Pass(
        fixture.model.configuration, layout: layout, capacity: Capacity(batch), positions: 256, retention: .all,
        threads: 1)
      let sink = GradientArena(count: layout.count)
      _ = try pass.gradient(batch, policy, dropout: nil, into: sink) { $0.map { _ in 0.25 } }
      return Dictionary(
        uniqueKeysWithValues: layout.parameters.parameters.map { ($0.name, $0.matrix(in: sink.values).elements) })
    }
    let whole = try gradient(all)
    let norm = whole.values.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let head: WeightName = fixture.model.configuration.tiesEmbeddings ? .embedding : .head
    for part in [
      all.filter { $0 != .inputNorm(layer: 0) }, all.filter { $0 != .embedding }, all.filter { $0.layer == 1 },
      [.finalNorm], [.inputNorm(layer: 0)],
      [.linear(.value, layer: 0), .linear(.down, layer: 1)],
    ] as [[WeightName]] {
      for (parameter, values) in try gradient(part) {
        let all = try whole[parameter].required(parameter)
        let own = all.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let distance = zip(all, values).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }.squareRoot()
        #expect(
          part.contains(head) ? all == values : distance < max(1e-5 * own, 1e-7 * norm), "\(parameter): \(distance)")
      }
    }
  }
}
