// Prompts and answers that are written by formats: axolotl's instruction types, and those that a configuration defines.

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
}
