// Rank 0's data: examples to train on and held out, in the tokens of the model.

import Checkpoints
package import Corpus
import Model

/// The examples of a run and what became of the records.
package struct TrainingData: Sendable {
  package let training: [ExampleTree]
  package let heldOut: [ExampleTree]
  package let report: DatasetReport
  package let heldOutReport: DatasetReport?
  /// SHA-256 over the tokens of all examples, in order.
  package let hash: String

  /// Reads and tokenizes what the configuration names.
  /// - Throws: `FileError`, `CorpusError`, `TokenizerError`.
  init(_ configuration: RunConfiguration, model: ModelConfiguration) throws {
    let tokenizer = try Tokenizer(directory: configuration.baseModel)
    try tokenizer.validate(vocabularySize: model.vocabularySize)
    let encoder = ExampleEncoder(
      tokenizer: tokenizer, template: try Self.template(configuration, tokenizer: tokenizer))
    let limit = LengthLimit(
      sequenceLength: min(configuration.sequenceLength, model.maximumPositions),
      strategy: configuration.excessLengthStrategy)
    let dataset = try Dataset(
      sources: configuration.datasets, kind: .pair, encoder: encoder, limit: limit)
    report = dataset.report
    if !configuration.testDatasets.isEmpty {
      let test = try Dataset(
        sources: configuration.testDatasets, kind: .pair, encoder: encoder, limit: limit)
      (training, heldOut, heldOutReport) = (dataset.examples, test.examples, test.report)
    } else {
      heldOutReport = nil
      let seed = UInt64(bitPattern: Int64(configuration.seed))
      switch configuration.heldOut {
      case nil: (training, heldOut) = (dataset.examples, [])
      case let size?: (training, heldOut) = try dataset.split(holdingOut: size, seed: seed)
      }
    }
    hash = ContentHash.sha256(of: (training + heldOut).flatMap(\.contentDigest))
  }

  /// The chat template that the configuration asks for.
  /// - Throws: `TokenizerError`.
  static func template(_ configuration: RunConfiguration, tokenizer: Tokenizer) throws -> ChatTemplate {
    var template: ChatTemplate
    switch configuration.chatTemplate {
    case .tokenizerDefault: template = try ChatTemplate(directory: configuration.baseModel, tokenizer: tokenizer)
    case .chatml: template = .chatML
    case .qwen: template = .qwen2
    case .qwen25: template = .qwen25
    }
    if let message = configuration.defaultSystemMessage { template.defaultSystemMessage = message }
    try template.validate(with: tokenizer)
    return template
  }
}
