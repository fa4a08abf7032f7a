// The functions of tasks whose documents need more than a template.

import Checkpoints
import Patterns

extension JSONValue {
  /// The text of a field.
  /// - Throws: `DocumentProblem` if there is none.
  func text(of field: String) throws(DocumentProblem) -> String {
    guard let value = self[field] else { throw DocumentProblem("the field \"\(field)\" is missing") }
    guard let text = value.string else { throw DocumentProblem("the field \"\(field)\" is no text") }
    return text
  }

  /// The object with a member set; a new one is last.
  func setting(_ name: String, to value: JSONValue) -> JSONValue {
    guard var members else { return self }
    if let place = members.firstIndex(where: { $0.name.hasBytes(name) }) {
      members[place].value = value
    } else {
      members.append(.init(name, value))
    }
    return .object(members)
  }
}

enum DocumentFunctions {
  // MARK: hellaswag

  /// Adds `query`, `choices` and `gold` to a record of HellaSwag.
  static let hellaswag = DocumentFunction("hellaswag.process_docs") { document throws(DocumentProblem) in
    let start = try document.text(of: "ctx_a") + " " + document.text(of: "ctx_b").capitalizedFirst
    guard let endings = document["endings"]?.array else { throw DocumentProblem("the field \"endings\" is no list") }
    var choices: [JSONValue] = []
    for ending in endings {
      guard let text = ending.string else { throw DocumentProblem("the field \"endings\" holds what is no text") }
      choices.append(.string(cleaned(text)))
    }
    let label = document["label"]
    guard let gold = label?.int ?? label?.string.flatMap({ Int($0.stripped) }) else {
      throw DocumentProblem("the field \"label\" is no number: documents without answers cannot be evaluated")
    }
    let query = try cleaned(document.text(of: "activity_label") + ": " + start)
    return document.setting("query", to: .string(query)).setting("choices", to: .array(choices))
      .setting("gold", to: .integer(Int64(gold)))
  }

  /// Without what is left of the web pages: titles end a sentence, brackets vanish.
  private static func cleaned(_ text: String) -> String {
    let text = text.stripped.replacingEvery(" [title]", with: ". ")
    // From each bracket to the next that closes one, on its line.
    var result = String.UnicodeScalarView()
    let scalars = Array(text.unicodeScalars)
    // No bracket before it has one that closes it.
    var (place, open) = (0, 0)
    while place < scalars.count {
      if scalars[place] == "[", place >= open {
        let end = scalars[place...].firstIndex { $0 == "]" || $0 == "\n" } ?? scalars.count
        if end < scalars.count, scalars[end] == "]" {
          place = end + 1
          continue
        }
        open = end
      }
      result.append(scalars[place])
      place += 1
    }
    return String(result).replacingEvery("  ", with: " ")
  }

  // MARK: winogrande

  /// The number of the right option: the text of a document is one of two.
  static let winograndeText = DocumentFunction("winogrande.doc_to_text") { document throws(DocumentProblem) in
    switch document["answer"] {
    case .string("1"), .integer(1): 0
    case .string("2"), .integer(2): 1
    default: throw DocumentProblem("the field \"answer\" is not \"1\" or \"2\"")
    }
  }

  /// What follows the blank.
  static let winograndeTarget = DocumentFunction("winogrande.doc_to_target") { document throws(DocumentProblem) in
    .string(try halves(document).rest.stripped)
  }

  /// What stands before the blank, with each option.
  static let winograndeChoices = DocumentFunction("winogrande.doc_to_choice") { document throws(DocumentProblem) in
    let start = try halves(document).start
    return [
      .string(try start + document.text(of: "option1")), .string(try start + document.text(of: "option2")),
    ]
  }

  private static func halves(_ document: JSONValue) throws(DocumentProblem) -> (start: String, rest: String) {
    let sentence = try document.text(of: "sentence")
    guard let blank = sentence.utf8.firstIndex(of: UInt8(ascii: "_")) else {
      throw DocumentProblem("the field \"sentence\" has no blank, _")
    }
    return (String(sentence[..<blank]), String(sentence[sentence.utf8.index(after: blank)...]))
  }
}
