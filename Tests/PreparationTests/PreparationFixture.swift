// A directory of one test, and the files of a preparation in it.

import Checkpoints
import Corpus
import Foundation
import Preparation
import TestSupport

struct PreparationFixture: TestDirectory {
  private let directory: TemporaryDirectory
  var path: String { directory.path }

  init() throws { directory = try TemporaryDirectory() }

  /// Writes a file and returns its path.
  func write(_ name: String, _ lines: [JSONValue]) throws -> String {
    try write(name, lines.map { $0.serialized() + "\n" }.joined())
  }

  func lines(_ name: String) throws -> [JSONValue] {
    try text(name).split(separator: "\n").map { try JSONValue.parse(String($0)) }
  }

  /// Documents of `path`, where 20 to 60 tokens make a pair and 400 to 500 characters are held out.
  func documents(_ records: [JSONValue]) throws -> SourceDocuments {
    var limits = DocumentLimits()
    limits.tokens = 20...60
    limits.heldOutCharacters = 400...500
    return try SourceDocuments(
      path: try write("documents.jsonl", records), tokenizer: Tokenizer(directory: TinyFixture.path("model")),
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
