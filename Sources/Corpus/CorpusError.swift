// Errors in data: the file, the line, the field and the reason. Content is never printed, since data may be private and
// logs are not.

import Tensors

/// The place of a record in the data.
package struct RecordLocation: Sendable, Equatable, Codable, CustomStringConvertible {
  package let file: String
  /// Counted from 1.
  package let line: Int
  /// Offset in the file, counted from 0.
  package let byte: Int

  package init(file: String, line: Int, byte: Int) { (self.file, self.line, self.byte) = (file, line, byte) }

  package var description: String { "\(file):\(line)" }

  /// The first few of `count` places.
  static func list(_ places: [Self], of count: Int) -> String {
    places.map(\.description).joined(separator: ", ") + (count > places.count ? ", …" : "")
  }
}

/// The reason why a record cannot be used, and the field if one field is the cause.
package struct RecordProblem: Error, Equatable, Codable, CustomStringConvertible {
  package let field: String?
  package let reason: String

  package init(field: String? = nil, _ reason: String) { (self.field, self.reason) = (field, reason) }

  package var description: String { (field.map { "field \"\($0)\": " } ?? "") + reason }
}

/// A record that cannot be used, and its place.
package struct RecordMistake: Error, Equatable, Codable, CustomStringConvertible {
  package let location: RecordLocation
  package let problem: RecordProblem

  package init(location: RecordLocation, problem: RecordProblem) {
    (self.location, self.problem) = (location, problem)
  }

  package var description: String { "\(location) (byte \(location.byte)): \(problem)" }
}

/// Data that cannot be trained on.
package enum CorpusError: UserError, Equatable {
  /// A path holds no data that can be read.
  case unusable(path: String, reason: String)
  /// All invalid records, and what to know about their number.
  case badRecords([RecordMistake], note: String? = nil)
  /// Rendered ChatML in texts, of which nobody said what it is: the first few of `count` records.
  case renderedChats([RecordLocation], count: Int)
  /// Every record was longer than the limit and was dropped.
  case nothingFits(records: Int, limit: String)
  /// Every record was left out, not only for its length.
  case nothingLeft(String)
  /// The held-out share or count leaves one side without examples.
  case badValidationSize(String)

  package var description: String {
    switch self {
    case .unusable(let path, let reason):
      return "\(path): \(reason)"
    case .badRecords(let mistakes, let note):
      return (mistakes.lines + (note.map { [$0] } ?? [])).joined(separator: "\n")
    case .renderedChats(let places, let count):
      return
        "\(RecordLocation.list(places, of: count)): \(count == 1 ? "a record holds" : "\(count) records hold") rendered ChatML, "
        + "\(ChatTemplate.start) with a role in a text, or special tokens in segments of input_output: set special_tokens_in_text of the data set "
        + "(shoal score: --special-tokens-in-text) to parse, which makes special tokens of it as TRL and axolotl do, "
        + "or to text, which trains on its letters"
    case .nothingFits(let records, let limit):
      return "none of the \(records) records fits into \(limit), not even without its prompt's text: shorten the "
        + "completions, or raise sequence_len where the model allows it"
    case .nothingLeft(let reason):
      return "no record is left to train on: \(reason)"
    case .badValidationSize(let reason):
      return "val_set_size: \(reason)"
    }
  }
}
