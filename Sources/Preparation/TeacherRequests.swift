// Writes requests to a teacher, one line for each document, in the format of batch interfaces.

package import Checkpoints
import Corpus
import Tensors

/// The requests about all documents that can become a pair, or about those that are held out.
package struct TeacherRequests {
  /// Enough for two summaries of at most 800 words together, with scores and explanations, in most languages.
  static let maximumTokens = 2048

  private let documents: SourceDocuments
  private let use: SourceDocuments.LengthClass
  private let prompt: PromptTemplate
  private let teacher: String

  /// - Parameters:
  ///   - use: of the documents that are asked about.
  ///   - teacher: the model's name for the interface.
  /// - Throws: `EmptyInput` when no document has the right length.
  package init(
    documents: SourceDocuments, for use: SourceDocuments.LengthClass = .pair, prompt: PromptTemplate, teacher: String
  ) throws(EmptyInput) {
    guard documents.count(use) > 0 else { throw EmptyInput.documents(documents, for: use) }
    (self.documents, self.use, self.prompt, self.teacher) = (documents, use, prompt, teacher)
  }

  /// Writes the requests in the order of the documents.
  /// - Throws: `WriteError`; `RecordMistake` when the documents have changed.
  package func write(to path: String) throws {
    try AtomicFile.write(to: path, permissions: .umask, append)
  }

  /// Appends the requests in the order of the documents.
  /// - Throws: as `write`.
  package func append(to file: OutputFile) throws {
    for document in documents.documents where document.lengthClass == use {
      try file.append(line: request(document.id, try documents.text(of: document)))
    }
  }

  /// A line of OpenAI's batch format, which vLLM reads too.
  private func request(_ id: String, _ text: String) -> JSONValue {
    let messages = prompt.messages(about: text).map { message in
      ["role": .string(message.role), "content": .string(message.content)] as JSONValue
    }
    return [
      "custom_id": .string(id), "method": "POST", "url": "/v1/chat/completions",
      "body": [
        "model": .string(teacher), "messages": .array(messages), "max_tokens": .integer(Int64(Self.maximumTokens)),
      ],
    ]
  }
}

/// There is nothing to prepare: the file or the limits are wrong.
package enum EmptyInput: UserError, Equatable {
  case noDocument(records: Int, tokens: ClosedRange<Int>)
  case noLongDocument(records: Int, characters: ClosedRange<Int>)
  case noAnswer(answers: Int)
  case noReference(answers: Int)

  static func documents(_ documents: SourceDocuments, for use: SourceDocuments.LengthClass) -> EmptyInput {
    use == .heldOut
      ? .noLongDocument(records: documents.recordCount, characters: documents.limits.heldOutCharacters)
      : .noDocument(records: documents.recordCount, tokens: documents.limits.tokens)
  }

  package var description: String {
    switch self {
    case .noDocument(let records, let tokens):
      "none of the \(records) documents has \(tokens.lowerBound) to \(tokens.upperBound) tokens: set --min-tokens and "
        + "--max-tokens"
    case .noLongDocument(let records, let characters):
      "none of the \(records) documents has \(characters.lowerBound) to \(characters.upperBound) characters and not the "
        + "length for a pair"
    case .noReference(let answers):
      "none of the \(answers) references is a whole text about one of the long documents: are their ids (custom_id) those "
        + "of the documents?"
    case .noAnswer(let answers):
      "none of the \(answers) answers is about one of the documents: are their ids (custom_id) those of the documents?"
    }
  }
}

extension OutputFile {
  /// Appends a value and a line feed.
  func append(line value: JSONValue) throws(WriteError) { try append(Array((value.serialized() + "\n").utf8)) }
}
