import Checkpoints
import Foundation
import TestSupport
import Testing
import Training

/// The DPO loss and its slopes against closed forms and differences in fp64.
@Suite struct LossTests {
  static let margins: [Double] = [0, 1e-9, -1e-3, 0.5, -2, 7, -30, 40, 700, -700, 1000, -1000, 1e5, -1e5]

  static func outcome(_ loss: DPO, margin: Double) -> DPO.Outcome {
    // The margin is d = (policy − reference) of the chosen less that of the rejected.
    loss(policy: DPO.Pair(chosen: margin - 3, rejected: -8), reference: DPO.Pair(chosen: -3, rejected: -8))
  }

  @Test(arguments: [0.0, 0.1, 0.5])
  func `closed forms`(smoothing: Double) {
    for beta in [0.1, 1, 5] {
      for margin in Self.margins {
        let found = Self.outcome(DPO(beta: beta, labelSmoothing: smoothing), margin: margin)
        // The margin as it is after both subtractions.
        let x = beta * ((margin - 3) - -3)
        // −log σ(x), each side in the form that neither overflows nor cancels there.
        func negativeLogSigmoid(_ x: Double) -> Double { x > 0 ? log1p(exp(-x)) : -x + log1p(exp(x)) }
        func sigmoid(_ x: Double) -> Double { exp(-negativeLogSigmoid(x)) }
        let loss = (1 - smoothing) * negativeLogSigmoid(x) + smoothing * negativeLogSigmoid(-x)
        let slope = beta * (smoothing * sigmoid(x) - (1 - smoothing) * sigmoid(-x))
        #expect(excess([found.loss], [loss], .closedForm) < 1, "β \(beta), margin \(margin)")
        // exp of a rounded logarithm: its relative error is the logarithm's absolute one.
        let tolerance = Tolerance(relative: 1e-14 * (1 + abs(x)), absolute: 1e-16)
        #expect(excess([found.chosenSlope], [slope], tolerance) < 1, "β \(beta), margin \(margin)")
        #expect(found.rejectedSlope == -found.chosenSlope)
        #expect(found.loss.isFinite && found.chosenSlope.isFinite && found.loss >= 0)
        #expect(excess([found.chosenReward - found.rejectedReward], [x], .closedForm) < 1)
      }
    }
  }

  @Test func `no margin is ln 2, to the last bit`() {
    for smoothing in [0.0, 0.25] {
      let found = DPO(beta: 0.1, labelSmoothing: smoothing)(
        policy: DPO.Pair(chosen: -71.3, rejected: -12.9), reference: DPO.Pair(chosen: -71.3, rejected: -12.9))
      #expect(found.loss == log(2))
      #expect(found.chosenSlope == 0.1 * (2 * smoothing - 1) / 2)
      #expect(found.chosenReward == 0 && found.rejectedReward == 0)
    }
  }

  @Test func `the ends`() {
    let loss = DPO(beta: 0.5, labelSmoothing: 0)
    #expect(Self.outcome(loss, margin: 1e5).loss == 0 && Self.outcome(loss, margin: -1000).loss == 500)
    #expect(
      Self.outcome(loss, margin: 1e5).chosenSlope == 0 && Self.outcome(loss, margin: -1e5).chosenSlope == -0.5
    )
    #expect(Self.outcome(loss, margin: .nan).loss.isNaN && Self.outcome(loss, margin: .nan).chosenSlope.isNaN)
    let smoothed = DPO(beta: 0.5, labelSmoothing: 0.1)
    #expect(excess([Self.outcome(smoothed, margin: 1000).loss], [50], .closedForm) < 1)
    #expect(excess([Self.outcome(smoothed, margin: -1000).loss], [450], .closedForm) < 1)
  }

  @Test(arguments: [0.0, 0.2])
  func `slopes are the loss's differences`(smoothing: Double) {
    let loss = DPO(beta: 0.3, labelSmoothing: smoothing)
    let reference = DPO.Pair(chosen: -40, rejected: -55)
    let step = 1e-5
    for margin in Self.margins where abs(margin) < 50 {
      let policy = DPO.Pair(chosen: -40 + margin / 2, rejected: -55 - margin / 2)
      func value(_ chosen: Double, _ rejected: Double) -> Double {
        loss(
          policy: DPO.Pair(chosen: policy.chosen + chosen, rejected: policy.rejected + rejected),
          reference: reference
        ).loss
      }
      let found = loss(policy: policy, reference: reference)
      // The loss's rounding (1e-16 of some 10) over the step, and the third derivative's share.
      let tolerance = 1e-9
      #expect(
        abs((value(step, 0) - value(-step, 0)) / (2 * step) - found.chosenSlope) < tolerance,
        "margin \(margin)")
      #expect(
        abs((value(0, step) - value(0, -step)) / (2 * step) - found.rejectedSlope) < tolerance,
        "margin \(margin)")
    }
  }

  /// The loss of TRL's pairs, from their sums in the fixture.
  @Test(arguments: ["all", "qv", "untied", "text"])
  func `losses of the fixture's pairs`(name: String) throws {
    let fixture = try TinyFixture(name)
    let trees = try fixture.values["trees"]?.array.required("trees") ?? []
    #expect(!trees.isEmpty)
    for tree in trees {
      func pair(_ name: String) throws -> DPO.Pair {
        let numbers = try tree[name].required(name).numbers
        return DPO.Pair(chosen: numbers[0], rejected: numbers[1])
      }
      for (key, smoothing) in [("sigmoid", 0.0), ("cdpo", 0.1)] {
        let found = DPO(beta: 0.1, labelSmoothing: smoothing)(
          policy: try pair("policy_logps"), reference: try pair("base_logps"))
        #expect(abs(found.loss - (try tree[key]?.double.required(key) ?? 0)) < 1e-12, "\(key)")
      }
    }
  }
}
