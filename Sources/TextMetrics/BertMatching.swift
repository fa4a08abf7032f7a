// The greedy matching of BERTScore (Zhang et al. 2020, section 3): each token with the most similar one of the other
// text.

import Tensors

/// Precision, recall and F-measure.
package struct BertScore: Sendable, Equatable {
  /// NaN where every token of a text has the weight 0, as idf gives if all references have it.
  package let precision, recall, fMeasure: Double

  package init(precision: Double, recall: Double, fMeasure: Double) {
    (self.precision, self.recall, self.fMeasure) = (precision, recall, fMeasure)
  }

  /// The larger of each of the three; NaN if one is.
  func maximum(_ other: BertScore) -> BertScore {
    func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }
    return BertScore(
      precision: larger(precision, other.precision), recall: larger(recall, other.recall),
      fMeasure: larger(fMeasure, other.fMeasure))
  }

  /// (x - b) / (1 - b), each with its own b: the F-measure is then no longer that of the other two.
  func rescaled(by baseline: BertBaseline) -> BertScore {
    func rescale(_ value: Double, _ b: Float) -> Double { (value - Double(b)) / (1 - Double(b)) }
    return BertScore(
      precision: rescale(precision, baseline.precision), recall: rescale(recall, baseline.recall),
      fMeasure: rescale(fMeasure, baseline.fMeasure))
  }
}

/// The hidden rows of a text's tokens, of length 1, with the weight of each.
struct EmbeddedText: Sendable {
  /// [n, D].
  let rows: Matrix
  let weights: [Double]
}

extension BertScore {
  /// Compares two texts. The tokens around them take part with the weight 0: others may match them.
  init(prediction: EmbeddedText, reference: EmbeddedText, _ pool: ThreadPool) {
    let (n, m) = (prediction.rows.rows, reference.rows.rows)
    guard n > 2, m > 2 else {
      self.init(precision: 0, recall: 0, fMeasure: 0)
      return
    }
    let similarity = Matrix(rows: n, columns: m)
    Products.compute(similarity, [.timesTransposed(prediction.rows, reference.rows)], phase: .head, pool)
    var ofPrediction = [Float](repeating: -.infinity, count: n)
    var ofReference = [Float](repeating: -.infinity, count: m)
    for i in 0..<n {
      let row = similarity.pointer(row: i)
      for j in 0..<m {
        ofPrediction[i] = max(ofPrediction[i], row[j])
        ofReference[j] = max(ofReference[j], row[j])
      }
    }
    let precision = Self.mean(ofPrediction, prediction.weights)
    let recall = Self.mean(ofReference, reference.weights)
    let fMeasure = 2 * precision * recall / (precision + recall)
    self.init(precision: precision, recall: recall, fMeasure: fMeasure.isNaN ? 0 : fMeasure)
  }

  private static func mean(_ values: [Float], _ weights: [Double]) -> Double {
    let total = weights.reduce(0, +)
    return zip(values, weights).reduce(0) { $0 + Double($1.0) * $1.1 } / total
  }
}
