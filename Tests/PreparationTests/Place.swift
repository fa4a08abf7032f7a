// A directory of one test, and the files of a preparation in it.

import Checkpoints
import Corpus
import Foundation
import Preparation
import TestSupport

final class Place {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("shoal-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  func file(_ name: String, _ lines: [JSONValue]) throws -> String {
    try file(name, text: lines.map { $0.serialized() + "\n" }.joined())
  }

  func file(_ name: String, text: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  func lines(_ name: String) throws -> [JSONValue] {
    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8).split(separator: "\n").map {
      try JSONValue.parse(String($0))
    }
  }

  /// Documents of `path`, where 3 to 8 tokens make a pair and 200 to 300 characters are held out.
  func documents(_ records: [JSONValue]) throws -> SourceDocuments {
    var limits = DocumentLimits()
    limits.tokens = 20...60
    limits.heldOutCharacters = 400...500
    return try SourceDocuments(
      path: try file("documents.jsonl", records), tokenizer: Tokenizer(directory: TinyFixture.path("model")),
      limits: limits)
  }

  static func document(_ id: JSONValue, _ text: String) -> JSONValue { ["id": id, "text": .string(text)] }

  static func answer(_ first: String, _ second: String, _ scores: (Int, Int) = (16, 13), best: Int = 1) -> String {
    """
    Summary 1: \(first)
    Total score: \(scores.0)
    Summary 2: \(second)
    Total score: \(scores.1)
    Best summary: \(best)
    """
  }
}
