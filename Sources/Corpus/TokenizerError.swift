// The error for tokenizer files.

import Tensors

/// The tokenizer's files cannot be used.
package struct TokenizerError: UserError, Equatable {
  package let path: String
  package let reason: String

  package var description: String { "\(path): \(reason)" }
}
