import Testing
import Training

@Suite struct EarlyStoppingTests {
  @Test func `an evaluation counts when the loss is not below the lowest`() {
    var earlyStopping = EarlyStopping()
    for loss in [0.7, 0.6, 0.6, 0.65] { earlyStopping.take(loss) }
    #expect(earlyStopping == EarlyStopping(lowestLoss: 0.6, failures: 2))
    #expect(earlyStopping.isExhausted(2) && !earlyStopping.isExhausted(3) && !earlyStopping.isExhausted(nil))
    earlyStopping.take(0.59)
    #expect(earlyStopping == EarlyStopping(lowestLoss: 0.59, failures: 0))
    earlyStopping.take(.nan)
    #expect(earlyStopping.failures == 1)
  }
}
