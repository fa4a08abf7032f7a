// The learning rate schedule, with transformers' formulas.

import Tensors

/// A factor on the learning rate as a function of the number of completed steps.
///
/// The formulas are those of transformers 5.23 (`get_cosine_schedule_with_warmup` and similar functions). The cosine
/// with a floor is axolotl's for `cosine_min_lr_ratio` (with its `cosine_constant_lr_ratio` and `lr_quadratic_warmup`), equal to transformers' `cosine_with_min_lr`.
/// `inverse_sqrt_cooldown` is llm-foundry's `InverseSquareRootWithWarmupScheduler`.
package struct LearningRateSchedule: Sendable, Equatable {
  package let shape: LearningRateShape
  package let warmupSteps: Int
  package let totalSteps: Int
  /// The length of the cooldown at the end, for shapes that have one.
  package let cooldownSteps: Int
  /// The final value of the cosine and the limit of the inverse square root. Other shapes ignore it.
  package let minimumRatio: Double
  /// The step from which the cosine stays at its final value.
  private let cosineEnd: Int
  private let hasQuadraticWarmup: Bool

  package init(
    shape: LearningRateShape, warmup: LearningRateWarmup, totalSteps: Int, cooldownSteps: Int = 0,
    minimumRatio: Double = 0, constantRatio: Double = 0, hasQuadraticWarmup: Bool = false
  ) {
    self.shape = shape
    self.warmupSteps = warmup.steps(of: totalSteps)
    (self.totalSteps, self.cooldownSteps, self.minimumRatio) = (totalSteps, cooldownSteps, minimumRatio)
    cosineEnd = constantRatio > 0 ? Int(Double(totalSteps) * constantRatio) : totalSteps
    self.hasQuadraticWarmup = hasQuadraticWarmup
  }

  /// The schedule of a configuration for a run of `totalSteps` optimizer steps.
  package init(_ configuration: RunConfiguration, totalSteps: Int) {
    self.init(
      shape: configuration.schedule, warmup: configuration.warmup, totalSteps: totalSteps,
      cooldownSteps: configuration.cooldownSteps, minimumRatio: configuration.cosineMinimumRatio ?? 0,
      constantRatio: configuration.cosineConstantRatio ?? 0, hasQuadraticWarmup: configuration.hasQuadraticWarmup)
  }

  /// The factor after `completedSteps` steps. Step k, counted from 1, uses `multiplier(after: k - 1)`, so with a
  /// warm-up the first step has learning rate 0.
  package func multiplier(after completedSteps: Int) -> Double {
    let step = Double(completedSteps)
    guard shape != .constant else { return 1 }
    guard completedSteps >= warmupSteps else {
      let rise = step / Double(max(1, warmupSteps))
      return hasQuadraticWarmup ? rise * rise : rise
    }
    let decaySteps = Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant, .constantWithWarmup:
      return 1
    case .linear:
      return max(0, (Double(totalSteps) - step) / decaySteps)
    case .cosine:
      let end = cosineEnd < totalSteps ? min(step, Double(cosineEnd)) : step
      let progress = (end - Double(warmupSteps)) / Double(max(1, cosineEnd - warmupSteps))
      let fall = 0.5 * (1 + Double.cos(Double.pi * progress))
      return max(0, fall * (1 - minimumRatio) + minimumRatio)
    case .warmupStableDecay:
      // If the cooldown does not fit after the warm-up, it begins inside the warm-up, as in transformers.
      let progress = (step - Double(totalSteps - cooldownSteps)) / Double(max(1, cooldownSteps))
      return completedSteps >= totalSteps ? 0 : max(0, 0.5 * (1 + Double.cos(Double.pi * max(0, progress))))
    case .inverseSqrtCooldown:
      // If the cooldown does not fit, it begins at the end of the warm-up, as in llm-foundry, and is cut short.
      let cooldownStart = Double(max(warmupSteps, totalSteps - cooldownSteps))
      let scale = Double(warmupSteps > 0 ? warmupSteps : 10_000)
      let elapsed = min(step, cooldownStart) - Double(warmupSteps)
      let decayed = minimumRatio + (1 - minimumRatio) / ((elapsed + scale) / scale).squareRoot()
      guard step > cooldownStart, cooldownSteps > 0 else { return decayed }
      return decayed * (1 - min(1, (step - cooldownStart) / Double(cooldownSteps)))
    }
  }
}
