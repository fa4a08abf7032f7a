// The logistic function and its logarithm, without overflow and cancellation.

import Tensors

/// log(1 + e^x) without overflow; −log σ(x) = softplus(−x).
func softplus(_ x: Double) -> Double { max(x, 0) + Double.log1p(Double.exp(-abs(x))) }

/// 1 / (1 + e^−x) without overflow.
func sigmoid(_ x: Double) -> Double {
  let e = Double.exp(-abs(x))
  return x >= 0 ? 1 / (1 + e) : e / (1 + e)
}

/// −(1 − ε) log σ(x) − ε log σ(−x) and its derivative. ε is the assumed share of flipped labels.
func logisticLoss(_ x: Double, smoothing: Double) -> (value: Double, gradient: Double) {
  ((1 - smoothing) * softplus(-x) + smoothing * softplus(x), smoothing * sigmoid(x) - (1 - smoothing) * sigmoid(-x))
}
