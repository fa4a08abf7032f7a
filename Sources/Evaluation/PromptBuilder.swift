// The prompts of a task's documents: description, examples, the document.

import Checkpoints
import Corpus

/// Builds prompts document by document, in the documents' order.
struct PromptBuilder {
  private let definition: TaskDefinition
  private let settings: EvaluationSettings
  private let shotCount: Int
  private let text, target: BoundField
  private let choice: BoundField?
  private let shotText, shotTarget: BoundField
  private let shotChoice: BoundField?
  private let description, prefix, shotPrefix: BoundField?
  private var sampler: ShotSampler
  /// Whether the choices are the ends of the documents' texts, and the answer follows them (winogrande).
  let choosesText: Bool
  /// Whether documents have several right answers. As in lm-eval the first document decides.
  let hasSeveralTargets: Bool

  /// - Parameters:
  ///   - first: the first document.
  ///   - pool: what examples are drawn from.
  /// - Throws: `DocumentProblem` for malformed templates, or if the first document lacks what they need.
  init(
    _ definition: TaskDefinition, _ settings: EvaluationSettings, shotCount: Int, fields: [String],
    first: JSONValue, pool: [JSONValue]
  ) throws(DocumentProblem) {
    func bound(_ field: DocumentField?, _ name: String) throws(DocumentProblem) -> BoundField? {
      guard let field else { return nil }
      return try BoundField(field, name, fields: fields)
    }
    func bound(_ text: String?, _ name: String) throws(DocumentProblem) -> BoundField? {
      guard let text, !text.isEmpty else { return nil }
      return try BoundField(.template(text), name, fields: fields)
    }
    (self.definition, self.settings, self.shotCount) = (definition, settings, shotCount)
    text = try BoundField(definition.text, "doc_to_text", fields: fields)
    target = try BoundField(definition.target, "doc_to_target", fields: fields)
    choice = try bound(definition.choice, "doc_to_choice")
    let shots = definition.shots
    shotText = try bound(shots.text, "doc_to_text") ?? text
    shotTarget = try bound(shots.target, "doc_to_target") ?? target
    shotChoice = try bound(shots.choice, "doc_to_choice") ?? choice
    description = try bound(definition.description, "description")
    prefix = try bound(definition.answerPrefix, "gen_prefix")
    shotPrefix = try bound(shots.prefix ?? definition.answerPrefix, "gen_prefix")
    sampler = ShotSampler(shots.sampler, pool, seed: settings.seed)
    let hasChoices = definition.choice != nil
    let firstText = try text.text(of: first, hasChoices: hasChoices)
    choosesText = hasChoices && firstText.isNumber
    hasSeveralTargets = try target.target(of: first, hasChoices: hasChoices).array != nil
  }

  // MARK: Parts of a document

  private var hasChoices: Bool { choice != nil }

  func choices(of document: JSONValue) throws(DocumentProblem) -> [String] { try choice?.choices(of: document) ?? [] }

  func text(of document: JSONValue) throws(DocumentProblem) -> JSONValue {
    try text.text(of: document, hasChoices: hasChoices)
  }

  func target(of document: JSONValue) throws(DocumentProblem) -> JSONValue {
    try target.target(of: document, hasChoices: hasChoices)
  }

  // MARK: Prompts

