// Examples that a configuration leaves out for what they are: too short, or there already.

import Corpus

/// `min_sample_len` and `dataset_exact_deduplication`.
struct ExampleFilter {
  /// In tokens.
  private let minimumLength: Int
  private let dropsDuplicates: Bool
  private var seen: Set<ContentDigest> = []
  private var short = 0
  private var repeated = 0

  init(_ configuration: RunConfiguration) {
    minimumLength = configuration.objective == .supervised ? configuration.minimumSampleLength : 0
    dropsDuplicates = configuration.dropsDuplicates
  }

  /// What is left of a data set. Examples of earlier ones are there already.
  /// - Throws: `CorpusError` if nothing is left.
  mutating func filter(_ dataset: Dataset) throws -> Dataset {
    guard minimumLength > 0 || dropsDuplicates else { return dataset }
    var kept: [Int] = []
    for place in dataset.examples.indices {
      if minimumLength > 0, dataset.examples.tokenCount(place) < minimumLength {
        short += 1
      } else if dropsDuplicates, !seen.insert(dataset.examples.digest(place)).inserted {
        repeated += 1
      } else {
        kept.append(place)
      }
    }
    guard !kept.isEmpty else {
      throw CorpusError.nothingLeft(notices.joined(separator: "; "))
    }
    return dataset.selecting(kept)
  }

  var notices: [String] {
    [
      short > 0 ? "\(short) left out, shorter than min_sample_len \(minimumLength)" : nil,
      repeated > 0 ? "\(repeated) left out, there already (dataset_exact_deduplication)" : nil,
    ].compactMap(\.self)
  }
}
