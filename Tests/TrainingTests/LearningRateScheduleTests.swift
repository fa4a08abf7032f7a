import Foundation
import TestSupport
import Testing
import Training

/// `Tests/Fixtures/schedules.json`, written by `schedules.py`.
private struct Fixture: Decodable {
  struct Schedule: Decodable {
    var shape: String
    var warmup: Int
    var total: Int
    var minimum: Double?
    var cooldown: Int?
    var factors: [Double]
  }

  struct Warmup: Decodable {
    var total: Int
    var ratio: Double
    var steps: Int
  }

  var schedules: [Schedule]
  var warmups: [Warmup]

  static func load() throws -> Fixture {
    try JSONDecoder().decode(
      Fixture.self, from: Data(contentsOf: URL(fileURLWithPath: Repository.fixture("schedules.json"))))
  }
}

@Suite struct LearningRateScheduleTests {
  @Test func `every factor equals transformers'`() throws {
    let fixture = try Fixture.load()
    #expect(fixture.schedules.count == 51)
    for expected in fixture.schedules {
      let schedule = LearningRateSchedule(
        shape: try #require(LearningRateShape(rawValue: expected.shape)),
        warmup: .steps(expected.warmup), totalSteps: expected.total,
        cooldownSteps: expected.cooldown ?? 0, minimumRatio: expected.minimum ?? 0)
      for (step, factor) in expected.factors.enumerated() {
        // The same formula in the same order: only the last bits of a cosine may differ.
        #expect(
          abs(schedule.multiplier(after: step) - factor) <= 1e-15,
          "\(expected.shape), warm-up \(expected.warmup), cooldown \(expected.cooldown ?? 0) of \(expected.total), after \(step) steps"
        )
      }
    }
  }

  @Test func `a warm-up share is rounded up as in transformers`() throws {
    for expected in try Fixture.load().warmups {
      #expect(LearningRateWarmup.ratio(expected.ratio).steps(of: expected.total) == expected.steps)
    }
  }

  @Test func `a configuration gives its schedule`() throws {
    let run = try minimal(with: "warmup_ratio=0.1", "cosine_min_lr_ratio=0.2")
    let schedule = LearningRateSchedule(run, totalSteps: 95)
    #expect(schedule.warmupSteps == 10)
    #expect(schedule.multiplier(after: 0) == 0)
    #expect(schedule.multiplier(after: 10) == 1)
    #expect(abs(schedule.multiplier(after: 95) - 0.2) < 1e-15)
  }
}
