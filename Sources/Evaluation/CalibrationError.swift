// How well margins tell how sure a model may be.

import Tensors

enum CalibrationError {
  private static let bins = 10

  /// The expected calibration error over ten equal bins (Naeini, Cooper and Hauskrecht 2015): the mean over all pairs of
  /// |accuracy of the bin - mean confidence of the bin|.
  ///
  /// A margin m states that the chosen completion is the better one with probability p = 1 / (1 + exp(-m)). The confidence
  /// is max(p, 1 - p), and the prediction is right if m is above 0.
  static func value(margins: [Double]) -> Double {
    var confidence = [Double](repeating: 0, count: bins)
    var hits = confidence
    for margin in margins where !margin.isNaN {
      let certainty = 1 / (1 + Double.exp(-abs(margin)))
      let bin = min(bins - 1, Int(certainty * Double(bins)))
      confidence[bin] += certainty
      hits[bin] += margin > 0 ? 1 : 0
    }
    return zip(hits, confidence).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(margins.count)
  }
}
