import Foundation
import Tensors
import TestSupport
import Testing

/// The Lion part of `Tests/Fixtures/optimizers.json`: bitsandbytes' results, written by `optimizers.py`.
private struct LionFixture: Decodable {
  struct Case: Decodable {
    var beta1, beta2, weightDecay: Double
    var start: [Float]
    var steps: [Step]
  }

  struct Step: Decodable {
    var learningRate: Double
    var gradient, weights, momentum: [Float]
  }

  var lion: Case

  static func load() throws -> Case {
    let data = try Data(contentsOf: URL(fileURLWithPath: Repository.fixture("optimizers.json")))
    return try JSONDecoder().decode(LionFixture.self, from: data).lion
  }
}

/// Compares AdamW and the norm with the same formulas in fp64, and Lion also with bitsandbytes. ModelTests compares
/// five steps with torch's own AdamW.
@Suite struct OptimizerTests {
  @Test(arguments: [1, 31, 70001])
  func `steps of AdamW`(count: Int) {
    let pool = ThreadPool(threads: 2)
    func numbers(_ seed: UInt64) -> [Float] { randomMatrix(1, count, seed: seed, margin: 0).elements }
    var weights = numbers(1)
    var (first, second) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
    var (w, m, v) = (weights.map(Double.init), first.map(Double.init), second.map(Double.init))
    let (rate, beta1, beta2, epsilon, decay, scale) = (0.01, 0.9, 0.95, 1e-8, 0.1, 0.25)
    var (power1, power2) = (1.0, 1.0)
    for number in 1...6 {
      let gradient = numbers(UInt64(10 + number))
      Optimizer.adamW(
        weights: &weights, first: &first, second: &second, gradient: gradient, count: count,
        AdamWStep(
          number: number, learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
          weightDecay: decay,
          gradientScale: Float(scale)), pool)
      (power1, power2) = (power1 * beta1, power2 * beta2)
      for i in 0..<count {
        let g = Double(gradient[i]) * scale
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g * g
        w[i] -= rate * decay * w[i]
        w[i] -= rate * (m[i] / (1 - power1)) / ((v[i] / (1 - power2)).squareRoot() + epsilon)
      }
    }
    #expect(excess(weights.map(Double.init), w, .kernel) < 1)
    #expect(excess(first.map(Double.init), m, .kernel) < 1)
    #expect(excess(second.map(Double.init), v, .kernel) < 1)
  }

  @Test func `a gradient of zero only decays`() {
    var (weights, first, second): ([Float], [Float], [Float]) = ([2], [0], [0])
    Optimizer.adamW(
      weights: &weights, first: &first, second: &second, gradient: [0], count: 1,
      AdamWStep(
        number: 1, learningRate: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.5,
        gradientScale: 1),
      ThreadPool(threads: 1))
    #expect(weights == [1.5] && first == [0] && second == [0])
  }

  @Test func `steps of Lion equal bitsandbytes'`() throws {
    let fixture = try LionFixture.load()
    let pool = ThreadPool(threads: 1)
    var (weights, momentum) = (fixture.start, [Float](repeating: 0, count: fixture.start.count))
    #expect(fixture.steps.count == 6)
    for (i, step) in fixture.steps.enumerated() {
      // Half the gradient, scaled by 2 in the step: exact, because clipping must come before the blend.
      Optimizer.lion(
        weights: &weights, momentum: &momentum, gradient: step.gradient.map { $0 / 2 }, count: weights.count,
        LionStep(
          learningRate: step.learningRate, beta1: fixture.beta1, beta2: fixture.beta2,
          weightDecay: fixture.weightDecay, gradientScale: 2), pool)
      // A fused multiply-add rounds once, torch rounds twice. A wrong sign would differ by twice the rate.
      let tolerance = Tolerance(relative: 1e-6, absolute: 1e-7)
      #expect(excess(weights, step.weights, tolerance) < 1, "step \(i + 1)")
      #expect(excess(momentum, step.momentum, tolerance) < 1, "step \(i + 1)")
    }
    // The entry without gradients has only decayed.
    let decayed = fixture.steps.reduce(Double(fixture.start[3])) { $0 * (1 - $1.learningRate * fixture.weightDecay) }
    #expect(abs(Double(weights[3]) - decayed) < 1e-6 * abs(decayed) && momentum[3] == 0)
  }

  @Test(arguments: [1, 2, 3])
  func `Lion on blocks and tails`(threads: Int) {
    let count = 2 << 16 | 37
    func numbers(_ seed: UInt64) -> [Float] { randomMatrix(1, count, seed: seed, margin: 0).elements }
    let (start, gradient) = (numbers(1), numbers(2))
    var (weights, momentum) = (start, numbers(3))
    let before = momentum
    Optimizer.lion(
      weights: &weights, momentum: &momentum, gradient: gradient, count: count,
      LionStep(learningRate: 0.5, beta1: 0.75, beta2: 0.5, weightDecay: 0.5, gradientScale: 1),
      ThreadPool(threads: threads))
    for i in 0..<count {
      let blend = 0.75 * Double(before[i]) + 0.25 * Double(gradient[i])
      let expected = 0.75 * Double(start[i]) - (blend > 0 ? 0.5 : blend < 0 ? -0.5 : 0)
      guard abs(blend) > 1e-6 else { continue }
      #expect(abs(Double(weights[i]) - expected) < 1e-6)
      #expect(abs(Double(momentum[i]) - 0.5 * Double(before[i]) - 0.5 * Double(gradient[i])) < 1e-6)
    }
  }

  @Test func `the norm is the same for any number of threads`() {
    let count = 3 << 16 | 21
    let x = randomMatrix(1, count, seed: 5, margin: 0).elements
    let norm = Optimizer.norm(x, count: count, ThreadPool(threads: 1))
    let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    #expect(abs(norm - exact) < 1e-12 * exact)
    for threads in [2, 3] { #expect(Optimizer.norm(x, count: count, ThreadPool(threads: threads)) == norm) }
    #expect(Optimizer.norm(x, count: 0, ThreadPool(threads: 2)) == 0)
    #expect(
      Optimizer.norm([1e30, 1e30], count: 2, ThreadPool(threads: 1)) > 1.4e30, "squares beyond fp32's range")
  }
}
