// The optimizer steps over the arena, and the gradient norm for clipping.

internal import CShoal

/// AdamW's constants for one step, computed in fp64 as in torch.
package struct AdamWStep: Sendable {
  let step: shoal_adamw_step

  /// - Parameters:
  ///   - number: the step's number, from 1.
  ///   - gradientScale: a factor for every gradient, applied first (the clip coefficient).
  package init(
    number: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
    gradientScale: Float
  ) {
    step = shoal_adamw_step(
      gradient_scale: gradientScale, keep: Float(1 - learningRate * weightDecay), gain1: Float(1 - beta1),
      beta2: Float(beta2), gain2: Float(1 - beta2), pace: Float(learningRate / (1 - power(beta1, number))),
      root: Float((1 - power(beta2, number)).squareRoot()), epsilon: Float(epsilon))
  }
}

/// Lion's constants for one step, computed in fp64 as in torch.
///
/// The weight decay is decoupled and scaled by the learning rate, as in AdamW: w ← (1 − rate · decay) w.
package struct LionStep: Sendable {
  let step: shoal_lion_step

  /// - Parameter gradientScale: a factor for every gradient, applied first (the clip coefficient).
  package init(learningRate: Double, beta1: Double, beta2: Double, weightDecay: Double, gradientScale: Float) {
    step = shoal_lion_step(
      gradient_scale: gradientScale, keep: Float(1 - learningRate * weightDecay), rate: Float(learningRate),
      beta1: Float(beta1), gain1: Float(1 - beta1), beta2: Float(beta2), gain2: Float(1 - beta2))
  }
}

/// x^n by repeated squaring. It uses no library pow, so the bits are the same everywhere.
private func power(_ x: Double, _ n: Int) -> Double {
  var (result, base, left) = (1.0, x, n)
  while left > 0 {
    if left & 1 == 1 { result *= base }
    base *= base
    left >>= 1
  }
  return result
}

package enum Optimizer {
  private static let block = 1 << 16

  /// One AdamW step on `count` weights and their two moments.
  package static func adamW(
    weights: UnsafeMutablePointer<Float>, first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>,
    gradient: UnsafePointer<Float>, count: Int, _ step: AdamWStep, _ pool: ThreadPool
  ) {
    nonisolated(unsafe) let (weights, first, second, gradient) = (weights, first, second, gradient)
    pool.clock.enter(.optimizer)
    defer { pool.clock.enter(.input) }
    pool.blocks(of: count, by: block) { range in
      let start = range.lowerBound
      adamW(
        weights: weights + start, first: first + start, second: second + start, gradient: gradient + start,
        count: range.count, step)
    }
  }

  /// The same on the calling thread.
  package static func adamW(
    weights: UnsafeMutablePointer<Float>, first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>,
    gradient: UnsafePointer<Float>, count: Int, _ step: AdamWStep
  ) {
    var constants = step.step
    kernels.adamw(weights, first, second, gradient, &constants, Int64(count))
  }

  /// One Lion step on `count` weights and their momentum: w moves by the learning rate, whatever the gradient's size.
  package static func lion(
    weights: UnsafeMutablePointer<Float>, momentum: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
    count: Int, _ step: LionStep, _ pool: ThreadPool
  ) {
    nonisolated(unsafe) let (weights, momentum, gradient) = (weights, momentum, gradient)
    pool.clock.enter(.optimizer)
    defer { pool.clock.enter(.input) }
    pool.blocks(of: count, by: block) { range in
      let start = range.lowerBound
      lion(
        weights: weights + start, momentum: momentum + start, gradient: gradient + start, count: range.count, step)
    }
  }

  /// The same on the calling thread.
  package static func lion(
    weights: UnsafeMutablePointer<Float>, momentum: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
    count: Int, _ step: LionStep
  ) {
    var constants = step.step
    kernels.lion(weights, momentum, gradient, &constants, Int64(count))
  }

  /// √Σ x² in fp64, summed in fixed blocks.
  package static func norm(_ x: UnsafePointer<Float>, count: Int, _ pool: ThreadPool) -> Double {
    squares(x, count: count, pool).reduce(0, +).squareRoot()
  }

  /// Σ x² of every block of 65,536 numbers, in fp64.
  package static func squares(_ x: UnsafePointer<Float>, count: Int, _ pool: ThreadPool) -> [Double] {
    let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: (count + block - 1) / block)
    defer { sums.deallocate() }
    nonisolated(unsafe) let (x, partial) = (x, sums)
    pool.clock.enter(.optimizer)
    defer { pool.clock.enter(.input) }
    pool.blocks(of: count, by: block) { range in
      partial[range.lowerBound / block] = squares(x + range.lowerBound, count: range.count)
    }
    return Array(sums)
  }

  /// Σ x² in fp64, on the calling thread.
  package static func squares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    kernels.sum_of_squares(x, Int64(count))
  }
}
