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

  /// The numbers are axolotl's `_get_cosine_schedule_with_quadratic_warmup_lr_lambda` and
  /// `_get_cosine_schedule_with_warmup_decay_constant_lr_lambda`.
  @Test func `axolotl's cosines`() throws {
    let quadratic = try minimal(with: "lr_quadratic_warmup=true", "warmup_steps=4", "cosine_min_lr_ratio=0.3")
    #expect(quadratic.ignoredKeys == ["cosine_min_lr_ratio (lr_quadratic_warmup ends at 0)"])
    let early = try minimal(with: "cosine_constant_lr_ratio=0.55", "warmup_steps=2", "cosine_min_lr_ratio=0.1")
    let late = try minimal(with: "cosine_constant_lr_ratio=0.25", "warmup_steps=4", "cosine_min_lr_ratio=0.1")
    let expected: [(RunConfiguration, [Double])] = [
      (quadratic, [0, 0.0625, 0.25, 0.5625, 1, 0.933012701892, 0.75, 0.5, 0.25, 0.066987298108, 0]),
      (early, [0, 0.5, 1, 0.775, 0.325, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
      (late, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]),
    ]
    for (run, factors) in expected {
      let schedule = LearningRateSchedule(run, totalSteps: 10)
      for (step, factor) in factors.enumerated() {
        #expect(abs(schedule.multiplier(after: step) - factor) < 1e-11, "after \(step) steps")
      }
      #expect(try configuration(run.resolvedYAML).differences(from: run).isEmpty)
    }
    // Without a floor, or with another shape, they say nothing.
    #expect(try minimal(with: "cosine_constant_lr_ratio=0.5").cosineConstantRatio == nil)
    #expect(try minimal(with: "lr_quadratic_warmup=true", "lr_scheduler=linear").hasQuadraticWarmup == false)
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
