// Reads the recipe's documents, counts them, and separates training documents from held-out documents.

import Checkpoints
package import Corpus
import Tensors

/// The lengths that decide how documents are used.
package struct DocumentLimits: Sendable, Equatable {
  /// Tokens of a document that becomes a pair.
  package var tokens = 900...1800
  /// Unicode scalars of a held-out document. Documents with the tokens of a pair are never held out.
  package var heldOutCharacters = 16_000...100_000

  package init() {}
}

/// The documents of one or more files, without duplicate texts.
package struct SourceDocuments: Sendable {
  package enum LengthClass: Sendable, Equatable {
    /// Its length is right for a pair.
    case pair
    /// Its length is right for a held-out document.
    case heldOut
    case tooShort
    /// Too long for a pair and too short to be held out.
    case between
    case tooLong
  }

  package struct Document: Sendable {
    package let id: String
    package let tokens: Int
    /// In Unicode scalars.
    package let characters: Int
    package let lengthClass: LengthClass
    /// Uniform in 0..<1. Depends only on the text.
    let draw: Double
    fileprivate let place: Place
  }

  /// The place of a record.
  fileprivate struct Place: Sendable {
    let file: Int
    let record: Int
  }

  package let limits: DocumentLimits
  package let documents: [Document]
  /// Ids of documents whose text is the same as that of an earlier one.
  package let duplicates: [String]
  /// Documents read, including duplicates.
  package let recordCount: Int
  private let readers: [RecordReader]

  /// Reads `{"id": …, "text": …}` records. A record without id gets an id from its text.
  /// - Parameter path: a file, or a directory of files.
  /// - Throws: `FileError`, or `CorpusError` with every invalid record. Using one id for two texts is also an error.
  package init(path: String, tokenizer: Tokenizer, limits: DocumentLimits = DocumentLimits()) throws {
    let readers = try DataFiles.at(path).map { try RecordReader(path: $0) }
    let places = readers.indices.flatMap { file in (0..<readers[file].count).map { Place(file: file, record: $0) } }
    let read = parallelMap(count: places.count) { number in
      Result { () throws(RecordMistake) in
        let place = places[number]
        let record = try Self.record(readers[place.file], place.record)
        return ReadDocument(record, tokenizer, limits, place)
      }
    }
    var mistakes: [RecordMistake] = []
    var documents: [Document] = []
    var duplicates: [String] = []
    var firstWithText: [String: Int] = [:]
    var textOfID: [String: (hash: String, location: RecordLocation)] = [:]
    for (place, result) in zip(places, read) {
      let document: ReadDocument
      switch result {
      case .success(let value): document = value
      case .failure(let mistake):
        mistakes.append(mistake)
        continue
      }
      let id = document.document.id
      let location = readers[place.file].location(place.record)
      if let known = textOfID[id], known.hash != document.hash {
        let problem = RecordProblem(field: "id", "the document at \(known.location) has the same id and another text")
        mistakes.append(RecordMistake(location: location, problem: problem))
        continue
      }
      textOfID[id] = (document.hash, location)
      guard firstWithText[document.hash] == nil else {
        duplicates.append(id)
        continue
      }
      firstWithText[document.hash] = documents.count
      documents.append(document.document)
    }
    guard mistakes.isEmpty else { throw CorpusError.badRecords(mistakes) }
    (self.limits, self.documents, self.duplicates) = (limits, documents, duplicates)
    (recordCount, self.readers) = (places.count, readers)
  }

  /// Reads the text of a document again, because a set of documents may not fit into memory.
  /// - Throws: `RecordMistake` when the file has changed.
  package func text(of document: Document) throws(RecordMistake) -> String {
    try Self.record(readers[document.place.file], document.place.record).text
  }

  /// The number of documents in a length class.
  package func count(_ lengthClass: LengthClass) -> Int { documents.count { $0.lengthClass == lengthClass } }

  private static func record(
    _ reader: RecordReader, _ index: Int
  ) throws(RecordMistake) -> (id: String?, text: String) {
    let value = try reader.record(index)
    func mistake(_ field: String, _ reason: String) -> RecordMistake {
      RecordMistake(location: reader.location(index), problem: RecordProblem(field: field, reason))
    }
    guard let text = value["text"]?.string else {
      throw mistake("text", value["text"] == nil ? "the field is missing" : "expected a text")
    }
    guard !text.allSatisfy(\.isWhitespace) else { throw mistake("text", "the document is empty") }
    guard let id = value["id"], !id.isNull else { return (nil, text) }
    guard let name = id.string ?? id.int.map({ "\($0)" }), !name.isEmpty else {
      throw mistake("id", "expected a text or a whole number")
    }
    return (name, text)
  }

  /// The data from one record.
  private struct ReadDocument: Sendable {
    let document: Document
    let hash: String

    init(_ record: (id: String?, text: String), _ tokenizer: Tokenizer, _ limits: DocumentLimits, _ place: Place) {
      hash = ContentHash.sha256(of: Self.folded(record.text))
      let tokens = tokenizer.encode(record.text).count
      let characters = record.text.unicodeScalars.count
      let word = UInt64(hash.prefix(16), radix: 16) ?? 0
      document = Document(
        id: record.id ?? "doc-\(hash.prefix(16))", tokens: tokens, characters: characters,
        lengthClass: LengthClass(tokens: tokens, characters: characters, limits), draw: Double(word >> 11) * 0x1p-53,
        place: place)
    }

    /// The text with every run of white space as one space, so that line ends do not make documents different.
    private static func folded(_ text: String) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(text.utf8.count)
      for byte in text.utf8 {
        let isSpace = byte == 0x20 || 0x09...0x0D ~= byte
        if !isSpace { bytes.append(byte) } else if let last = bytes.last, last != 0x20 { bytes.append(0x20) }
      }
      if bytes.last == 0x20 { bytes.removeLast() }
      return bytes
    }
  }
}

extension SourceDocuments.LengthClass {
  package init(tokens: Int, characters: Int, _ limits: DocumentLimits) {
    self =
      if limits.tokens ~= tokens {
        .pair
      } else if limits.heldOutCharacters ~= characters {
        .heldOut
      } else if tokens < limits.tokens.lowerBound {
        .tooShort
      } else if characters < limits.heldOutCharacters.lowerBound {
        .between
      } else {
        .tooLong
      }
  }
}
