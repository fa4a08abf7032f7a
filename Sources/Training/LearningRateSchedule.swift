// The learning rate of every step, as transformers' schedules compute it.

import Foundation

/// A factor on the learning rate as a function of the number of completed steps.
///
/// The formulas are those of transformers 5.23 (`get_cosine_schedule_with_warmup` and its kin); the
/// cosine with a floor is axolotl's for `cosine_min_lr_ratio`, equal to transformers' `cosine_with_min_lr`.
package struct LearningRateSchedule: Sendable, Equatable {
  package enum Shape: String, Sendable, CaseIterable {
    case cosine
    case linear
    /// The full learning rate from the first step; as in transformers, without a warm-up.
    case constant
    case constantWithWarmup = "constant_with_warmup"
  }

  /// A linear rise from 0 before the shape begins.
  package enum Warmup: Sendable, Equatable {
    case none
    case steps(Int)
    /// A share of all steps.
    case ratio(Double)

    /// The warm-up of a run of `total` steps; a share is rounded up.
    package func steps(of total: Int) -> Int {
      switch self {
      case .none: 0
      case .steps(let steps): steps
      case .ratio(let ratio): Int((Double(total) * ratio).rounded(.up))
      }
    }
  }

  package let shape: Shape
  package let warmupSteps: Int
  package let totalSteps: Int
  /// Where the cosine ends; the other shapes ignore it.
  package let minimumRatio: Double

  package init(shape: Shape, warmup: Warmup, totalSteps: Int, minimumRatio: Double = 0) {
    self.shape = shape
    self.warmupSteps = warmup.steps(of: totalSteps)
    self.totalSteps = totalSteps
    self.minimumRatio = minimumRatio
  }

  /// The schedule of a run of `totalSteps` optimizer steps.
  package init(_ configuration: RunConfiguration, totalSteps: Int) {
    self.init(
      shape: configuration.schedule, warmup: configuration.warmup, totalSteps: totalSteps,
      minimumRatio: configuration.cosineMinimumRatio ?? 0)
  }

  /// The factor after `completedSteps` steps. Step k, counted from 1, uses `multiplier(after: k - 1)`,
  /// so with a warm-up the first step moves nothing.
  package func multiplier(after completedSteps: Int) -> Double {
    let step = Double(completedSteps)
    guard shape != .constant else { return 1 }
    guard completedSteps >= warmupSteps else { return step / Double(max(1, warmupSteps)) }
    let decaySteps = Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant, .constantWithWarmup:
      return 1
    case .linear:
      return max(0, (Double(totalSteps) - step) / decaySteps)
    case .cosine:
      let progress = (step - Double(warmupSteps)) / decaySteps
      let fall = 0.5 * (1 + cos(Double.pi * progress))
      return max(0, fall * (1 - minimumRatio) + minimumRatio)
    }
  }
}
