import Foundation
import TestSupport
import Testing
import Training

/// Compares every objective with TRL's own trainers, with differences, and with itself in parts.
@Suite struct ObjectiveTests {
  /// Every loss of every family, with settings that make all its terms non-zero.
  static let objectives: [Objective] =
    DPOLoss.allCases.map {
      .dpo(DPOFamily([.init($0, weight: 0.7)], beta: 0.3, labelSmoothing: $0.usesLabelSmoothing ? 0.1 : 0))
    } + [
      .supervised,
      .dpo(DPOFamily([.init(.sigmoid), .init(.aot, weight: 0.5)], beta: 0.1, labelSmoothing: 0.2, rpoAlpha: 0.4)),
      .cpo(beta: 0.2, labelSmoothing: 0.1, likelihoodWeight: 0.5),
      .simpo(beta: 2.5, gamma: 0.5, labelSmoothing: 0.1, likelihoodWeight: 0.3), .orpo(beta: 0.4),
      .kto(KTO(beta: 0.3, desirableWeight: 1.5, undesirableWeight: 0.75)),
    ]

  static let labels = ["ordinary": [true, false, true, false, true], "drifted": [true, false, false, true]]

  /// The fixture is fp64 too, but computed differently: TRL's 1 − σ(x), logits instead of log-probs, autograd.
  static let trl = Tolerance(relative: 1e-12, absolute: 1e-15)

