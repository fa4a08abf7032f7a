// The optimizer's rule, applied to a part of the parameters.

import Tensors

/// The optimizer's step on a part of the shard, on any thread.
struct ParameterUpdate: Sendable {
  enum Rule {
    /// With the running means of squares.
    case adamW(AdamWStep, second: Storage)
    case lion(LionStep)
  }

  let rule: Rule
  let values: Storage
  let first: Storage
  /// The shard's first entry.
  let start: Int

  func callAsFunction(_ range: Range<Int>, gradient: UnsafePointer<Float>) {
    let own = range.lowerBound - start
    let (weights, first) = (values.base + range.lowerBound, first.base + own)
    switch rule {
    case .adamW(let step, let second):
      Optimizer.adamW(
        weights: weights, first: first, second: second.base + own, gradient: gradient, count: range.count, step)
    case .lion(let step):
      Optimizer.lion(weights: weights, momentum: first, gradient: gradient, count: range.count, step)
    }
  }
}
