import Foundation
import TestSupport
import Training

/// `Tests/Fixtures/objectives.json`, written by `objectives.py`.
struct ObjectiveFixture: Decodable {
  struct Row: Decodable {
    /// Of chosen, rejected and prompt.
    var tokens: [Int]
    var policy: [Double]
    /// Of chosen and rejected.
    var reference: [Double]
  }

  struct Case: Decodable, CustomStringConvertible {
    var kind: String
    var table: String
    var losses: [String]?
    var weights: [Double]?
    var beta: Double?
    var gamma: Double?
    var smoothing: Double?
    var alpha: Double?
    var labels: [Bool]?
    var desirable: Double?
    var undesirable: Double?
    var loss: Double
    /// Of each example, by each span.
    var gradients: [[Double]]
    var metrics: [String: Double]

    var description: String {
      "\(kind) \(losses?.joined(separator: "+") ?? "") β \(beta ?? 0) ε \(smoothing ?? 0), \(table)"
    }

    func objective() throws -> Objective {
      func number(_ value: Double?, _ name: String) throws -> Double { try value.required(name) }
      switch kind {
      case "supervised": return .supervised
      case "orpo": return .orpo(beta: try number(beta, "beta"))
      case "cpo":
        return .cpo(
          beta: try number(beta, "beta"), labelSmoothing: try number(smoothing, "smoothing"),
          likelihoodWeight: try number(alpha, "alpha"))
      case "simpo":
        return .simpo(
          beta: try number(beta, "beta"), gamma: try number(gamma, "gamma"),
          labelSmoothing: try number(smoothing, "smoothing"), likelihoodWeight: try number(alpha, "alpha"))
      case "kto":
        return .kto(
          KTO(
            beta: try number(beta, "beta"), desirableWeight: try number(desirable, "desirable"),
            undesirableWeight: try number(undesirable, "undesirable")))
      default:
        let losses = try zip(losses.required("losses"), weights.required("weights")).map {
          DPOFamily.Weighted(try DPOLoss(rawValue: $0).required($0), weight: $1)
        }
        return .dpo(
          DPOFamily(losses, beta: try number(beta, "beta"), labelSmoothing: try number(smoothing, "smoothing")))
      }
    }
  }

  var tables: [String: [Row]]
  var cases: [Case]

  static func load() throws -> ObjectiveFixture {
    try JSONDecoder().decode(
      ObjectiveFixture.self, from: Data(contentsOf: URL(fileURLWithPath: Repository.fixture("objectives.json"))))
  }

  /// The examples of a table in the form that `objective` needs.
  func examples(_ table: String, _ objective: Objective, labels: [Bool]? = nil) throws -> [ExampleSums] {
    try tables[table].required(table).enumerated().map { i, row in
      let spans = objective.spans.count
      return ExampleSums(
        policy: Array(row.policy.prefix(spans)),
        reference: objective.usesReference ? Array(row.reference.prefix(spans)) : [],
        tokens: Array(row.tokens.prefix(spans)), isDesirable: labels?[i] ?? true)
    }
  }
}

extension Objective {
  /// Outcomes of examples that form the whole step.
  func outcomes(_ examples: [ExampleSums]) -> [ExampleOutcome] { self(examples, totals: StepTotals(examples, self)) }
}