  @Test func `losses, gradients and metrics equal TRL's`() throws {
    let fixture = try ObjectiveFixture.load()
    #expect(fixture.cases.count == 163)
    for expected in fixture.cases {
      let objective = try expected.objective()
      let examples = try fixture.examples(expected.table, objective, labels: expected.labels)
      let outcomes = objective.outcomes(examples)
      #expect(excess([outcomes.reduce(0) { $0 + $1.loss }], [expected.loss], Self.trl) < 1, "\(expected)")
      #expect(
        excess(outcomes.flatMap(\.gradients), expected.gradients.flatMap { $0 }, Self.trl) < 1,
        "\(expected): \(outcomes.map(\.gradients)), expected \(expected.gradients)")
      let metrics = objective.metrics(examples)
      #expect(excess([metrics["loss"] ?? .nan], [expected.loss], Self.trl) < 1, "\(expected)")
      for (name, value) in expected.metrics {
        #expect(excess([metrics[name] ?? .nan], [value], Self.trl) < 1, "\(expected): \(name)")
      }
      // No names that TRL leaves out; `nll_loss` beside DPO's losses is ours.
      if !expected.metrics.isEmpty {
        let ours = Set(metrics.entries.map(\.name)).subtracting(["loss", expected.kind == "dpo" ? "nll_loss" : "loss"])
        #expect(ours == Set(expected.metrics.keys), "\(expected)")
      }
    }
  }

  @Test(arguments: objectives) func `gradients are the loss's differences`(_ objective: Objective) throws {
    let fixture = try ObjectiveFixture.load()
    for table in ["ordinary", "drifted"] {
      let examples = try fixture.examples(table, objective, labels: Self.labels[table])
      func loss(_ i: Int, _ span: Int, _ change: Double) -> Double {
        var examples = examples
        examples[i].policy[span] += change
        return objective.outcomes(examples).reduce(0) { $0 + $1.loss }
      }
      let outcomes = objective.outcomes(examples)
      for (i, outcome) in outcomes.enumerated() {
        for (span, gradient) in outcome.gradients.enumerated() {
          guard objective.spans[span] != .mismatched else {
            #expect(gradient == 0, "no gradient flows through the baseline")
            continue
          }
          let step = 1e-5
          let difference = (loss(i, span, step) - loss(i, span, -step)) / (2 * step)
          // The loss's rounding error (1e-16 of its size) divided by the step, plus the share of the third derivative.
          let tolerance = 1e-9 + 1e-10 * abs(loss(i, span, 0))
          #expect(abs(difference - gradient) < tolerance, "\(table), example \(i), \(objective.spans[span])")
        }
      }
    }
  }

  @Test(arguments: objectives.filter { !$0.needsWholeStep })
  func `any part of a step gives the whole's bits`(_ objective: Objective) throws {
    let examples = try ObjectiveFixture.load().examples("ordinary", objective)
    let totals = StepTotals(examples, objective)
    let whole = objective(examples, totals: totals)
    #expect(examples.flatMap { objective([$0], totals: totals) } == whole)
    #expect(objective(examples.suffix(2), totals: totals) == whole.suffix(2))
    // The counts matter: alone in a step, an example has a different share.
    #expect(objective.outcomes([examples[0]]) != [whole[0]])
  }

  @Test func `those that couple a step, and only those`() {
    let coupling = Self.objectives.filter(\.needsWholeStep)
    #expect(coupling.map(\.name) == ["aot", "aot_unpaired", "sigmoid+aot+sft", "kto"])
  }

  @Test(arguments: objectives) func `the step's order moves nothing but places`(_ objective: Objective) throws {
    let fixture = try ObjectiveFixture.load()
    let examples = try fixture.examples("ordinary", objective, labels: Self.labels["ordinary"])
    let order = [3, 0, 4, 2, 1]
    let there = objective.outcomes(order.map { examples[$0] })
    let here = objective.outcomes(examples)
    for (place, i) in order.enumerated() {
      // Sums over the step round differently in another order.
      #expect(excess([there[place].loss], [here[i].loss], .closedForm) < 1)
      #expect(excess(there[place].gradients, here[i].gradients, .closedForm) < 1)
    }
  }

  @Test func `the first step's DPO loss is ln 2 to the last bit`() {
    for count in 1...7 {
      let objective = Objective.dpo(DPOFamily([.init(.sigmoid)], beta: 0.1))
      let examples = (0..<count).map { i in
        let sums = [-71.3 - Double(i), -12.9]
        return ExampleSums(policy: sums, reference: sums, tokens: [9, 3])
      }
      for outcome in objective.outcomes(examples) {
        #expect(outcome.loss == log(2) / Double(count))
        #expect(outcome.gradients == [-0.05 / Double(count), 0.05 / Double(count)])
      }
      #expect(objective.metrics(examples)["rewards/accuracies"] == 0)
      #expect(abs((objective.metrics(examples)["loss"] ?? 0) - log(2)) < 1e-15)
    }
  }

  @Test func `a step of one pair makes AOT DPO`() throws {
    let fixture = try ObjectiveFixture.load()
    func outcomes(_ loss: DPOLoss) throws -> [ExampleOutcome] {
      let objective = Objective.dpo(DPOFamily([.init(loss)], beta: 0.5))
      return objective.outcomes(try fixture.examples("one", objective))
    }
    let sigmoid = try outcomes(.sigmoid)
    for loss in [DPOLoss.aot, .aotUnpaired] {
      let found = try outcomes(loss)
      #expect(excess([found[0].loss], [sigmoid[0].loss], .closedForm) < 1)
      #expect(excess(found[0].gradients, sigmoid[0].gradients, .closedForm) < 1)
    }
  }

  @Test func `RPO is DPO with the chosen completions' likelihood`() throws {
    let rpo = Objective.dpo(DPOFamily([.init(.sigmoid)], beta: 0.1, rpoAlpha: 0.25))
    let list = Objective.dpo(DPOFamily([.init(.sigmoid), .init(.sft, weight: 0.25)], beta: 0.1))
    #expect(rpo == list)
    let examples = try ObjectiveFixture.load().examples("ordinary", rpo)
    let plain = Objective.dpo(DPOFamily([.init(.sigmoid)], beta: 0.1)).outcomes(examples)
    let tokens = 17.0 + 5 + 1 + 31 + 12
    for (i, (with, without)) in zip(rpo.outcomes(examples), plain).enumerated() {
      #expect(abs(with.loss - without.loss + 0.25 * examples[i].policy[0] / tokens) < 1e-15)
      #expect(abs(with.gradients[0] - without.gradients[0] + 0.25 / tokens) < 1e-15)
      #expect(with.gradients[1] == without.gradients[1])
    }
    #expect(abs((rpo.metrics(examples)["nll_loss"] ?? 0) - (21.5 + 3 + 0.7 + 40 + 18) / tokens) < 1e-14)
  }

  /// Extreme inputs, where TRL's formulas overflow or are undefined.
  @Test func `the ends`() {
    func outcome(_ objective: Objective, _ chosen: Double, _ rejected: Double) -> ExampleOutcome {
      let examples = [ExampleSums(policy: [chosen, rejected], reference: [-1e4, -1e4], tokens: [10, 10])]
      return objective.outcomes(examples)[0]
    }
    let discopop = Objective.dpo(DPOFamily([.init(.discopop)], beta: 1))
    // e^−x is infinite and its weight 0, so only the logistic part is left.
    #expect(outcome(discopop, -12_000, -1e4).loss == 2000)
    #expect(outcome(discopop, -12_000, -1e4).gradients == [-1, 1])
    #expect(outcome(discopop, -8000, -1e4).loss == 0)
    for objective in Self.objectives where objective.usesReference && objective.spans.count == 2 {
      for sums in [(-1.0, -2e4), (-2e4, -1.0), (-1.0, -1.0), (-2e4, -2e4)] {
        let found = outcome(objective, sums.0, sums.1)
        #expect(found.loss.isFinite && found.gradients.allSatisfy(\.isFinite), "\(objective.name) at \(sums)")
      }
    }
    #expect(outcome(discopop, .nan, -1e4).loss.isNaN, "what is not a number stays so")
  }

  @Test func `ORPO's odds of a certain completion are finite`() {
    let objective = Objective.orpo(beta: 0.1)
    for (chosen, rejected) in [(0.0, -3.0), (-3.0, 0.0), (0.0, 0.0), (-1e-12, -1e4)] {
      let found = objective.outcomes([ExampleSums(policy: [chosen, rejected, -5], tokens: [1, 2, 4])])[0]
      #expect(found.loss.isFinite && found.gradients.allSatisfy(\.isFinite), "\(chosen), \(rejected)")
    }
    // The mean over prompt and chosen completion; the odds are equal.
    let equal = objective.outcomes([ExampleSums(policy: [-1, -2, -5], tokens: [1, 2, 4])])[0]
    #expect(abs(equal.loss - (6.0 / 5 + 0.1 * log(2))) < 1e-15)
    #expect(equal.gradients[2] == -0.2)
  }

  @Test func `what label smoothing each loss is defined for`() {
    #expect(DPOLoss.robust.accepts(labelSmoothing: 0) && DPOLoss.robust.accepts(labelSmoothing: 0.49))
    #expect(!DPOLoss.robust.accepts(labelSmoothing: 0.5))
    #expect(!DPOLoss.exoPair.accepts(labelSmoothing: 0) && !DPOLoss.exoPair.accepts(labelSmoothing: 1))
    #expect(DPOLoss.exoPair.accepts(labelSmoothing: 1e-3))
    #expect(DPOLoss.sigmoid.accepts(labelSmoothing: 0.5) && !DPOLoss.sigmoid.accepts(labelSmoothing: -0.1))
  }
}

extension Objective {
  fileprivate var name: String {
    switch self {
    case .supervised: "supervised"
    case .dpo(let family): family.losses.map(\.loss.rawValue).joined(separator: "+")
    case .cpo: "cpo"
    case .simpo: "simpo"
    case .orpo: "orpo"
    case .kto: "kto"
    }
  }
}
