// ROUGE (Lin 2004) as rouge_score 0.1.2 computes it.

/// A metric of the ROUGE family.
package enum RougeMetric: String, Sendable, CaseIterable {
  /// Shared words.
  case rouge1
  /// Shared pairs of neighbouring words.
  case rouge2
  /// The longest common subsequence of the whole texts.
  case rougeL
  /// Longest common subsequences of the reference's lines with all lines of the prediction, joined.
  case rougeLsum
}

/// Precision, recall and their harmonic mean, from 0 to 1.
package struct RougeScore: Sendable, Equatable {
  package let precision, recall, fMeasure: Double

  /// - Parameters:
  ///   - predicted: how many words or pairs the prediction has.
  ///   - expected: how many the reference has.
  init(hits: Int, predicted: Int, expected: Int) {
    precision = Double(hits) / Double(max(predicted, 1))
    recall = Double(hits) / Double(max(expected, 1))
    let sum = precision + recall
    fMeasure = sum > 0 ? 2 * precision * recall / sum : 0
  }
}

/// Compares predictions with references.
///
/// Memory is linear in the texts but for `rougeLsum`, which keeps about 2 √n columns of n bits for two lines of n words:
/// at most 120 MB for two lines of a megabyte. Time grows with the product of the numbers of words: two megabytes of
/// prose take a second, those of one word again and again, or of lines of a word each, about a minute.
package struct RougeScorer: Sendable {
  package let metrics: [RougeMetric]
  /// Whether words longer than three letters are compared by their stems.
  package let usesStemmer: Bool

  package init(_ metrics: [RougeMetric] = RougeMetric.allCases, usesStemmer: Bool) {
    (self.metrics, self.usesStemmer) = (metrics, usesStemmer)
  }

  /// The scores of a prediction against one reference, in the order of `metrics`.
  package func scores(reference: String, prediction: String) -> [RougeScore] {
    var vocabulary = RougeVocabulary(usesStemmer: usesStemmer)
    let expected = vocabulary.tokens(reference)
    let predicted = vocabulary.tokens(prediction)
    return metrics.map { metric in
      switch metric {
      case .rouge1: Self.overlap(expected.map(UInt64.init), predicted.map(UInt64.init))
      case .rouge2: Self.overlap(Self.pairs(expected), Self.pairs(predicted))
      case .rougeL: Self.subsequence(expected, predicted)
      case .rougeLsum: summary(reference, prediction, &vocabulary)
      }
    }
  }

  /// The scores against the reference with the highest F-measure, for each metric by itself; the first of equal ones.
  /// - Precondition: there is a reference.
  package func scores(references: [String], prediction: String) -> [RougeScore] {
    precondition(!references.isEmpty, "no reference")
    let scores = references.map { self.scores(reference: $0, prediction: prediction) }
    return metrics.indices.map { metric in
      scores.dropFirst().reduce(scores[0][metric]) { $1[metric].fMeasure > $0.fMeasure ? $1[metric] : $0 }
    }
  }

  // MARK: Words and pairs

  private static func pairs(_ tokens: [Int32]) -> [UInt64] {
    zip(tokens, tokens.dropFirst()).map { UInt64($0) << 32 | UInt64($1) }
  }

  private static func overlap(_ expected: [UInt64], _ predicted: [UInt64]) -> RougeScore {
    var left = counts(expected)
    var hits = 0
    for token in predicted {
      guard let count = left[token], count > 0 else { continue }
      left[token] = count - 1
      hits += 1
    }
    return RougeScore(hits: hits, predicted: predicted.count, expected: expected.count)
  }

  private static func counts<Token: Hashable>(_ tokens: some Sequence<Token>) -> [Token: Int] {
    var counts: [Token: Int] = [:]
    for token in tokens { counts[token, default: 0] += 1 }
    return counts
  }

  // MARK: Subsequences

  private static func subsequence(_ expected: [Int32], _ predicted: [Int32]) -> RougeScore {
    var common = CommonSubsequence(expected)
    return RougeScore(
      hits: common.length(with: predicted), predicted: predicted.count, expected: expected.count)
  }

  private func summary(_ reference: String, _ prediction: String, _ vocabulary: inout RougeVocabulary) -> RougeScore {
    let expected = Self.lines(reference, &vocabulary)
    let predicted = Self.lines(prediction, &vocabulary)
    var expectedLeft = Self.counts(expected.joined())
    var predictedLeft = Self.counts(predicted.joined())
    // Equal lines have equal subsequences.
    let candidates = SharedLines(Array(Set(predicted)))
    var hits = 0
    for line in expected {
      for token in Self.union(line, candidates) {
        // A word is a hit as often as both texts have it.
        guard let inPrediction = predictedLeft[token], inPrediction > 0, let inReference = expectedLeft[token],
          inReference > 0
        else { continue }
        hits += 1
        predictedLeft[token] = inPrediction - 1
        expectedLeft[token] = inReference - 1
      }
    }
    return RougeScore(
      hits: hits, predicted: predicted.reduce(0) { $0 + $1.count }, expected: expected.reduce(0) { $0 + $1.count })
  }

  /// The words of a line that are in its longest common subsequence with any of the candidates.
  private static func union(_ line: [Int32], _ candidates: SharedLines) -> [Int32] {
    var common = CommonSubsequence(line)
    var isShared = [Bool](repeating: false, count: line.count)
    for candidate in candidates.lines(sharing: line) {
      common.forEachIndex(with: candidate) { isShared[$0] = true }
    }
    return zip(line, isShared).filter(\.1).map(\.0)
  }

  private static func lines(_ text: String, _ vocabulary: inout RougeVocabulary) -> [[Int32]] {
    text.unicodeScalars.split(separator: "\n").map { vocabulary.tokens(Substring($0)) }.filter { !$0.isEmpty }
  }
}

/// Lines, found by their words.
private struct SharedLines {
  private let lines: [[Int32]]
  private var indices: [Int32: [Int]] = [:]

  init(_ lines: [[Int32]]) {
    self.lines = lines
    for (index, line) in lines.enumerated() {
      for token in line where indices[token]?.last != index { indices[token, default: []].append(index) }
    }
  }

  /// The lines that have a word of `line`.
  func lines(sharing line: [Int32]) -> [[Int32]] {
    var found: Set<Int> = []
    for token in Set(line) { found.formUnion(indices[token] ?? []) }
    return found.map { lines[$0] }
  }
}
