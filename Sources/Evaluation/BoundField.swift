// Parts of prompts, ready to be filled from documents.

import Checkpoints
import Jinja

/// A field of a task, bound to the fields that its documents have.
struct BoundField: Sendable {
  /// Each choice is a request of its own, with the whole prompt.
  private static let maximumChoices = 1024

  private enum Form {
    case member(String)
    case template(Template)
    case value(JSONValue)
    case function(DocumentFunction)
  }

  private let form: Form

  /// - Parameters:
  ///   - fields: the names of the documents' fields: a text that is one of them is no template.
  ///   - name: what the field is called, for errors.
  /// - Throws: `DocumentProblem` for a malformed template.
  init(_ field: DocumentField, _ name: String, fields: [String]) throws(DocumentProblem) {
    switch field {
    case .template(let text) where fields.contains { $0.hasBytes(text) }: form = .member(text)
    case .template(let text):
      do throws(TemplateError) {
        form = .template(try Template(text, .strict))
      } catch {
        throw DocumentProblem("\(name): \(error)")
      }
    case .value(let value): form = .value(value)
    case .function(let function): form = .function(function)
    }
  }

  /// What the field is for a document, and whether a template wrote it.
  private func raw(_ document: JSONValue) throws(DocumentProblem) -> (value: JSONValue, isWritten: Bool) {
    switch form {
    case .member(let name):
      guard let value = document[name] else { throw DocumentProblem("the field \"\(name)\" is missing") }
      return (value, false)
    case .template(let template):
      do throws(TemplateError) {
        return (.string(try template.text(document.members ?? [])), true)
      } catch {
        throw DocumentProblem("\(error)")
      }
    case .value(let value): return (value, false)
    case .function(let function): return (try function.call(document), false)
    }
  }

  /// The text of a document, or the number of the text among its choices (`doc_to_text`).
  func text(of document: JSONValue, hasChoices: Bool) throws(DocumentProblem) -> JSONValue {
    let (value, isWritten) = try raw(document)
    guard isWritten, hasChoices, let number = value.string?.wholeNumber else { return value }
    return .integer(number)
  }

  /// The answer of a document: a text, the number of a choice, or a list of either (`doc_to_target`).
  func target(of document: JSONValue, hasChoices: Bool) throws(DocumentProblem) -> JSONValue {
    let (value, isWritten) = try raw(document)
    guard isWritten, let text = value.string else { return value }
    if hasChoices, let number = text.wholeNumber { return .integer(number) }
    guard text.utf8.first == UInt8(ascii: "["), text.utf8.last == UInt8(ascii: "]"), text.utf8.count >= 2 else {
      return value
    }
    return PythonLiteral.value(text) ?? value
  }

  /// The choices of a document (`doc_to_choice`).
  /// - Throws: `DocumentProblem` if they are no list of texts.
  func choices(of document: JSONValue) throws(DocumentProblem) -> [String] {
    var (value, isWritten) = try raw(document)
    if isWritten, let text = value.string {
      guard let list = PythonLiteral.value(text) else {
        throw DocumentProblem("the choices are not written as a list of Python: \(text.prefix(60))")
      }
      value = list
    }
    if let members = value.members { value = .array(members.map(\.value)) }
    guard let elements = value.array else { throw DocumentProblem("the choices are no list") }
    guard elements.count <= Self.maximumChoices else {
      throw DocumentProblem("there are \(elements.count) choices, more than \(Self.maximumChoices)")
    }
    let texts = elements.compactMap(\.string)
    guard texts.count == elements.count else { throw DocumentProblem("the choices are not all texts") }
    guard !texts.isEmpty else { throw DocumentProblem("there are no choices") }
    return texts
  }

  /// The text of a description or of a prefix.
  func plainText(of document: JSONValue) throws(DocumentProblem) -> String {
    let value = try raw(document).value
    guard let text = value.string else { throw DocumentProblem("expected a text, found \(PythonText.string(value))") }
    return text
  }
}

extension String {
  /// The number that a text of digits alone is.
  fileprivate var wholeNumber: Int64? {
    !isEmpty && utf8.allSatisfy { 0x30...0x39 ~= $0 } ? Int64(self) : nil
  }
}
