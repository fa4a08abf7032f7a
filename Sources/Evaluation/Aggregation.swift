// One number for the metrics of all documents, and how sure it is.

import Tensors

/// How the values of documents become one.
package enum Aggregation: String, Sendable, CaseIterable {
  case mean, median, nanmean, perplexity, f1
  case weightedPerplexity = "weighted_perplexity"
  case bitsPerByte = "bits_per_byte"
  case correlation = "matthews_corrcoef"
  case brierScore = "brier_score"
  /// Of margins: how far stated confidence and accuracy are apart. Not one of lm-eval's.
  case calibrationError = "calibration_error"

  /// The aggregation of a metric that names none; nil if there is no such metric.
  package init?(metric: String) {
    switch metric {
    case "acc", "acc_norm", "acc_bytes", "acc_tok", "acc_mutual_info", "exact_match", "pass_at_k": self = .mean
    case "perplexity": self = .perplexity
    case "word_perplexity", "byte_perplexity", "token_perplexity": self = .weightedPerplexity
    case "bits_per_byte": self = .bitsPerByte
    case "f1": self = .f1
    case "mcc": self = .correlation
    case "brier_score": self = .brierScore
    default: return nil
    }
  }

  /// Whether a metric is better if it is larger.
  /// - Parameter metric: its name, also after the name of its task (`lambada_openai_perplexity`).
  package static func higherIsBetter(metric: String) -> Bool {
    !["perplexity", "bits_per_byte", "brier_score", "ece"].contains { metric == $0 || metric.hasSuffix("_\($0)") }
  }

  /// - Precondition: there are values.
  package func value(_ values: [MetricValue]) -> Double {
    switch self {
    case .f1: Self.f1(Confusion(values))
    case .correlation: Self.correlation(Confusion(values))
    case .weightedPerplexity: Double.exp(-Self.weightedMean(values))
    case .bitsPerByte: -Self.weightedMean(values) / Double.log(2)
    case .brierScore: Self.brierScore(values)
    case .calibrationError: CalibrationError.value(margins: values.map(\.number))
    default: value(numbers: values.map(\.number))
    }
  }

  private func value(numbers: [Double]) -> Double {
    switch self {
    case .median: return numbers.sorted()[numbers.count / 2]
    case .nanmean:
      let known = numbers.filter { !$0.isNaN }
      return known.isEmpty ? .nan : Self.mean(known)
    case .perplexity: return Double.exp(-Self.mean(numbers))
    default: return Self.mean(numbers)
    }
  }

  static func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }

  private static func weightedMean(_ values: [MetricValue]) -> Double {
    var (sum, weight) = (0.0, 0)
    for case .weighted(let value, let own) in values { (sum, weight) = (sum + value, weight + own) }
    return sum / Double(weight)
  }

  private static func brierScore(_ values: [MetricValue]) -> Double {
    mean(
      values.map { value in
        guard case .probabilities(let gold, let values) = value else { return .nan }
        return values.enumerated().reduce(0) { sum, value in
          let distance = value.element - (value.offset == gold ? 1 : 0)
          return sum + distance * distance
        }
      })
  }

  // MARK: Labels

  /// How often each label was chosen for each.
  private struct Confusion {
    private(set) var counts: [[Int]: Int] = [:]
    private(set) var labels: Set<Int> = []

    init(_ values: [MetricValue]) {
      for case .labels(let gold, let chosen) in values {
        counts[[gold, chosen], default: 0] += 1
        labels.formUnion([gold, chosen])
      }
    }

    func count(_ gold: Int, _ chosen: Int) -> Double { Double(counts[[gold, chosen]] ?? 0) }
  }

  /// F1 of the label 1 among 0 and 1.
  private static func f1(_ table: Confusion) -> Double {
    let hits = table.count(1, 1)
    let misses = table.count(1, 0) + table.count(0, 1)
    return hits == 0 ? 0 : 2 * hits / (2 * hits + misses)
  }

  /// Matthews' correlation of any number of labels (Gorodkin 2004).
  private static func correlation(_ table: Confusion) -> Double {
    let labels = table.labels.sorted()
    let total = table.counts.values.reduce(0, +)
    let hits = labels.reduce(0) { $0 + table.count($1, $1) }
    let gold = labels.map { label in labels.reduce(0) { $0 + table.count(label, $1) } }
    let chosen = labels.map { label in labels.reduce(0) { $0 + table.count($1, label) } }
    let all = Double(total)
    func product(_ first: [Double], _ second: [Double]) -> Double { zip(first, second).reduce(0) { $0 + $1.0 * $1.1 } }
    let covariance = hits * all - product(gold, chosen)
    let spread = (all * all - product(gold, gold)) * (all * all - product(chosen, chosen))
    return spread == 0 ? 0 : covariance / spread.squareRoot()
  }

  // MARK: Standard errors

  /// The standard error as lm-eval gives it; nil where it gives none.
  /// - Parameter bootstraps: resamplings where there is no formula.
  package func standardError(_ values: [MetricValue], bootstraps: Int) -> Double? {
    guard bootstraps > 0, values.count > 1 else { return nil }
    switch self {
    case .mean: return Self.deviation(values.map(\.number)) / Double(values.count).squareRoot()
    case .perplexity, .median, .nanmean:
      let numbers = values.map(\.number)
      return Bootstrap.deviation(of: numbers.count, times: bootstraps) { places in
        value(numbers: places.map { numbers[$0] })
      }
    case .f1, .correlation:
      return Bootstrap.deviation(of: values.count, times: bootstraps) { places in value(places.map { values[$0] }) }
    case .weightedPerplexity, .bitsPerByte, .brierScore, .calibrationError: return nil
    }
  }

  /// The standard deviation of a sample.
  static func deviation(_ numbers: [Double]) -> Double {
    let center = mean(numbers)
    let squares = numbers.reduce(0) { $0 + ($1 - center) * ($1 - center) }
    return (squares / Double(numbers.count - 1)).squareRoot()
  }
}
