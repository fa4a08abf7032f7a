import Testing
import Training

@Suite struct SkippedStepsTests {
  @Test func `three in twenty are too many`() {
    var skipped = SkippedSteps()
    for step in [5, 20] { skipped.take(step) }
    #expect(!skipped.areTooMany)
    // Steps 6 to 25 are a window of twenty, and so are 5 to 24.
    var (later, sooner) = (skipped, skipped)
    later.take(25)
    #expect(!later.areTooMany && later.count == 3 && later.recent == [20, 25])
    sooner.take(24)
    #expect(sooner.areTooMany && sooner.recent == [5, 20, 24])
    #expect(sooner.areRecent(at: 24) && sooner.areRecent(at: 43) && !sooner.areRecent(at: 44))
    #expect(SkippedSteps(count: sooner.count, recent: sooner.recent) == sooner)
  }
}
