// Rank 0's data: training and held-out examples as tokens of the model.

import Checkpoints
package import Corpus
import Model
import Runtime

/// The examples of a run and the reports on their records.
package struct TrainingData: Sendable {
  /// As in the data. `stepTrees` turns them into the trees that the objective needs.
  package let training: ExampleList
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
  /// What to tell the user about the place of the examples.
  let notices: [String]
  /// Tokens of each training example's record, as far as `sequence_len` allows; empty unless samples are packed.
  let lengths: [Int]
  /// SHA-256 over the tokens of all examples, in order.
  package let hash: String
  /// The same over the training examples alone.
  let trainingHash: String
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

  /// Reads and tokenizes the data that the configuration names, or finds them tokenized.
  /// - Parameter program: SHA-256 of the program.
  /// - Throws: `FileError`, `CorpusError`, `TokenizerError`.
  init(_ configuration: RunConfiguration, model: ModelConfiguration, program: String) throws {
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
    let store = ExampleStore(
      directory: configuration.preparedPath, program: program,
      tokenizer: try ModelDirectory.tokenizerHash(directory: configuration.baseDirectory))
    var filter = ExampleFilter(configuration)
    let dataset = try filter.filter(
      Dataset(
        sources: configuration.datasets, kind: kind, encoder: encoder, limit: length, seed: seed, omitting: omissions,
        store: store))
    report = dataset.report
    var styles = dataset.styles
    let held: [ExampleTree]
    if !configuration.testDatasets.isEmpty {
      omissions.taken = dataset.mistakes.count
      let test = try filter.filter(
        Dataset(
          sources: configuration.testDatasets, kind: kind, encoder: encoder, limit: length, seed: seed,
          omitting: omissions, store: store))
      skipped = dataset.mistakes + test.mistakes
      (training, held, heldOutReport) = (dataset.examples, try test.examples.trees(), test.report)
      (wantedHeldOut, familiarHeldOut) = (nil, test.examples.familiar(to: dataset.examples))
      styles.include(test.styles)
      notices = [dataset.notice, test.notice].compactMap(\.self)
    } else {
      (heldOutReport, familiarHeldOut, skipped) = (nil, 0, dataset.mistakes)
      notices = [dataset.notice].compactMap(\.self)
      switch configuration.heldOut {
      case nil: (training, held, wantedHeldOut) = (dataset.examples, [], nil)
      case let size?:
        let split = try dataset.split(holdingOut: size, seed: seed)
        (training, held, wantedHeldOut) = (split.training, try split.validation.trees(), split.wanted)
      }
    }
    filterNotices = filter.notices
    promptTemplate = styles.template(template)
    areTexts = styles.areTexts
    endIDs = training.ends
    lengths =
      configuration.packs
      ? training.indices.map { [training] in min(training.recordTokens($0), configuration.sequenceLength) } : []
    let hash = SHA256()
    for place in training.indices { hash.append(training.digest(place).bytes) }
    trainingHash = hash.text
    for tree in held { hash.append(tree.contentDigest.bytes) }
    // The rows depend on more than the tokens that are computed.
    lengths.withUnsafeBytes { hash.append($0) }
    self.hash = hash.text
    heldOut = objective.heldOutTrees(held, limit: limit)
  }

  /// The given records that exist in this data.
  func present(_ records: Quarantine) -> Quarantine {
    Quarantine(
      training: records.training.intersection(records.training.isEmpty ? [] : training.indices.map(training.index)),
      heldOut: records.heldOut.intersection(heldOut.map(\.index)))
  }

  /// Excludes these records from all later steps and evaluations.
  mutating func exclude(_ quarantine: Quarantine) {
    quarantinedPositions =
      quarantine.training.isEmpty
      ? [] : Set(training.indices.filter { quarantine.training.contains(training.index($0)) })
    heldOut.removeAll { quarantine.heldOut.contains($0.index) }
  }

  /// The outline of the example of median length.
  var typicalExample: ExampleTree {
    let counts = training.indices.map(training.tokenCount)
    let sorted = training.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
    return training.outline(sorted[sorted.count / 2])
  }

  /// The trees of the step with the examples at `positions`, in this order, without quarantined examples.
  /// - Throws: `DamagedExamples`.
  package func stepTrees(_ positions: some Sequence<Int>) throws -> [ExampleTree] {
    objective.trees(try present(positions).map { try training.tree($0) }, limit: limit)
  }

  /// The same trees without their tokens.
  func stepOutlines(_ positions: some Sequence<Int>) -> [ExampleTree] {
    objective.trees(present(positions).map(training.outline), limit: limit)
  }

  private func present(_ positions: some Sequence<Int>) -> [Int] {
    positions.filter { !quarantinedPositions.contains($0) }
  }

  // MARK: Trees that need a reference

  /// A tree whose reference sums are needed, as places: of 8 bytes, since there may be millions.
  struct NeededTree {
    /// The place of a training example, or beyond them that of a held-out one.
    fileprivate let place: Int32
    /// The place of the example that a mismatched completion comes from.
    fileprivate let partner: Int32
  }

  /// Visits the trees of all steps. If a tree depends on the other examples of its step, the trees of each step.
  func forEachStepTree(of plan: StepPlan, _ body: (NeededTree) throws -> Void) rethrows {
    func visit(_ positions: [Int]) throws {
      for (number, position) in positions.enumerated() {
        let partner = positions[(number + positions.count - 1) % positions.count]
        try body(NeededTree(place: Int32(position), partner: Int32(partner)))
      }
    }
    guard objective.spans.contains(.mismatched) else { return try visit(present(training.indices)) }
    try plan.forEachStep { _, positions in try visit(present(positions)) }
  }

  /// Visits the trees of an evaluation.
  func forEachHeldOutTree(_ body: (NeededTree) throws -> Void) rethrows {
    for place in heldOut.indices {
      try body(NeededTree(place: Int32(training.count + place), partner: 0))
    }
  }

  /// - Throws: `DamagedExamples`.
  func tree(_ needed: NeededTree) throws -> ExampleTree { try tree(needed, training.tree) }

  func outline(_ needed: NeededTree) -> ExampleTree { tree(needed, training.outline) }

  /// - Throws: `DamagedExamples`.
  func digest(_ needed: NeededTree) throws -> ContentDigest {
    let place = Int(needed.place)
    guard !objective.keepsExamples || place >= training.count else {
      return training.digest(place)
    }
    return try tree(needed).contentDigest
  }

  private func tree(_ needed: NeededTree, _ example: (Int) throws -> ExampleTree) rethrows -> ExampleTree {
    let place = Int(needed.place)
    guard place < training.count else { return heldOut[place - training.count] }
    return objective.tree(try example(place), mismatchedWith: try example(Int(needed.partner)), limit: limit)
  }

  /// The chat template that the configuration selects; nil if the model has none, which matters only for messages.
  /// - Throws: `TokenizerError`.
  static func template(_ configuration: RunConfiguration, tokenizer: Tokenizer) throws -> ChatTemplate? {
    // That the model has no template, or one that is of no use, matters only where a record needs it.
    let isOwn = configuration.chatTemplate == .own
    guard isOwn ? try ChatTemplate.text(in: configuration.baseDirectory) != nil : true else { return nil }
    var template = try ChatTemplate(
      configuration.chatTemplate, directory: configuration.baseDirectory, tokenizer: tokenizer)
    if let message = configuration.defaultSystemMessage { template = try template.withDefaultSystem(message) }
    do {
      template = try template.withVariables(configuration.chatTemplateVariables)
    } catch {
      throw TokenizerError(path: tokenizer.path, reason: "chat_template_kwargs: \(error)")
    }
    return template
  }
}
