// `lr_scheduler` and its warm-up.

/// How the learning rate falls; `LearningRateSchedule` has the formulas.
package enum LearningRateShape: String, Sendable, CaseIterable {
  case cosine
  case linear
  /// The full learning rate from the first step; as in transformers, without a warm-up.
  case constant
  case constantWithWarmup = "constant_with_warmup"
  /// The full learning rate, then half a cosine to 0 over the cooldown.
  case warmupStableDecay = "warmup_stable_decay"
  /// f + (1 − f) / √(time / scale) with the minimum ratio as f, then straight down to 0 over the cooldown. The
  /// scale is the warm-up's length, as in Biderman et al. 2024 (whose f = 1 keeps the full rate), or 10 000 steps
  /// without one, as in transformers' `inverse_sqrt`.
  case inverseSqrtCooldown = "inverse_sqrt_cooldown"

  var hasCooldown: Bool { self == .warmupStableDecay || self == .inverseSqrtCooldown }
}

/// A linear rise from 0 before the shape begins.
package enum LearningRateWarmup: Sendable, Equatable {
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
