import Testing
import Training

@Suite struct BestModelTests {
  static func taken(_ losses: [Double], saved: Set<Int> = [], after start: BestModel = BestModel()) -> BestModel {
    var best = start
    for (place, loss) in losses.enumerated() {
      best.take(
        BestModel.Evaluation(step: place + 1, value: loss),
        checkpoint: saved.contains(place + 1) ? "checkpoint-\(place + 1)" : nil)
    }
    return best
  }

  @Test func `evaluations without a lower loss are counted in a row`() {
    let best = Self.taken([0.7, 0.6, 0.6, 0.65])
    #expect(best == BestModel(evaluation: .init(step: 2, value: 0.6), failures: 2, improvements: [1, 2]))
    #expect(best.isExhausted(2) && !best.isExhausted(3) && !best.isExhausted(nil))
    let lower = Self.taken([0.59], after: best)
    #expect(lower == BestModel(evaluation: .init(step: 1, value: 0.59), improvements: [1, 2, 1]))
    #expect(Self.taken([.nan], after: lower).failures == 1)
    #expect(Self.taken([.nan]) == BestModel())
  }

  @Test func `the best checkpoint is the best of the evaluations that have one`() {
    let best = Self.taken([0.5, 0.7, 0.4, 0.6, 0.6, .nan], saved: [2, 4, 5, 6])
    #expect(best.evaluation == .init(step: 3, value: 0.4))
    #expect(
      best.checkpoint == .init(evaluation: .init(step: 4, value: 0.6), name: "checkpoint-4"), "the first of equals")
    #expect(Self.taken([0.3, 0.2], saved: [1, 2]).checkpoint?.name == "checkpoint-2")
    #expect(Self.taken([0.3], saved: []).checkpoint == nil)
  }

  @Test func `a metric of which more is better`() {
    let start = BestModel(metric: .init(name: "eval_rewards/margins", isGreaterBetter: true))
    let best = Self.taken([-0.5, 0.1, .nan, 0.3, 0.3, .infinity], saved: [1, 2, 3, 5, 6], after: start)
    #expect(best.evaluation == .init(step: 4, value: 0.3))
    #expect(best.checkpoint == .init(evaluation: .init(step: 5, value: 0.3), name: "checkpoint-5"))
    #expect(best.failures == 2 && best.improvements == [1, 2, 4])
  }
}
