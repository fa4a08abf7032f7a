// The optimizer's rule, applied to a part of the parameters.

import Tensors

/// The optimizer's step on a part of the shard, on any thread.
struct ParameterUpdate: Sendable {
  enum Rule {
    case adamW(AdamWStep)
    case lion(LionStep)
  }

  let rule: Rule
  let values: Storage
  let moments: OptimizerMoments
  /// The shard's first entry.
  let start: Int

  func callAsFunction(_ range: Range<Int>, gradient: UnsafePointer<Float>) {
    let own = range.lowerBound - start
    let (weights, first) = (values.base + range.lowerBound, moments.first.base + own)
    switch rule {
    case .adamW(let step):
      guard let second = moments.second else { preconditionFailure("AdamW without second moments") }
      Optimizer.adamW(
        weights: weights, first: first, second: second.base + own, gradient: gradient, count: range.count, step)
    case .lion(let step):
      Optimizer.lion(weights: weights, momentum: first, gradient: gradient, count: range.count, step)
    }
  }
}
