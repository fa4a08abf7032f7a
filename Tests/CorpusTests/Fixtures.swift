// The committed tokenizer and what is made with it.

import Corpus
import Foundation

enum Fixtures {
  static let directory = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures").path

  static func tokenizer() throws -> Tokenizer { try Tokenizer(directory: directory + "/tokenizer") }

  static func encoder(trainsOnInputs: Bool = false) throws -> ExampleEncoder {
    let tokenizer = try tokenizer()
    return ExampleEncoder(
      tokenizer: tokenizer,
      template: try ChatTemplate(directory: directory + "/tokenizer", tokenizer: tokenizer),
      trainsOnInputs: trainsOnInputs)
  }
}
