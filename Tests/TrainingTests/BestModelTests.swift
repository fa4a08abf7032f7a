import Testing
import Training

@Suite struct BestModelTests {
  static func taken(_ losses: [Double], saved: Set<Int> = [], after start: BestModel = BestModel()) -> BestModel {
    var best = start
    for (place, loss) in losses.enumerated() {
      best.take(BestModel.Evaluation(step: place + 1, loss: loss), hasCheckpoint: saved.contains(place + 1))
    }
    return best
  }

  @Test func `evaluations without a lower loss are counted in a row`() {
    let best = Self.taken([0.7, 0.6, 0.6, 0.65])
    #expect(best == BestModel(evaluation: .init(step: 2, loss: 0.6), failures: 2))
    #expect(best.isExhausted(2) && !best.isExhausted(3) && !best.isExhausted(nil))
    let lower = Self.taken([0.59], after: best)
    #expect(lower == BestModel(evaluation: .init(step: 1, loss: 0.59)))
    #expect(Self.taken([.nan], after: lower).failures == 1)
    #expect(Self.taken([.nan]) == BestModel())
  }

  @Test func `the best checkpoint is the best of the evaluations that have one`() {
    let best = Self.taken([0.5, 0.7, 0.4, 0.6, 0.6, .nan], saved: [2, 4, 5, 6])
    #expect(best.evaluation == .init(step: 3, loss: 0.4))
    #expect(best.checkpoint == .init(step: 4, loss: 0.6), "the first of equals")
    #expect(Self.taken([0.3, 0.2], saved: [1, 2]).checkpoint == .init(step: 2, loss: 0.2))
    #expect(Self.taken([0.3], saved: []).checkpoint == nil)
  }
}
