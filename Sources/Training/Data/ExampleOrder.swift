// Which examples the steps of a run have: a branch goes on with its trunk's order, or begins one of its own.

import Checkpoints
import Corpus

/// The examples that a run trains on, with all that decides which of them each step has.
package struct ExampleOrder: Sendable, Equatable {
  /// SHA-256 over examples, order and batches.
  package var hash: String
  /// Steps of a trunk before the first of the order.
  package var startsAfter: Int

  package init(hash: String, startsAfter: Int = 0) { (self.hash, self.startsAfter) = (hash, startsAfter) }
}

extension TrainingData {
  /// The hash of the order that a configuration makes of these examples. How many steps there are does not matter.
  func orderHash(_ configuration: RunConfiguration) -> String {
    let hash = SHA256()
    let shuffles = configuration.shufflesMergedDatasets && !configuration.usesCurriculumSampling
    var words = [trainingHash, shuffles ? "\(configuration.seed)" : "-", "\(configuration.batchSize)"]
    if configuration.packs {
      let packing = configuration.packing
      words += [
        "\(configuration.sequenceLength)", "\(configuration.microBatchSize)", "\(packing.usesRealBatches)",
        "\(packing.groupSize)", "\(packing.mostExamplesPerRow)", "\(packing.isSequential)",
      ]
    }
    hash.append(Array(words.joined(separator: " ").utf8))
    lengths.withUnsafeBytes { hash.append($0) }
    return hash.text
  }
}
