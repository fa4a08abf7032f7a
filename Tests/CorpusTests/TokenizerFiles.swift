// The committed tokenizer, its expected ids, and copies of it with something changed.

import Checkpoints
import Corpus
import Foundation
import Testing

/// A directory of tokenizer files of one test, removed when the test lets go of it.
final class TokenizerFiles {
  static let committed = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/tokenizer").path

  /// The texts, decodings and chats of cases.json.
  static let cases: JSONValue = {
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: committed + "/cases.json"))) ?? Data()
    return (try? JSONValue.parse(Array(bytes), allowsNUL: true)) ?? .null
  }()

  static func cases(_ name: String) throws -> [JSONValue] {
    let cases = try #require(cases[name]?.array)
    try #require(!cases.isEmpty)
    return cases
  }

  let path: String

  /// The committed files but for a change to the text of tokenizer.json.
  init(tokenizer change: (String) -> String = { $0 }) throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("shoal-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      let text = try Self.text(of: name)
      try write(name, name == "tokenizer.json" ? change(text) : text)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  static func text(of name: String) throws -> String {
    try String(contentsOfFile: committed + "/" + name, encoding: .utf8)
  }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
  }
}

extension JSONValue {
  /// The ids of an array of numbers.
  var ids: [Int32]? { array?.compactMap { $0.int.map(Int32.init) } }
}
