import TestSupport
import Testing
import Training

/// Standard errors of held-out numbers, beside the textbook's formula and beside the jackknife.
@Suite struct StandardErrorTests {
  /// Always the same examples of the objective's shape, with tokens between 5 and 60.
  static func examples(_ count: Int, _ objective: Objective, drift: Double = 0) -> [ExampleSums] {
    var state: UInt64 = 7
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) * 0x1p-53
    }
    return (0..<count).map { _ in
      let tokens = objective.spans.map { _ in 5 + Int(uniform() * 56) }
      let policy = tokens.map { -Double($0) * (1 + uniform()) }
      return ExampleSums(
        policy: policy, reference: objective.usesReference ? policy.map { $0 - drift + 4 * (uniform() - 0.5) } : [],
        tokens: tokens, isDesirable: uniform() < 0.6)
    }
  }

  /// The standard error of a function of all examples, from the values without one of them.
  static func jackknife(_ examples: [ExampleSums], _ value: ([ExampleSums]) -> Double?) throws -> Double {
    let values = try examples.indices.map { left in
      try value(Array(examples[..<left] + examples[(left + 1)...])).required("a value")
    }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    return ((count - 1) / count * values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }).squareRoot()
  }

  @Test func `a mean has the sample's deviation over the root of n`() throws {
    let objective = Objective.dpo(DPOFamily([.init(.sigmoid)], beta: 0.1))
    // Margins 2, 1, 4, −3: three of four right, and three of four by log-probs.
    let sums: [(Double, Double)] = [(-10, -14), (-20, -30), (-9, -12), (-8, -7)]
    let margins = [20.0, 10, 40, -30]
    let examples = zip(sums, margins).map { sums, margin in
      ExampleSums(
        policy: [sums.0, sums.1], reference: [sums.0 - margin, sums.1], tokens: [10, 10])
    }
    let metrics = objective.evaluationMetrics(examples)
    func error(_ name: String) throws -> Double { try (metrics.entry(name)?.standardError).required(name) }
    #expect(metrics["rewards/accuracies"] == 0.75 && metrics["logps/accuracies"] == 0.75)
    // statistics.stdev([1, 1, 1, 0]) / 2
    #expect(try error("rewards/accuracies") == 0.25 && error("logps/accuracies") == 0.25)
    // statistics.stdev([2, 1, 4, -3]) / 2
    #expect(try abs(error("rewards/margins") - 1.471_960_144_387_974_4) < 1e-14)
    // statistics.stdev([log(1 + exp(-m)) for m in (2, 1, 4, -3)]) / 2
    #expect(try abs(error("loss") - 0.726_511_278_735_825_4) < 1e-14)
    for name in ["rewards/chosen", "logps/chosen"] { #expect(metrics.entry(name)?.standardError == nil) }
  }

  @Test func `one example and training steps have none`() {
    for objective in ObjectiveTests.objectives {
      let single = objective.evaluationMetrics(Self.examples(1, objective))
      #expect(single.entries.allSatisfy { $0.standardError == nil }, "\(objective)")
      #expect(objective.metrics(Self.examples(9, objective)).entries.allSatisfy { $0.standardError == nil })
    }
  }

  @Test(arguments: ObjectiveTests.objectives) func `the loss has that of the jackknife`(objective: Objective) throws {
    // With drift KTO's z is above 0, against it z is 0.
    for drift in [1.0, -1] {
      let examples = Self.examples(200, objective, drift: drift)
      let found = objective.evaluationMetrics(examples)
      // AOT sorts the examples: none has a loss of its own.
      if case .dpo = objective, objective.needsWholeStep {
        #expect(found.entry("loss")?.standardError == nil)
        continue
      }
      for name in ["loss", "nll_loss", "rewards/margins", "rewards/accuracies"] where found[name] != nil {
        let error = try (found.entry(name)?.standardError).required("\(name) of \(objective)")
        let expected = try Self.jackknife(examples) { objective.metrics($0)[name] }
        #expect(expected > 0 && abs(error / expected - 1) < 0.02, "\(objective) \(name): \(error), \(expected)")
      }
    }
  }
}
