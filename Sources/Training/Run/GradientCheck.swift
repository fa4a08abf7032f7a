// Compares the gradient of every parameter with central differences.

package import Corpus
package import Model
package import Tensors

/// One comparison of the analytic derivative with a difference quotient.
package struct GradientComparison: Sendable {
  /// A parameter's name, with an index when it is a single entry.
  package let name: String
  package let analytic, difference: Double
  /// An estimate of the rounding error in the difference quotient.
  package let uncertainty: Double

  /// Whether both agree within 1 % plus the rounding error of fp32 forward passes.
  package var agrees: Bool { abs(analytic - difference) <= 0.01 * abs(analytic) + uncertainty }
}

/// Compares derivatives on an example at the current parameters. Zero matrices get small random values first: with B = 0
/// the gradient of A is zero too, and vice versa.
///
/// The differenced function is Σ gradient · sum, with the objective's gradients held fixed: a loss may have kinks, and
/// parts without a gradient.
package struct GradientCheck {
  private let pass: Pass
  private let policy: Policy
  private let values: Storage
  private let objective: Objective
  private let example: ExampleTree
  private let reference: [Double]

  /// - Parameter example: a tree whose sums are those of the objective's spans.
  package init(
    pass: Pass, policy: Policy, values: Storage, reference: Policy, objective: Objective, example: ExampleTree
  ) throws {
    (self.pass, self.policy, self.values) = (pass, policy, values)
    (self.objective, self.example) = (objective, example)
    self.reference = objective.usesReference ? try pass.logProbabilities(TreeBatch([example]), reference) : []
  }

  /// Compares one direction per parameter and a few single entries. Restores the parameters afterwards.
  package func run(seed: UInt64, report: (GradientComparison) -> Void) throws {
    guard let layout = policy.layout else { return }
    let parameters = layout.parameters.parameters
    let saved = Storage(count: values.count)
    saved.base.update(from: values.base, count: values.count)
    defer {
      values.base.update(from: saved.base, count: values.count)
      policy.parametersChanged()
    }
    let random = CounterRandom(key: seed)
    for (stream, parameter) in parameters.enumerated() {
      Self.drawIfZero(parameter.matrix(in: values), random, stream: UInt64(stream))
    }
    // The differences move parameters behind the policy's back: what has no gradient, such as DoRA's norms, stays.
    policy.parametersChanged()
    let sink = GradientArena(count: layout.count)
    let gradient = sink.values
    let sums = ExampleSums(
      example, policy: try pass.logProbabilities(TreeBatch([example]), policy), reference: reference)
    let lossGradients = objective([sums], totals: StepTotals([sums], objective))[0].gradients
    let trained = Trained(
      batch: TreeBatch([objective.trainedTree(example)]),
      lossGradients: Array(lossGradients.prefix(objective.trainedSpans)))
    _ = try pass.gradient(trained.batch, policy, dropout: nil, into: sink, coefficients: trained.lossGradients)
    for (stream, parameter) in parameters.enumerated() {
      let g = parameter.matrix(in: gradient)
      // Along the gradient, with random weights on its entries: the derivative is large, and every entry contributes.
      let direction = (0..<g.rows * g.columns).map { i in
        Float(2 * random.uniform(stream: UInt64(parameters.count + stream), index: UInt64(i))) * g.base[i]
      }
      report(try compare(parameter.name, parameter, trained, gradient: g, direction: direction))
    }
    for parameter in parameters where layout.isInOuterLayer(parameter) {
      let g = parameter.matrix(in: gradient)
      guard let index = (0..<g.rows * g.columns).max(by: { abs(g.base[$0]) < abs(g.base[$1]) }) else { continue }
      var direction = [Float](repeating: 0, count: g.rows * g.columns)
      direction[index] = g.base[index] < 0 ? -1 : 1
      let place = "\(parameter.name)[\(index / g.columns), \(index % g.columns)]"
      report(try compare(place, parameter, trained, gradient: g, direction: direction))
    }
  }

  private static func drawIfZero(_ b: Matrix, _ random: CounterRandom, stream: UInt64) {
    guard b.elements.allSatisfy({ $0 == 0 }) else { return }
    for i in 0..<b.rows * b.columns {
      b.base[i] = Float(0.02 * (2 * random.uniform(stream: stream, index: UInt64(i)) - 1))
    }
  }

  /// The differenced function.
  private struct Trained {
    let batch: TreeBatch
    let lossGradients: [Double]
  }

  private func value(_ trained: Trained) throws -> Double {
    zip(trained.lossGradients, try pass.logProbabilities(trained.batch, policy)).reduce(0) {
      $0 + $1.0 * $1.1
    }
  }

  private func compare(
    _ label: String, _ parameter: Parameter, _ trained: Trained, gradient: Matrix, direction: [Float]
  ) throws -> GradientComparison {
    let matrix = parameter.matrix(in: values)
    let start = (0..<direction.count).map { matrix.base[$0] }
    defer { matrix.base.update(from: start, count: start.count) }
    let analytic = direction.indices.reduce(0.0) { $0 + Double(direction[$1]) * Double(gradient.base[$1]) }
    let largest = Double(direction.map(abs).max() ?? 0)
    guard analytic != 0, largest > 0 else {
      return GradientComparison(name: label, analytic: 0, difference: 0, uncertainty: 0)
    }
    let gradient = trained.lossGradients.map(abs).max() ?? 0
    let step = min(Self.wantedChange * gradient / abs(analytic), Self.largestStep / largest)
    func difference(_ h: Double) throws -> Double {
      for i in direction.indices { matrix.base[i] = start[i] + Float(h) * direction[i] }
      let above = try value(trained)
      for i in direction.indices { matrix.base[i] = start[i] - Float(h) * direction[i] }
      return (above - (try value(trained))) / (2 * h)
    }
    let tokens = trained.batch.sumTokens.reduce(0, +)
    // Richardson's extrapolation removes the cubic error term.
    let extrapolated = (4 * (try difference(step / 2)) - (try difference(step))) / 3
    return GradientComparison(
      name: label, analytic: analytic, difference: extrapolated,
      uncertainty: Self.rounding * gradient * Double(tokens).squareRoot() / step)
  }

  /// The wanted change of a sum, in nats: well above rounding, by steps that are small relative to the weights.
  private static let wantedChange = 0.4
  private static let largestStep = 0.02
  /// Rounding error of one fp32 log-prob. The error of a sum grows with the square root of their number.
  private static let rounding = 2e-6
}

/// Some derivatives disagree.
package struct GradientMismatch: Error, CustomStringConvertible {
  package let count: Int

  package var description: String { "--check-gradients: \(count) derivatives disagree with central differences" }
}