  /// The prompt of the next document; one for each choice where the choices are texts.
  /// - Throws: `DocumentProblem`.
  mutating func prompts(for document: JSONValue) throws(DocumentProblem) -> [String] {
    let opening = try prefix?.plainText(of: document) ?? ""
    var messages: [PromptMessage] = []
    let description = try description?.plainText(of: document) ?? ""
    let system = PromptText.joined(settings.systemInstruction ?? "", description, by: definition.shotDelimiter)
    if !system.isEmpty { messages.append(PromptMessage(role: .system, content: system)) }
    var byteCount = opening.utf8.count + system.utf8.count
    if shotCount > 0 {
      let shots = try sampler.sample(shotCount, excluding: definition.excludesDocument ? document : nil)
      for shot in shots {
        let turn: [PromptMessage]
        do throws(DocumentProblem) {
          turn = try self.turn(ofShot: shot)
        } catch {
          throw DocumentProblem("an example that is drawn for this document cannot be used: \(error.reason)")
        }
        byteCount += turn.reduce(0) { $0 + $1.byteCount }
        try TaskRequest.requireRoom(byteCount)
        messages += turn
      }
    }
    guard choosesText else {
      let text = try text(of: document)
      guard let text = text.string else {
        throw DocumentProblem("the text of the prompt is no text: \(PythonText.string(text).prefix(40))")
      }
      messages += turn(text, answer: nil, opening: opening, delimiter: definition.targetDelimiter)
      return [try rendered(messages, opening)]
    }
    var prompts: [String] = []
    let choices = try choices(of: document)
    try TaskRequest.requireRoom(choices.reduce(0) { $0 + $1.utf8.count + byteCount })
    for choice in choices {
      prompts.append(try rendered(messages + turn(choice, answer: nil, opening: opening, delimiter: ""), opening))
    }
    return prompts
  }

  private func rendered(_ messages: [PromptMessage], _ opening: String) throws(DocumentProblem) -> String {
    guard let chat = settings.chat else { return messages.map(\.text).joined() }
    let turns = PromptText.chat(messages, asTurns: settings.showsShotsAsTurns ?? true)
    return try chat.text(turns, continues: !opening.isEmpty)
  }

  /// The messages of an example.
  private func turn(ofShot shot: JSONValue) throws(DocumentProblem) -> [PromptMessage] {
    let shots = definition.shots
    var choices = try shotChoice?.choices(of: shot)
    let answer = try shotTarget.target(of: shot, hasChoices: hasChoices)
    var text = try shotText.text(of: shot, hasChoices: hasChoices)
    if choosesText {
      text = .string(try Self.choice(text, of: choices ?? []))
      choices = nil
    }
    guard let question = text.string else {
      throw DocumentProblem("the text of an example is no text: \(PythonText.string(text).prefix(40))")
    }
    return turn(
      question, answer: try Self.answer(answer, of: choices), opening: try shotPrefix?.plainText(of: shot) ?? "",
      delimiter: shots.targetDelimiter ?? definition.targetDelimiter,
      end: shots.delimiter ?? definition.shotDelimiter)
  }

  /// The text of an answer; nil if there is none.
  private static func answer(_ value: JSONValue, of choices: [String]?) throws(DocumentProblem) -> String? {
    if let choices, !choices.isEmpty, value.isNumber { return try choice(value, of: choices) }
    switch value {
    case .string(let text): return text.isEmpty ? nil : text
    case .null: return nil
    case .array(let elements):
      if let text = elements.first?.string { return text }
    default: break
    }
    throw DocumentProblem("the answer of an example is no text: \(PythonText.string(value).prefix(40))")
  }

  private static func choice(_ value: JSONValue, of choices: [String]) throws(DocumentProblem) -> String {
    guard let number = value.index, choices.indices.contains(number) else {
      throw DocumentProblem("there is no choice \(PythonText.string(value).prefix(40)): there are \(choices.count)")
    }
    return choices[number]
  }

  /// The messages of a question with its answer, or with the beginning of one.
  private func turn(_ question: String, answer: String?, opening: String, delimiter: String, end: String = "")
    -> [PromptMessage]
  {
    let isDelimited = opening.isEmpty ? answer != nil : PromptText.needsDelimiter(question, opening)
    let asked = PromptMessage(role: .user, content: question, delimiter: isDelimited ? delimiter : "")
    if let answer {
      let text = PromptText.joined(opening, answer)
      return [asked, PromptMessage(role: .assistant, content: text, delimiter: end)]
    }
    return opening.isEmpty ? [asked] : [asked, PromptMessage(role: .assistant, content: opening)]
  }
}

extension JSONValue {
  /// Whether it is an int of Python, where True and False are numbers too.
  var isNumber: Bool {
    switch self {
    case .integer, .bool: true
    default: false
    }
  }

  /// The place in a list that an int of Python means; nil for anything else.
  var index: Int? { bool.map { $0 ? 1 : 0 } ?? int }
}
