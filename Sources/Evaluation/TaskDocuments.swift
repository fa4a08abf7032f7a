// The documents of a task, from files.

package import Checkpoints
package import Corpus

/// A document and its place.
package struct TaskDocument: Sendable {
  package var value: JSONValue
  package var location: RecordLocation

  package init(value: JSONValue, location: RecordLocation) { (self.value, self.location) = (value, location) }
}

/// The documents of files, in order.
package struct TaskDocuments: Sendable {
  package private(set) var documents: [TaskDocument] = []
  /// The names of all fields, in the order of their first appearance.
  package private(set) var fields: [String] = []

  /// Values that records lack, all together: they take memory and no byte of a file.
  private static let maximumNulls = 1 << 24

  /// Documents of a program's own, such as fixed examples.
  /// - Throws: `EvaluationError` if the documents have too many fields that others lack.
  package init(_ documents: [TaskDocument]) throws(EvaluationError) {
    self.documents = documents
    try complete()
  }

  /// Reads all records of a file, of a directory, or of a data set in the hub's cache.
  /// - Parameters:
  ///   - split: of a directory or a data set.
  ///   - subset: of a directory or a data set with several; nil: there is one.
  /// - Throws: `CorpusError` or `ParquetError` if a file cannot be read, or with all records that are no objects;
  ///   `EvaluationError` if the documents have too many fields that others lack.
  package init(path: String, split: String? = nil, subset: String? = nil) throws {
    var mistakes: [RecordMistake] = []
    for file in try Self.files(path, split: split, subset: subset) {
      let stream = try RecordStream(path: file)
      while let batch = try stream.next() {
        for index in 0..<batch.count {
          do throws(RecordMistake) {
            documents.append(TaskDocument(value: try batch.record(index), location: batch.location(index)))
          } catch {
            mistakes.append(error)
          }
        }
      }
    }
    if !mistakes.isEmpty { throw CorpusError.badRecords(mistakes) }
    guard !documents.isEmpty else { throw CorpusError.unusable(path: path, reason: "it has no records") }
    try complete()
  }

  private static func files(_ path: String, split: String?, subset: String?) throws -> [String] {
    if DataFiles.isData(path), !path.contains(where: { "*?[".contains($0) }) { return [path] }
    do {
      return try DataFiles.at(path, split: split, subset: subset)
    } catch let error as CorpusError {
      // A directory may have the files of one set alone.
      guard subset != nil, let files = try? DataFiles.at(path, split: split) else { throw error }
      return files
    }
  }

  /// Gives every document all fields, as a table has them: what a record lacks is null.
  private mutating func complete() throws(EvaluationError) {
    var places: [[UInt8]: Int] = [:]
    for document in documents {
      for member in document.value.members ?? [] {
        let name = Array(member.name.utf8)
        guard places[name] == nil else { continue }
        places[name] = fields.count
        fields.append(member.name)
      }
    }
    let nulls = documents.reduce(0) { $0 + fields.count - ($1.value.members?.count ?? 0) }
    guard nulls <= Self.maximumNulls else {
      throw EvaluationError(
        documents[0].location.file,
        "the \(documents.count) documents have \(fields.count) fields together, and lack \(nulls) of them, more than "
          + "\(Self.maximumNulls)")
    }
    for document in documents.indices where documents[document].value.members?.count != fields.count {
      var members = fields.map { JSONValue.Member($0, .null) }
      // Of equal names the first.
      for member in (documents[document].value.members ?? []).reversed() {
        if let place = places[Array(member.name.utf8)] { members[place].value = member.value }
      }
      documents[document].value = .object(members)
    }
  }

  /// The documents that a function changes.
  /// - Throws: `EvaluationError` with the place of one that it refuses.
  func processed(by function: DocumentFunction?, of task: String) throws(EvaluationError) -> TaskDocuments {
    guard let function else { return self }
    var processed = self
    for place in documents.indices {
      do throws(DocumentProblem) {
        processed.documents[place].value = try function.call(documents[place].value)
      } catch {
        throw EvaluationError(task, documents[place].location, error.reason)
      }
    }
    processed.fields = []
    try processed.complete()
    return processed
  }

  /// The documents by the text of a field, in the order of first appearance.
  /// - Throws: `EvaluationError` for a document without it.
  func grouped(by field: String, of task: String) throws(EvaluationError) -> [(name: String, documents: TaskDocuments)]
  {
    var names: [String] = []
    var groups: [String: [TaskDocument]] = [:]
    for document in documents {
      guard let name = document.value[field]?.string else {
        throw EvaluationError(task, document.location, "the field \"\(field)\" is no text")
      }
      guard !name.isEmpty, name.utf8.count <= 100, !name.contains("/"), !name.hasPrefix(".") else {
        throw EvaluationError(
          task, document.location, "the \(field) \"\(name.prefix(40))\" cannot be the name of a task")
      }
      if groups[name] == nil { names.append(name) }
      groups[name, default: []].append(document)
    }
    return try names.map { name throws(EvaluationError) in (name, try TaskDocuments(groups[name] ?? [])) }
  }
}
