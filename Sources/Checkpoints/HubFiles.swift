// The files beside the weights of a hub directory, and their copy to an exported directory.

import Tensors

/// Names of the files of a hub directory.
package enum HubFiles {
  /// Files that define how text becomes token ids.
  package static let tokenizer = [
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
  ]
  /// Files that describe the model and its generation.
  package static let configuration = ["config.json", "generation_config.json"]

  package static func exists(_ path: String) -> Bool { fileExists(path) }

  /// Copies those of `names` that exist in the directory `source`; follows links.
  /// - Parameter write: writes one file; `AtomicDirectory.file` is one.
  /// - Throws: `FileError`, `WriteError`.
  package static func copy(
    _ names: [String], from source: String, _ write: (String, (OutputFile) throws -> Void) throws -> Void
  ) throws {
    for name in names where fileExists("\(source)/\(name)") {
      let file = try MappedFile(path: "\(source)/\(name)")
      try withExtendedLifetime(file) { try write(name) { try $0.append(file.bytes) } }
    }
  }
}
