import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Compares AdamW steps from the fixture's adapter with torch's optimizer on transformers and PEFT in fp64.
@Suite struct TrainingStepTests {
  /// The DPO loss of pairs, and d loss / d sum of each of their completions.
  static func gradients(_ sums: [Double], _ reference: [Double], beta: Double) -> (loss: Double, gradients: [Double]) {
    var (loss, gradients) = (0.0, [Double]())
    let pairs = Double(sums.count / 2)
    for pair in stride(from: 0, to: sums.count, by: 2) {
      let margin = beta * ((sums[pair] - reference[pair]) - (sums[pair + 1] - reference[pair + 1]))
      loss += log1p(exp(-margin)) / pairs
      let gradient = -beta / (1 + exp(margin)) / pairs
      gradients += [gradient, -gradient]
    }
    return (loss, gradients)
  }

  @Test(arguments: [("all", "constant"), ("all", "cosine"), ("text", "linear")])
  func `five steps`(name: String, run: String) throws {
    let fixture = try TinyFixture(name)
    let adapter = try fixture.adapter.required("adapter")
    let count = adapter.layout.count
    let start = Array(UnsafeBufferPointer(start: adapter.weights.base, count: count))
    let document = try JSONValue.parse(String(contentsOfFile: TinyFixture.directory + "/cases.json", encoding: .utf8))
    func setting(_ name: String) throws -> Double { try document[name]?.double.required(name) ?? 0 }
    let (beta, limit, decay) = (try setting("beta"), try setting("max_grad_norm"), try setting("weight_decay"))
    let betas = try document["adam_betas"].required("adam_betas").numbers
    let schedule = try fixture.values["runs"]?[run].required(run)
    let batchSize = try schedule?["batch"]?.int.required("batch") ?? 0
    let steps = try schedule?["per_step"]?.array.required("per_step") ?? []
    #expect(steps.count == 5)

    let pass = ParityTests.pass(fixture, TreeBatch(fixture.trees))
    let (gradient, first, second) = (Storage(count: count), Storage(count: count), Storage(count: count))
    for (i, expected) in steps.enumerated() {
      let trees = (0..<batchSize).map { fixture.trees[(i * batchSize + $0) % fixture.trees.count] }
      let batch = TreeBatch(trees)
      let reference = try pass.logProbabilities(batch, model: fixture.model, adapter: nil)
      var loss = 0.0
      _ = try pass.gradient(batch, model: fixture.model, adapter: adapter, dropout: nil, into: gradient) { sums in
        let found = Self.gradients(sums, reference, beta: beta)
        loss = found.loss
        return found.gradients
      }
      let norm = Optimizer.norm(gradient.base, count: count, pass.pool)
      let rate = try expected["learning_rate"]?.double.required("learning_rate") ?? 0
      Optimizer.adamW(
        weights: adapter.weights.base, first: first.base, second: second.base, gradient: gradient.base, count: count,
        AdamWStep(
          number: i + 1, learningRate: rate, beta1: betas[0], beta2: betas[1], epsilon: try setting("adam_epsilon"),
          weightDecay: decay, gradientScale: Float(min(1, limit / (norm + 1e-6)))), pass.pool)
      let numbers = try [
        expected["loss"]?.double.required("loss") ?? 0, expected["grad_norm"]?.double.required("grad_norm") ?? 0,
      ]
      #expect(excess([loss, norm], numbers, .trainingStep) < 1, "step \(i + 1): \(loss), \(norm), expected \(numbers)")
    }

    var (ours, theirs) = ([Float](), [Float]())
    let begun = Storage(count: count)
    begun.base.update(from: start, count: count)
    for matrix in adapter.layout.matrices {
      let origin = adapter.layout.matrix(matrix, in: begun).elements
      ours += zip(adapter.layout.matrix(matrix, in: adapter.weights).elements, origin).map { $0 - $1 }
      theirs += zip(try fixture.reference("\(run)/\(matrix.name)"), origin).map { $0 - $1 }
    }
    #expect(ours.count == count)
    #expect(relativeDistance(ours, theirs) < Distance.update)
  }
}
