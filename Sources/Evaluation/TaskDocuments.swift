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

  /// Documents of a program's own, such as fixed examples.
  package init(_ documents: [TaskDocument]) {
    self.documents = documents
    complete()
  }

  /// Reads all records of a file, of a directory, or of a data set in the hub's cache.
  /// - Parameters:
  ///   - split: of a directory or a data set.
  ///   - subset: of a directory or a data set with several; nil: there is one.
  /// - Throws: `CorpusError` or `ParquetError` if a file cannot be read, or with all records that are no objects.
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
    complete()
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
  private mutating func complete() {
    var known: Set<[UInt8]> = []
    for document in documents {
      for member in document.value.members ?? [] where known.insert(Array(member.name.utf8)).inserted {
        fields.append(member.name)
      }
    }
    for place in documents.indices where documents[place].value.members?.count != fields.count {
      let value = documents[place].value
      documents[place].value = .object(fields.map { .init($0, value[$0] ?? .null) })
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
    processed.complete()
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
        throw EvaluationError(task, document.location, "the \(field) \"\(name.prefix(40))\" cannot be the name of a task")
      }
      if groups[name] == nil { names.append(name) }
      groups[name, default: []].append(document)
    }
    return names.map { ($0, TaskDocuments(groups[$0] ?? [])) }
  }
}
