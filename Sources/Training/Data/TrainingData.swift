// Rank 0's data: training and held-out examples as tokens of the model.

import Checkpoints
package import Corpus
import Model

/// The examples of a run and the reports on their records.
package struct TrainingData: Sendable {
  /// As in the data. `stepTrees` turns them into the trees that the objective needs.
  package let training: [ExampleTree]
  /// The trees of one evaluation.
  package private(set) var heldOut: [ExampleTree]
  /// Positions in `training` of examples that are in no step.
  private(set) var quarantinedPositions: Set<Int> = []
  package let report: DatasetReport
  package let heldOutReport: DatasetReport?
  /// The records that were left out because they cannot be used.
  let skipped: [RecordMistake]
  /// What was left out of both.
  let filterNotices: [String]
  /// The number of examples that `val_set_size` asks for.
  let wantedHeldOut: Int?
  /// Held-out examples of `test_datasets` whose prompt is in the training data too.
  let familiarHeldOut: Int
  /// Tokens of each training example's record, as far as `sequence_len` allows; empty unless samples are packed.
  let lengths: [Int]
  /// SHA-256 over the tokens of all examples, in order.
  package let hash: String
  package let tokenizer: Tokenizer
  /// The template with which a chat becomes a prompt like those of the records; nil if none of them is a chat.
  package let promptTemplate: ChatTemplate?
  /// Whether all records are plain texts.
  package let areTexts: Bool
  /// The special tokens that end the completions.
  package let endIDs: [Int32]
  private let objective: Objective
  /// Maximum sequence length in tokens.
  private let limit: Int

  /// Reads and tokenizes the data that the configuration names.
  /// - Throws: `FileError`, `CorpusError`, `TokenizerError`.
  init(_ configuration: RunConfiguration, model: ModelConfiguration) throws {
    tokenizer = try Tokenizer(
      directory: configuration.baseDirectory, endOfSequence: configuration.specialTokens.endOfSequence)
    try tokenizer.validate(vocabularySize: model.vocabularySize)
    for source in configuration.datasets + configuration.testDatasets {
      try source.fields.turns.validate(with: tokenizer)
    }
    let template = try Self.template(configuration, tokenizer: tokenizer)
    let encoder = ExampleEncoder(
      tokenizer: tokenizer, template: template, trainsOnInputs: configuration.trainsOnInputs)
    objective = configuration.objective
    let length = LengthLimit(
      sequenceLength: configuration.sequenceLength, strategy: configuration.excessLengthStrategy,
      modelPositions: model.maximumPositions)
    limit = length.sequenceLength
    let kind = objective.exampleKind
    let seed = UInt64(bitPattern: Int64(configuration.seed))
    var omissions = DataOmissions(
      mistakes: configuration.skipBadRecords, equalPairs: configuration.dropsEqualPairs)
    var filter = ExampleFilter(configuration)
    let dataset = try filter.filter(
      Dataset(
        sources: configuration.datasets, kind: kind, encoder: encoder, limit: length, seed: seed, omitting: omissions))
    report = dataset.report
    var styles = dataset.styles
    let held: [ExampleTree]
    if !configuration.testDatasets.isEmpty {
      omissions.taken = dataset.mistakes.count
      let test = try filter.filter(
        Dataset(
          sources: configuration.testDatasets, kind: kind, encoder: encoder, limit: length, seed: seed,
          omitting: omissions))
      skipped = dataset.mistakes + test.mistakes
      (training, held, heldOutReport) = (dataset.examples, test.examples, test.report)
      let trained = Set(dataset.prompts)
      (wantedHeldOut, familiarHeldOut) = (nil, test.prompts.count { trained.contains($0) })
      styles.include(test.styles)
    } else {
      (heldOutReport, familiarHeldOut, skipped) = (nil, 0, dataset.mistakes)
      switch configuration.heldOut {
      case nil: (training, held, wantedHeldOut) = (dataset.examples, [], nil)
      case let size?:
        let split = try dataset.split(holdingOut: size, seed: seed)
        (training, held, wantedHeldOut) = (split.training, split.validation, split.wanted)
      }
    }
    filterNotices = filter.notices
    promptTemplate = styles.template(template)
    areTexts = styles.areTexts
    endIDs = Self.endIDs(of: training, tokenizer)
    lengths =
      configuration.packs
      ? training.map { min($0.tokenCount + $0.leftOut, configuration.sequenceLength) } : []
    // The rows depend on more than the tokens that are computed.
    hash = ContentHash.sha256(
      of: (training + held).flatMap(\.contentDigest) + lengths.flatMap { withUnsafeBytes(of: $0, Array.init) })
    heldOut = objective.heldOutTrees(held, limit: limit)
  }

  /// The given records that exist in this data.
  func present(_ records: Quarantine) -> Quarantine {
    Quarantine(
      training: records.training.intersection(training.map(\.index)),
      heldOut: records.heldOut.intersection(heldOut.map(\.index)))
  }

  /// Excludes these records from all later steps and evaluations.
  mutating func exclude(_ quarantine: Quarantine) {
    quarantinedPositions = Set(training.indices.filter { quarantine.training.contains(training[$0].index) })
    heldOut.removeAll { quarantine.heldOut.contains($0.index) }
  }

  /// The example of median length.
  var typicalExample: ExampleTree? {
    let sorted = training.sorted { ($0.tokenCount, $0.index) < ($1.tokenCount, $1.index) }
    return sorted.isEmpty ? nil : sorted[sorted.count / 2]
  }

  /// The trees of the step with the examples at `positions`, in this order, without quarantined examples.
  package func stepTrees(_ positions: some Sequence<Int>) -> [ExampleTree] {
    let positions = positions.filter { !quarantinedPositions.contains($0) }
    return objective.trees(positions.map { training[$0] }, limit: limit)
  }

  /// The special token before nothing but special tokens and line feeds at the end of each completion, each once. A
  /// text that was cut has none.
  private static func endIDs(of examples: [ExampleTree], _ tokenizer: Tokenizer) -> [Int32] {
    var found: Set<Int32> = []
    for completion in examples.flatMap(\.completions) {
      var end: Int32?
      for id in completion.reversed() {
        guard tokenizer.isSpecial(id) || tokenizer.decode([id]) == "\n" else { break }
        if tokenizer.isSpecial(id) { end = id }
      }
      if let end { found.insert(end) }
    }
    return found.sorted()
  }

  /// The trees of all steps. If a tree depends on the other examples of its step, trees are made for each step.
  func allTrees(of plan: StepPlan) -> [ExampleTree] {
    guard objective.spans.contains(.mismatched) else { return stepTrees(training.indices) }
    var trees: [ExampleTree] = []
    plan.forEachStep { _, positions in trees += stepTrees(positions) }
    return trees
  }

  /// The chat template that the configuration selects; nil if the model has none, which matters only for messages.
  /// - Throws: `TokenizerError`.
  static func template(_ configuration: RunConfiguration, tokenizer: Tokenizer) throws -> ChatTemplate? {
    // That the model has no template, or one that is of no use, matters only where a record needs it.
    let isOwn = configuration.chatTemplate == .own
    guard isOwn ? try ChatTemplate.text(in: configuration.baseDirectory) != nil : true else { return nil }
    var template = try ChatTemplate(
      configuration.chatTemplate, directory: configuration.baseDirectory, tokenizer: tokenizer)
    template.variables = configuration.chatTemplateVariables
    if let message = configuration.defaultSystemMessage { template = template.withDefaultSystem(message) }
    return template
  }
}
