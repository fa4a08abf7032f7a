// Tiny encoders with bert_score's numbers (Tests/Fixtures/bert_score_models.py).

import Checkpoints
import Foundation
import TestSupport
import Testing

/// The committed encoders.
enum BertFixture {
  static let models = ["roberta", "deberta", "deberta-near"]

  static func path(_ name: String) -> String { Repository.fixture("bert/\(name)") }

  static func json() throws -> JSONValue { try JSONValue.read(file: path("scores.json")) }

  /// Predictions, and the references of each.
  static func pairs() throws -> (predictions: [String], references: [[String]]) {
    let pairs = try #require(try json()["pairs"]?.array).map { pair in
      (try #require(pair.array?[0].string), try #require(pair.array?[1].texts))
    }
    return (pairs.map(\.0), pairs.map(\.1))
  }

  /// A copy of a model that a test may change.
  static func copy(_ name: String) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    for file in try FileManager.default.contentsOfDirectory(atPath: path(name)) {
      try directory.write(file, Data(contentsOf: URL(fileURLWithPath: "\(path(name))/\(file)")))
    }
    return directory
  }
}

extension JSONValue {
  /// The texts, and the numbers, of a list.
  var texts: [String]? { array?.compactMap(\.string) }
  var numbers: [Double]? { array?.compactMap(\.double) }
}
