import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Compares forward and backward passes with transformers and PEFT in fp64 (Tests/Fixtures/tiny_model.py).
@Suite struct ParityTests {
  static func pass(_ fixture: TinyFixture, _ batch: TreeBatch, retention: Retention = .all, threads: Int = 2) -> Pass {
    Pass(
      model: fixture.model, layout: fixture.adapter?.layout, capacity: Capacity(batch), positions: 256,
      retention: retention, threads: threads)
  }

  @Test(arguments: ["all", "qv", "half", "untied"], [true, false])
  func `log-probabilities equal transformers'`(of name: String, adapted: Bool) throws {
    let fixture = try TinyFixture(name)
    if adapted && fixture.adapter == nil { return }
    let batch = TreeBatch(fixture.trees)
    let pass = Self.pass(fixture, batch, retention: .none)
    let logps = try pass.tokenLogProbabilities(batch, model: fixture.model, adapter: adapted ? fixture.adapter : nil)
    var start = 0
    for (t, tree) in fixture.trees.enumerated() {
      for (c, completion) in tree.completions.enumerated() {
        let reference = try fixture.reference("logp/\(adapted ? "policy" : "base")/\(t)/\(c)")
        let ours = logps[start..<start + completion.count].map(Float.init)
        #expect(excess(ours, reference, .logProbability) < 1, "tree \(t), completion \(c)")
        start += completion.count
      }
    }
  }

  /// The gradient of the mean DPO loss over the case's trees, module by module.
  @Test(arguments: ["all", "qv", "untied"], [Retention.all, .layerInputs])
  func `gradients equal PEFT's`(of name: String, retention: Retention) throws {
    let fixture = try TinyFixture(name)
    let batch = TreeBatch(fixture.trees)
    let pass = Self.pass(fixture, batch, retention: retention)
    let reference = try pass.logProbabilities(batch, model: fixture.model, adapter: nil)
    let adapter = try fixture.adapter.required("adapter")
    let gradient = Storage(count: adapter.layout.count)
    _ = try pass.gradient(batch, model: fixture.model, adapter: adapter, dropout: nil, into: gradient) { sums in
      var coefficients = [Double](repeating: 0, count: sums.count)
      for pair in stride(from: 0, to: sums.count, by: 2) {
        let margin = (sums[pair] - reference[pair]) - (sums[pair + 1] - reference[pair + 1])
        let gradient = -0.1 / (1 + exp(0.1 * margin)) / Double(sums.count / 2)
        coefficients[pair] = gradient
        coefficients[pair + 1] = -gradient
      }
      return coefficients
    }
    for layer in 0..<fixture.model.configuration.layerCount {
      for module in adapter.layout.modules {
        for (letter, matrix) in [
          ("A", adapter.layout.a(module, layer: layer, in: gradient)),
          ("B", adapter.layout.b(module, layer: layer, in: gradient)),
        ] {
          let part = [.query, .key, .value, .output].contains(module) ? "self_attn" : "mlp"
          let key = "gradient/base_model.model.model.layers.\(layer).\(part).\(module.rawValue).lora_\(letter).weight"
          let distance = relativeDistance(try matrix.required(key).elements, try fixture.reference(key))
          #expect(distance < 1e-5, "\(key)")
        }
      }
    }
  }
}
