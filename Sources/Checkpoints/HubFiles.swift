// The files beside the weights of a hub directory, and their carrying over to an exported one.

import Tensors

/// Names of the files of a hub directory.
package enum HubFiles {
  /// Those that fix how text becomes token ids.
  package static let tokenizer = [
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
  ]
  /// Those that say what the model is and how it is run.
  package static let configuration = ["config.json", "generation_config.json"]

  package static func exists(_ path: String) -> Bool { fileExists(path) }

  /// Copies those of `names` that are in the directory `source`, links followed.
  /// - Throws: `FileError`, `WriteError`.
  package static func copy(
    _ names: [String] = configuration + tokenizer, from source: String,
    to directory: AtomicDirectory
  ) throws {
    for name in names where fileExists("\(source)/\(name)") {
      let file = try MappedFile(path: "\(source)/\(name)")
      try withExtendedLifetime(file) {
        try directory.file(name) { try $0.append(file.bytes) }
      }
    }
  }
}
