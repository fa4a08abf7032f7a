// Task files: lm-eval's YAML, as far as it needs no code and its data are here.

import Checkpoints
import Corpus
import Foundation
import Tensors

/// A task of a YAML file.
package struct TaskFile: Sendable {
  package let path: String
  package let definition: TaskDefinition
  /// The data by split, in the file's order.
  package let files: [(split: String, paths: [String])]

  private static let maximumIncludes = 16
  private static let maximumBytes = 4 << 20
  private static let limits = YAMLDocument.Limits(values: 100_000, levels: 32)

  /// - Throws: `EvaluationError` with the file and line of what is malformed, unknown, or would be code.
  package init(path: String) throws {
    var seen: [String] = []
    let sources = try Self.sources(path, &seen)
    for source in sources {
      let functions = source.yaml.tagged.filter { $0.tag == "!function" }
      guard let first = functions.first else { continue }
      let names = functions.map { "\($0.text) (line \($0.line))" }.joined(separator: ", ")
      throw EvaluationError(
        file: source.path, line: first.line,
        "!function names code of Python, which is not run: \(names); write it as a template, or prepare the data")
    }
    let reader = TaskFileReader(
      path: path, value: .object(Self.members(of: sources.map(\.yaml.value))),
      sources: sources.map { ($0.path, $0.yaml.lines) })
    (self.path, definition) = (path, try reader.definition())
    files = try reader.files()
    guard !definition.metrics.contains(where: { $0.name == "pass_at_k" }) else {
      throw EvaluationError(path, "pass_at_k runs programs, which the task humaneval alone does")
    }
    do throws(DocumentProblem) {
      _ = try HarnessParts(definition, runner: nil)
    } catch {
      throw EvaluationError(path, error.reason)
    }
  }

  /// What files say together: the last one is right.
  private static func members(of files: [JSONValue]) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    var places: [String: Int] = [:]
    for member in files.flatMap({ $0.members ?? [] }) where member.name != "include" && member.name != "task_list" {
      if let place = places[member.name] {
        members[place].value = member.value
      } else {
        places[member.name] = members.count
        members.append(member)
      }
    }
    return members
  }

  /// The files of a task, included ones first.
  private static func sources(_ path: String, _ seen: inout [String]) throws -> [(path: String, yaml: YAMLDocument)] {
    guard !seen.contains(path), seen.count < maximumIncludes else {
      throw EvaluationError(path, "it includes itself, or more than \(maximumIncludes) files")
    }
    seen.append(path)
    let file = try MappedFile(path: path)
    guard file.bytes.count <= maximumBytes else {
      throw EvaluationError(path, "it has \(file.bytes.count) bytes, more than \(maximumBytes)")
    }
    let content = withExtendedLifetime(file) { String(validating: file.bytes, as: UTF8.self) }
    guard let text = content else { throw EvaluationError(path, "it is not UTF-8") }
    let yaml: YAMLDocument
    do throws(YAMLEvents.Failure) {
      yaml = try YAMLDocument(text, limits: limits)
    } catch {
      throw EvaluationError(file: path, line: error.line, "not YAML that can be read: \(error.reason)")
    }
    guard yaml.value.members != nil else {
      throw EvaluationError(path, "expected a task, with names and values, found something else")
    }
    let include = yaml.value["include"] ?? .null
    let names = include.string.map { [$0] } ?? include.array?.compactMap(\.string) ?? []
    var sources: [(path: String, yaml: YAMLDocument)] = []
    for name in names {
      let directory = (path as NSString).deletingLastPathComponent
      let included = name.hasPrefix("/") || directory.isEmpty ? name : "\(directory)/\(name)"
      sources += try self.sources(included, &seen)
    }
    return sources + [(path, yaml)]
  }

  /// The task's requests.
  /// - Parameters:
  ///   - data: the file with its documents; nil: what the task file says.
  ///   - shots: the file that examples are drawn from; nil: what the task file says.
  /// - Throws: `EvaluationError`, `CorpusError`, `ParquetError`.
  package func run(data: String? = nil, shots: String? = nil, _ settings: EvaluationSettings) throws -> TaskRun {
    guard let split = definition.evaluatedSplit else {
      throw EvaluationError(path, "there is no test_split and no validation_split")
    }
    let documents = try data.map { try TaskDocuments(path: $0) } ?? self.documents(of: split)
    var pool: TaskDocuments?
    if definition.shots.samples == nil, definition.shotCount(settings) > 0 {
      if let shots {
        pool = try TaskDocuments(path: shots)
      } else if let own = definition.shotSplit, data == nil {
        pool = own == split ? documents : try self.documents(of: own)
      }
    }
    return try TaskRun(
      definition, documents, pool: pool, data: shown(data: data, shots: shots, split), settings)
  }

  private func documents(of split: String) throws -> TaskDocuments {
    if let files = files.first(where: { $0.split == split }) {
      var all: [TaskDocument] = []
      for path in files.paths { all += try TaskDocuments(path: path).documents }
      return try TaskDocuments(all)
    }
    guard let place = definition.dataset.path, files.isEmpty else {
      throw EvaluationError(
        path,
        "there are no data of the split \"\(split)\": name a file in dataset_kwargs.data_files, there are "
          + (files.isEmpty ? "none" : files.map(\.split).joined(separator: ", ")))
    }
    return try TaskDocuments(path: place, split: split, subset: definition.dataset.name)
  }

  private func shown(data: String?, shots: String?, _ split: String) -> [JSONValue.Member] {
    var members = files.map { files in
      JSONValue.Member(
        files.split,
        files.paths.count == 1 ? .string(files.paths[0]) : .array(files.paths.map(JSONValue.string)))
    }
    if let data { members = JSONValue.object(members).setting(split, to: .string(data)).members ?? members }
    if let shots, let own = definition.shotSplit {
      members = JSONValue.object(members).setting(own, to: .string(shots)).members ?? members
    }
    return members
  }
}
