// The committed tokenizer and the objects made with it.

import Corpus
import TestSupport
import Testing

enum Fixtures {
  static func tokenizer() throws -> Tokenizer { try Tokenizer(directory: Repository.fixture("tokenizer")) }

  static func encoder(trainsOnInputs: Bool = false) throws -> ExampleEncoder {
    let tokenizer = try tokenizer()
    return ExampleEncoder(
      tokenizer: tokenizer,
      template: try ChatTemplate(directory: Repository.fixture("tokenizer"), tokenizer: tokenizer),
      trainsOnInputs: trainsOnInputs)
  }
}

extension ExampleList {
  /// All examples; empty if one is damaged.
  var all: [ExampleTree] { (try? trees()) ?? [] }
}

extension Dataset {
  /// All examples; empty if one is damaged.
  var all: [ExampleTree] { examples.all }
}

/// A parsed template fills pages of a log.
extension ChatTemplate: CustomTestStringConvertible {
  package var testDescription: String { "a template that begins with \(jinja.prefix(40).debugDescription)" }
}
