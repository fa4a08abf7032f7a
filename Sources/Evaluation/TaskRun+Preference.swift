// The task `preference`: whether a model finds chosen completions more likely than rejected ones.

import Checkpoints
package import Corpus

extension TaskRun {
  /// The task's name.
  package static let preferenceName = "preference"

  /// Requests for both completions of each record, tokenised as for training.
  ///
  /// With c and r the log-prob sums of a record's chosen and rejected completion: `accuracy` is the share of records with
  /// c > r, `accuracy_norm` the same for means per token, `margin` the mean of c - r, `ece` the calibration error of the
  /// margins (`CalibrationError`).
  /// - Parameters:
  ///   - type: the records' format; nil: TRL's formats.
  ///   - encoder: with the model's tokenizer and template.
  /// - Throws: `CorpusError` with all records that are no pairs.
  package static func preference(
    _ documents: TaskDocuments, type: DatasetType? = nil, _ encoder: ExampleEncoder, tokenizer: Tokenizer,
    data: String, _ settings: EvaluationSettings
  ) throws -> TaskRun {
    var items: [TaskItem] = []
    var mistakes: [RecordMistake] = []
    let count = settings.documentCount(of: documents.documents.count)
    for (index, document) in documents.documents.prefix(count).enumerated() {
      do throws(RecordProblem) {
        items.append(try item(document, index, type, encoder, tokenizer))
      } catch {
        mistakes.append(RecordMistake(location: document.location, problem: error))
      }
    }
    if !mistakes.isEmpty { throw CorpusError.badRecords(mistakes) }
    let names = ["accuracy", "accuracy_norm", "margin", "ece"]
    let metrics = names.map { MetricSettings($0, higherIsBetter: $0 != "ece") }
    var definition = TaskDefinition(
      preferenceName, .logLikelihood, text: .template("prompt"), target: .template("chosen"), metrics: metrics)
    definition.version = 1
    definition.splits.test = "test"
    return TaskRun(
      name: preferenceName, alias: preferenceName, items: items, documentCount: documents.documents.count, shotCount: 0,
      version: definition.version,
      configuration: definition.configuration(shotCount: 0, data: [.init("test", .string(data))]), filters: [.none],
      answers: nil, higherIsBetter: metrics.map { .init($0.name, .bool($0.higherIsBetter ?? true)) },
      aggregations: ["ece": .calibrationError], score: { _, responses in responses.map(values) })
  }

  private static func item(
    _ document: TaskDocument, _ index: Int, _ type: DatasetType?, _ encoder: ExampleEncoder, _ tokenizer: Tokenizer
  ) throws(RecordProblem) -> TaskItem {
    // What a record lacks is null here, and missing to the reader.
    let value = JSONValue.object((document.value.members ?? []).filter { !$0.value.isNull })
    guard let record = try ExampleRecord.read(value, type: type, kind: .pair).first else {
      throw RecordProblem("expected a pair")
    }
    let tree = try encoder.encode(record, index: index).tree
    guard tree.completions.count == 2 else { throw RecordProblem("expected a chosen and a rejected completion") }
    let prompt = tokenizer.decode(tree.prompt)
    return TaskItem(
      document: document, target: .string(tokenizer.decode(tree.completions[0])),
      requests: tree.completions.map { ids in
        .tokens(context: tree.prompt, continuation: ids, shown: [prompt, tokenizer.decode(ids)])
      })
  }

  @Sendable private static func values(_ response: FilteredResponses) -> [DocumentMetric] {
    guard case .likelihoods(let both) = response, both.count == 2 else { return [] }
    let margin = both[0].sum - both[1].sum
    let means = both.map { $0.sum / Double(max(1, $0.tokenCount)) }
    return [
      DocumentMetric("accuracy", .number(margin > 0 ? 1 : 0)),
      DocumentMetric("accuracy_norm", .number(means[0] > means[1] ? 1 : 0)),
      DocumentMetric("margin", .number(margin)), DocumentMetric("ece", .number(margin)),
    ]
  }
}
