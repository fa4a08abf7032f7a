// Records whose prompts and answers are written by formats: axolotl's, or the configuration's own.

import Checkpoints

extension ExampleRecord {
  /// The prompt and the answer of a record.
  /// - Throws: `RecordProblem` if a field is missing or no text, or if the answer is empty.
  static func segments(
    of values: RecordValues, by format: InstructionFormat
  ) throws(RecordProblem) -> [TextSegment] {
    func field(_ name: String) throws(RecordProblem) -> [TextPart] { [.field(try values.text(named: name))] }
    let instruction = try format.instruction.filled(field)
    let input = try input(of: values, format.input)
    let systemText = try system(of: values, format.system, hasInput: !input.isEmpty)
    func value(_ name: String) throws(RecordProblem) -> [TextPart] {
      switch name {
      case "instruction": instruction
      case "input": [.field(input)]
      default: [systemText]
      }
    }
    let hasSystem = format.writesEmptySystem || !systemText.text.isEmpty
    let prompt =
      (hasSystem ? try format.systemFormat.filled(value) : [])
      + (try (input.isEmpty ? format.bareTurn : format.turn).filled(value))
    let output =
      format.outputs.first { $0.names.allSatisfy { values.has($0) } } ?? format.outputs[format.outputs.count - 1]
    let answer = try output.filled(field)
    guard answer.contains(where: { $0.isField && !$0.text.isEmpty }) || output.names.isEmpty else {
      throw RecordProblem(field: output.names.first.map(values.name), "the completion is empty")
    }
    var segments =
      format.joinsOutput
      ? [TextSegment(prompt + answer, trainedFrom: prompt.count, endings: format.endings)]
      : [TextSegment(prompt), TextSegment(answer, trainedFrom: 0, endings: format.endings)]
    segments[0].hasBeginning = true
    return segments
  }

  private static func input(
    of values: RecordValues, _ input: InstructionFormat.Input
  ) throws(RecordProblem) -> String {
    switch input {
    case .none: return ""
    case .field(let name): return values.has(name) ? try values.text(named: name) : ""
    case .choices(let name):
      let choices = try values.required(named: name)
      guard let texts = choices.array?.compactMap(\.string), texts.count == choices.array?.count else {
        throw RecordProblem(field: name, "expected a list of texts, found \(choices.kind)")
      }
      return texts.map { "- \"\($0)\"" }.joined(separator: "\n")
    }
  }

  private static func system(
    of values: RecordValues, _ system: InstructionFormat.System, hasInput: Bool
  ) throws(RecordProblem) -> TextPart {
    switch system {
    case .texts(let bare, let withInput): return .literal(hasInput ? withInput : bare)
    case .field(let name, let otherwise):
      guard let value = values.member(name) else {
        guard let otherwise else { throw values.missing(name) }
        return .literal(otherwise)
      }
      return value.isNull ? .literal("") : .field(try values.text(named: name))
    }
  }

  // MARK: The configuration's own

  static func own(
    _ format: OwnFormat, _ values: RecordValues, _ kind: ExampleKind?
  ) throws(RecordProblem) -> [ExampleRecord] {
    switch kind ?? [.pair, .labelled, .completion].first(where: format.kinds.contains) {
    case .completion, nil: return [ExampleRecord(.segments(try segments(of: values, by: format.instruction)))]
    case .pair: return [try formatted(values, format, ["chosen", "rejected"])]
    case .labelled:
      var record = try formatted(values, format, ["completion"])
      record.label = try values.label(named: format.field("label"))
      return [record]
    }
  }

  private static func formatted(
    _ values: RecordValues, _ own: OwnFormat, _ completions: [String]
  ) throws(RecordProblem) -> ExampleRecord {
    let prompt = try own.format("prompt_format").filled { (name) throws(RecordProblem) -> [TextPart] in
      if name == "system", !values.has(own.field("system")) { return [] }
      return [.field(try values.text(named: own.field(name)))]
    }
    guard prompt.contains(where: { !$0.text.isEmpty }) else {
      throw RecordProblem(field: own.field("prompt"), "the prompt is empty")
    }
    var answers: [[TextPart]] = []
    for name in completions {
      let text = try values.text(named: own.field(name))
      guard !text.isEmpty else { throw RecordProblem(field: own.field(name), "the completion is empty") }
      answers.append(own.format("\(name)_format").filled { _ in [.field(text)] })
    }
    return ExampleRecord(.formatted(prompt: prompt, completions: answers))
  }
}
