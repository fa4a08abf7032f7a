// The error for tokenizer files.

import Tensors

/// The tokenizer's files cannot be used.
package struct TokenizerError: UserError, Equatable {
  package let path: String
  package let reason: String

  package init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  package var description: String { "\(path): \(reason)" }
}
