// The committed tokenizer, its expected ids, and modified copies of it.

import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

/// A directory of tokenizer files for one test.
struct TokenizerFiles: TestDirectory {
  static let committed = Repository.fixture("tokenizer")

  /// The texts, decodings and chats of cases.json.
  static let cases: JSONValue = {
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: Repository.fixture("tokenizer/cases.json")))) ?? Data()
    return (try? JSONValue.parse(Array(bytes), by: .anyText)) ?? .null
  }()

  static func cases(_ name: String) throws -> [JSONValue] {
    let cases = try #require(cases[name]?.array)
    try #require(!cases.isEmpty)
    return cases
  }

  private let directory: TemporaryDirectory
  var path: String { directory.path }

  /// The committed files with a change to the text of tokenizer.json.
  init(tokenizer change: (String) -> String = { $0 }) throws {
    directory = try TemporaryDirectory()
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      let text = try Self.text(of: name)
      try write(name, name == "tokenizer.json" ? change(text) : text)
    }
  }

  static func text(of name: String) throws -> String {
    try String(contentsOfFile: committed + "/" + name, encoding: .utf8)
  }
}

extension JSONValue {
  /// The ids of an array of numbers.
  var ids: [Int32]? { array?.compactMap { $0.int.map(Int32.init) } }
}
