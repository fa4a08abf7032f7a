// Whether an answer is the expected text, but for what does not count.

package import Checkpoints
import Patterns

/// `exact_match` with its options.
package struct ExactMatch: Sendable {
  private let ignored: [PatternSearch]
  private let ignoresCase, ignoresPunctuation, ignoresNumbers: Bool

  /// - Parameter options: `regexes_to_ignore`, `ignore_case`, `ignore_punctuation`, `ignore_numbers`.
  /// - Throws: `DocumentProblem` for other options, and for malformed patterns.
  package init(_ options: [JSONValue.Member]) throws(DocumentProblem) {
    var ignored: [PatternSearch] = []
    for option in options {
      switch option.name {
      case "ignore_case", "ignore_punctuation", "ignore_numbers":
        guard option.value.bool != nil else { throw DocumentProblem("\(option.name) is true or false") }
      case "regexes_to_ignore":
        for pattern in option.value.array ?? option.value.string.map({ [.string($0)] }) ?? [] {
          ignored.append(try PatternSearch(pattern: pattern.string ?? ""))
        }
      default: throw DocumentProblem("exact_match has no option \"\(option.name)\"")
      }
    }
    self.ignored = ignored
    func isSet(_ name: String) -> Bool { options.contains { $0.name == name && $0.value.bool == true } }
    ignoresCase = isSet("ignore_case")
    ignoresPunctuation = isSet("ignore_punctuation")
    ignoresNumbers = isSet("ignore_numbers")
  }

  /// Whether two texts are equal but for what does not count.
  /// - Throws: `DocumentProblem` if a pattern takes too long.
  package func holds(_ answer: String, _ expected: String) throws(DocumentProblem) -> Bool {
    try reduced(answer).hasBytes(reduced(expected))
  }

  private func reduced(_ text: String) throws(DocumentProblem) -> String {
    var text = try ignored.removed(from: text)
    if ignoresCase { text = text.lowercased() }
    if ignoresPunctuation || ignoresNumbers {
      text.unicodeScalars.removeAll { scalar in
        ignoresPunctuation && scalar.isASCIIPunctuation || ignoresNumbers && ("0"..."9").contains(scalar)
      }
    }
    return text
  }
}

extension Unicode.Scalar {
  /// Whether it is in Python's `string.punctuation`.
  fileprivate var isASCIIPunctuation: Bool {
    switch value {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
    default: false
    }
  }
}
