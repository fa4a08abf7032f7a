// The tasks that compare texts with reference texts: texts of a file, or a model's answers to prompts.

import Checkpoints
import Corpus

extension TaskRun {
  /// The task of a metric. Records have `reference`, a text or a list of texts, and `prediction`, or with a model `prompt`
  /// or `messages`, to which it answers.
  /// - Parameters:
  ///   - answers: how the model answers.
  ///   - chat: renders `messages`, and prompts too where the evaluation applies the chat template; nil: there is no model,
  ///     and all records have predictions.
  /// - Throws: `EvaluationError` with the place of a record that lacks what it needs.
  package static func texts(
    _ metric: any TextMetric, _ documents: TaskDocuments, answers: AnswerSettings?, chat: ChatRendering?, data: String,
    _ settings: EvaluationSettings
  ) throws -> TaskRun {
    let count = settings.documentCount(of: documents.documents.count)
    let items = try documents.documents.prefix(count).map { document in
      do throws(DocumentProblem) {
        return try item(document, hasModel: answers != nil, chat, settings)
      } catch {
        throw EvaluationError(metric.name, document.location, error.reason)
      }
    }
    let metrics = metric.valueNames.map { MetricSettings($0, aggregation: "mean", higherIsBetter: true) }
    var definition = TaskDefinition(
      metric.name, .generation, text: .template("prompt"), target: .template("reference"), metrics: metrics)
    definition.version = 1
    definition.splits.test = "test"
    definition.generation = answers?.shown
    return TaskRun(
      name: metric.name, alias: metric.name, items: items, documentCount: documents.documents.count, shotCount: 0,
      version: definition.version,
      configuration: definition.configuration(shotCount: 0, data: [.init("test", .string(data))]), filters: [.none],
      answers: answers, higherIsBetter: metrics.map { .init($0.name, true) }, aggregations: [:],
      score: { items, responses in try values(metric, items, responses) })
  }

  private static func item(
    _ document: TaskDocument, hasModel: Bool, _ chat: ChatRendering?, _ settings: EvaluationSettings
  ) throws(DocumentProblem) -> TaskItem {
    let reference = document.value["reference"] ?? .null
    guard
      reference.string != nil
        || reference.array?.isEmpty == false && reference.array?.allSatisfy({ $0.string != nil }) == true
    else { throw DocumentProblem("the field \"reference\" is no text and no list of texts") }
    guard hasModel else {
      guard document.value["prediction"]?.string != nil else {
        throw DocumentProblem("the field \"prediction\" is no text: without --model texts are given")
      }
      return TaskItem(document: document, target: reference, requests: [])
    }
    return TaskItem(
      document: document, target: reference, requests: [.answer(prompt: try prompt(document, chat, settings))])
  }

  private static func prompt(
    _ document: TaskDocument, _ chat: ChatRendering?, _ settings: EvaluationSettings
  ) throws(DocumentProblem) -> String {
    var messages: [ChatMessage]
    if let list = document.value["messages"], !list.isNull {
      guard chat != nil else { throw DocumentProblem("messages need a model with a chat template") }
      do throws(RecordProblem) {
        messages = try ChatRequest(list).messages
        if messages.last?.role == "assistant" {
          throw RecordProblem("messages end with an answer, expected a question")
        }
      } catch {
        throw DocumentProblem("\(error)")
      }
    } else {
      let prompt = try document.value.text(of: "prompt")
      guard settings.chat != nil else { return (settings.systemInstruction.map { $0 + "\n\n" } ?? "") + prompt }
      messages = [ChatMessage(role: "user", content: prompt)]
    }
    if let system = settings.systemInstruction, messages.first?.role != "system" {
      messages.insert(ChatMessage(role: "system", content: system), at: 0)
    }
    guard let chat = settings.chat ?? chat else { throw DocumentProblem("there is no chat template") }
    return try chat.text(messages, continues: false)
  }

  private static func values(
    _ metric: any TextMetric, _ items: [TaskItem], _ responses: [FilteredResponses]
  ) throws -> [[DocumentMetric]] {
    let predictions = zip(items, responses).map { item, response in
      if case .texts(let texts) = response, let text = texts.first?.string { return text }
      return item.document.value["prediction"]?.string ?? ""
    }
    return try metric.values(predictions: predictions, references: items.map(\.references)).map { values in
      zip(metric.valueNames, values).map { DocumentMetric($0, .number($1)) }
    }
  }
}

extension TaskItem {
  /// The texts that an answer is compared with.
  package var references: [String] { target.array?.compactMap(\.string) ?? [PythonText.string(target)] }
}
