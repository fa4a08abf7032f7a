// Prompts and answers that are written by formats: axolotl's instruction types, and those that a configuration defines.

import Checkpoints

/// How a record becomes a prompt and an answer.
package struct InstructionFormat: Sendable, Equatable {
  /// Made of the record's fields, as `output` is.
  var instruction: TextFormat
  var input = Input.none
  /// The first whose fields the record has.
  var outputs: [TextFormat]
  var system = System.texts("", withInput: "")
  var systemFormat = TextFormat.field("system")
  /// Whether the system format stands before the prompt even without a system text.
  var writesEmptySystem = false
  /// The prompt, of `instruction` and `input`.
  var turn = TextFormat.field("instruction")
  /// The prompt without an input.
  var bareTurn = TextFormat.field("instruction")
  /// Whether prompt and answer are one text to the tokenizer.
  var joinsOutput = false
  /// How many end-of-sequence tokens end the answer.
  var endings = 1

  enum Input: Sendable, Equatable {
    case none
    case field(String)
    /// A list of texts, each on a line of its own.
    case choices(String)
  }

  enum System: Sendable, Equatable {
    case texts(String, withInput: String)
    /// A field; without it the text, or an error if there is none.
    case field(String, otherwise: String?)
  }

  /// The record's fields that it reads.
  var fieldNames: [String] {
    var names = instruction.names + outputs.flatMap(\.names)
    switch input {
    case .none: break
    case .field(let name), .choices(let name): names.append(name)
    }
    if case .field(let name, _) = system { names.append(name) }
    return names
  }

  /// The prompt and the answer of a record.
  /// - Throws: `RecordProblem` if a field is missing or no text, or if the answer is empty.
  func segments(of values: RecordValues) throws(RecordProblem) -> [TextSegment] {
    func field(_ name: String) throws(RecordProblem) -> [TextPart] { [.field(try values.text(named: name))] }
    let instruction = try self.instruction.filled(field)
    let input = try input(of: values)
    let systemText = try system(of: values, hasInput: !input.isEmpty)
    func value(_ name: String) throws(RecordProblem) -> [TextPart] {
      switch name {
      case "instruction": instruction
      case "input": [.field(input)]
      default: [systemText]
      }
    }
    let hasSystem = writesEmptySystem || !systemText.text.isEmpty
    let prompt =
      (hasSystem ? try systemFormat.filled(value) : []) + (try (input.isEmpty ? bareTurn : turn).filled(value))
    let output =
      outputs.first { $0.names.allSatisfy { values.has($0) } } ?? outputs[outputs.count - 1]
    let answer = try output.filled(field)
    guard answer.contains(where: { $0.isField && !$0.text.isEmpty }) || output.names.isEmpty else {
      throw RecordProblem(field: output.names.first.map(values.name), "the completion is empty")
    }
    guard !joinsOutput else { return [TextSegment(prompt + answer, trainedFrom: prompt.count, endings: endings)] }
    return [TextSegment(prompt), TextSegment(answer, trainedFrom: 0, endings: endings)]
  }

  private func input(of values: RecordValues) throws(RecordProblem) -> String {
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

  private func system(of values: RecordValues, hasInput: Bool) throws(RecordProblem) -> TextPart {
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
}
