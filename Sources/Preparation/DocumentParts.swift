// Splits a text that is too long for the model, at natural boundaries.

package import Corpus
import Foundation

/// Splits a document into parts with a limited number of tokens.
package struct DocumentParts {
  private let tokenizer: Tokenizer
  private let limit: Int

  /// - Parameter limit: the maximum number of tokens of a part.
  package init(tokenizer: Tokenizer, limit: Int) { (self.tokenizer, self.limit) = (tokenizer, max(1, limit)) }

  /// The parts. Together they are the whole text, except for white space at the cuts. They have about equal length and
  /// end at a paragraph if possible, else at a line, a sentence, a word, or anywhere.
  package func parts(of text: String) -> [String] {
    let total = count(text)
    guard total > limit else { return [text] }
    let pieces = (total + limit - 1) / limit
    // Even parts, with some room for units that do not divide evenly.
    let aim = min(limit, total / pieces + limit / 16 + 1)
    var parts: [String] = []
    var (part, size) = ("", 0)
    for (piece, tokens) in units(of: text, aim: aim) {
      if size > 0, size + tokens > aim {
        parts.append(part)
        (part, size) = ("", 0)
      }
      part += piece
      size += tokens
    }
    return (parts + [part]).map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
  }

  private func count(_ text: some StringProtocol) -> Int { tokenizer.encode(String(text)).count }

  /// Units of at most `aim` tokens, as large as the text's own divisions allow.
  private func units(of text: String, aim: Int) -> [(text: String, tokens: Int)] {
    var units: [(text: String, tokens: Int)] = []
    func add(_ piece: Substring, _ depth: Int) {
      let tokens = count(piece)
      // A single character is never split.
      guard tokens > aim, piece.count > 1 else {
        units.append((String(piece), tokens))
        return
      }
      let smaller = Self.split(piece, depth)
      for part in smaller { add(part, smaller.count > 1 ? depth : depth + 1) }
    }
    add(text[...], 0)
    return units
  }

  /// Splits after every separator of one kind; the last kind splits into halves.
  private static func split(_ text: Substring, _ depth: Int) -> [Substring] {
    switch depth {
    case 0: return split(text, after: "\n\n")
    case 1: return split(text, after: "\n")
    case 2: return split(text, after: ". ")
    case 3: return split(text, after: " ")
    default:
      let middle = text.index(text.startIndex, offsetBy: max(1, text.count / 2))
      return [text[..<middle], text[middle...]]
    }
  }

  private static func split(_ text: Substring, after separator: String) -> [Substring] {
    var parts: [Substring] = []
    var start = text.startIndex
    while start < text.endIndex {
      let end = text[start...].firstRange(of: separator)?.upperBound ?? text.endIndex
      parts.append(text[start..<end])
      start = end
    }
    return parts
  }
}
