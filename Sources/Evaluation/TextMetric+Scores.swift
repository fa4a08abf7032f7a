// ROUGE and BERTScore as metrics of tasks.

package import TextMetrics

/// ROUGE's F-measures.
package struct RougeTask: TextMetric {
  private let scorer: RougeScorer

  package init(_ scorer: RougeScorer) { self.scorer = scorer }

  package var name: String { "rouge" }
  package var valueNames: [String] { scorer.metrics.map(\.rawValue) }

  package func values(predictions: [String], references: [[String]]) -> [[Double]] {
    zip(predictions, references).map { prediction, references in
      scorer.scores(references: references, prediction: prediction).map(\.fMeasure)
    }
  }
}

/// BERTScore's precision, recall and F-measure.
package struct BertTask: TextMetric, @unchecked Sendable {
  private let scorer: BertScorer

  package init(_ scorer: BertScorer) { self.scorer = scorer }

  package var name: String { "bertscore" }
  package var valueNames: [String] { ["bertscore_precision", "bertscore_recall", "bertscore_f1"] }

  package func values(predictions: [String], references: [[String]]) throws -> [[Double]] {
    try scorer.scores(predictions: predictions, references: references).map {
      [$0.precision, $0.recall, $0.fMeasure]
    }
  }

  /// Predictions are taken to be as long as references.
  package func seconds(references: [[String]]) throws -> Double {
    let most = 5 * scorer.tokenizer.maximumTokens
    let texts = references.joined().sorted { $0.utf8.count < $1.utf8.count }
    guard let typical = texts.dropFirst(texts.count / 2).first, !typical.isEmpty else { return 0 }
    // Equal texts are encoded once; the first time maps the encoder's pages.
    let one =
      try [1, 2].map { _ in
        try ContinuousClock().measure { _ = try scorer.scores(predictions: [typical], references: [[typical]]) }
      }.min() ?? .zero
    let bytes = texts.reduce(0) { $0 + min($1.utf8.count, most) }
    return 2 * (one / .seconds(1)) * Double(bytes) / Double(min(typical.utf8.count, most))
  }
}
