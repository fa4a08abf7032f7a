// The tasks of the harness and of task files as requests.

package import Checkpoints
import Corpus

extension TaskRun {
  /// - Parameters:
  ///   - documents: of the task's file.
  ///   - pool: what examples are drawn from; nil: the documents themselves, where a document is not its own example.
  ///   - data: the files by split, for the configuration that results show.
  /// - Throws: `EvaluationError` with the place of a document that does not fit the task.
  package init(
    _ definition: TaskDefinition, _ documents: TaskDocuments, pool: TaskDocuments? = nil,
    data: [JSONValue.Member] = [], _ settings: EvaluationSettings
  ) throws(EvaluationError) {
    var definition = definition
    let processed = try documents.processed(by: definition.processing, of: definition.name)
    guard let first = processed.documents.first else {
      throw EvaluationError("task \(definition.name)", "there are no documents")
    }
    if pool == nil, definition.shots.samples == nil { definition.shots.split = definition.splits.test }
    let candidates = try pool?.processed(by: definition.processing, of: definition.name) ?? processed
    let shotCount = definition.shotCount(settings)
    let count = settings.documentCount(of: processed.documents.count)
    var items: [TaskItem] = []
    var location = first.location
    let asksForUnconditioned: Bool
    var builder: PromptBuilder
    do throws(DocumentProblem) {
      builder = try PromptBuilder(
        definition, settings, shotCount: shotCount, fields: processed.fields, first: first.value,
        pool: definition.shots.samples ?? candidates.documents.map(\.value))
      asksForUnconditioned = definition.metrics.contains { $0.name == "acc_mutual_info" }
      for document in processed.documents.prefix(count) {
        location = document.location
        items.append(
          try Self.item(document, definition, &builder, settings, mutualInformation: asksForUnconditioned))
      }
    } catch {
      throw EvaluationError(definition.name, location, error.reason)
    }
    guard items.contains(where: \.hasRightChoice) else {
      throw EvaluationError(
        definition.name, first.location,
        "the answer \(PythonText.string(items[0].target).debugDescription.prefix(40)) is none of the choices, and so it is in all "
          + "documents: are these the fields of the data set?")
    }
    let parts: HarnessParts
    do throws(DocumentProblem) {
      parts = try HarnessParts(definition, runner: settings.programRunner)
    } catch {
      throw EvaluationError("task \(definition.name)", error.reason)
    }
    self.init(
      name: definition.name, alias: definition.alias ?? definition.name, items: items,
      documentCount: processed.documents.count, shotCount: shotCount, version: definition.version,
      configuration: definition.configuration(shotCount: shotCount, data: data), filters: parts.filters,
      answers: parts.answers, higherIsBetter: parts.metrics.higherIsBetter, aggregations: parts.metrics.aggregations,
      score: { [builder] items, responses in try parts.metrics.values(items, responses, builder) })
  }

  private static func item(
    _ document: TaskDocument, _ definition: TaskDefinition, _ builder: inout PromptBuilder,
    _ settings: EvaluationSettings, mutualInformation: Bool
  ) throws(DocumentProblem) -> TaskItem {
    let target = try builder.target(of: document.value)
    let prompts = try builder.prompts(for: document.value)
    func text(_ value: JSONValue) throws(DocumentProblem) -> String {
      guard let text = value.string else {
        throw DocumentProblem("the target is no text: \(PythonText.string(value).prefix(40))")
      }
      return text
    }
    let requests: [TaskRequest]
    var hasRightChoice = true
    switch definition.outputType {
    case .generation: requests = [.answer(prompt: prompts[0])]
    case .rolling: requests = [.rolling(try text(target))]
    case .logLikelihood: requests = [.likelihood(context: prompts[0], continuation: try text(target))]
    case .multipleChoice:
      let delimiter = delimiter(definition, settings)
      let choices = try builder.choices(of: document.value)
      let answer = delimiter + PythonText.string(target)
      let paired: [TaskRequest] =
        builder.choosesText
        ? prompts.map { .likelihood(context: $0, continuation: answer) }
        : choices.map { .likelihood(context: prompts[0], continuation: delimiter + $0) }
      let alone: [TaskRequest] =
        mutualInformation ? choices.map { .likelihood(context: "", continuation: delimiter + $0) } : []
      requests = paired + alone
      let gold = builder.choosesText ? try builder.text(of: document.value) : target
      hasRightChoice =
        ChoiceMetrics(choices: choices, gold: gold, hasSeveralTargets: builder.hasSeveralTargets).hasRightChoice
    }
    try TaskRequest.requireRoom(requests.reduce(0) { $0 + $1.texts.reduce(0) { $0 + $1.utf8.count } })
    var item = TaskItem(document: document, target: target, requests: requests)
    item.hasRightChoice = hasRightChoice
    return item
  }

  /// What stands between a prompt and a choice: nothing after the header of a chat's answer.
  private static func delimiter(_ definition: TaskDefinition, _ settings: EvaluationSettings) -> String {
    guard settings.chat != nil else { return definition.targetDelimiter }
    let prefix = definition.answerPrefix ?? ""
    return prefix.isEmpty || prefix.endsWithSpace ? "" : definition.targetDelimiter
  }
}
