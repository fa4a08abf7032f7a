// Shows examples to the user as the model sees them.

import Corpus
import Foundation

/// Prints an example's tokens: the prompt grey, tokens in the loss green, other turns of a completion blue.
struct ExamplePrinter {
  let tokenizer: Tokenizer
  /// Whether the output supports colours. If not, brackets replace them.
  let isColoured: Bool

  func text(_ tree: ExampleTree, number: Int) -> String {
    let parts = tree.segments(with: tokenizer).map { segment in
      let name =
        switch segment.role {
        case .prompt: "prompt"
        case .context: "context"
        case .loss: "in the loss"
        }
      let pieces = segment.tokens.map { token in
        // Decodes each token separately, so that its borders are visible.
        isColoured ? tokenizer.decode([token]) : "⟨\(tokenizer.decode([token]))⟩"
      }
      let completion = segment.completion.map { ", completion \($0 + 1)" } ?? ""
      return "— \(name)\(completion), \(segment.tokens.count) tokens —\n\(coloured(pieces, segment.role))"
    }
    let label = tree.label.map { $0 ? ", desirable" : ", undesirable" } ?? ""
    return "example \(number), record \(tree.index)\(label)\n" + parts.joined(separator: "\n") + "\n"
  }

  /// Neighbouring tokens alternate between two shades.
  private func coloured(_ pieces: [String], _ role: ExampleSegment.Role) -> String {
    guard isColoured else { return pieces.joined() }
    let shades =
      switch role {
      case .prompt: ["\u{1B}[90m", "\u{1B}[37m"]
      case .context: ["\u{1B}[34m", "\u{1B}[94m"]
      case .loss: ["\u{1B}[32m", "\u{1B}[92m"]
      }
    return pieces.enumerated().map { shades[$0 % 2] + $1 }.joined() + "\u{1B}[0m"
  }
}
