// Finds which choice an answer in free text means: lm-eval's filter `multi_choice_regex`.

import Checkpoints
import Patterns

/// A letter in an answer, or the text of a choice, as `(A)`.
struct ChoiceFilter: Sendable {
  private let pattern: PatternSearch
  private let place: Int
  private let fallback: JSONValue
  private let ignoresCase, ignoresPunctuation: Bool
  private let ignored: [PatternSearch]

  static let options: Set<String> = [
    "regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation", "regexes_to_ignore",
  ]

  /// - Throws: `DocumentProblem` for malformed patterns.
  init(_ options: JSONValue) throws(DocumentProblem) {
    pattern = try PatternSearch(pattern: options["regex_pattern"]?.string ?? #"#### (\-?[0-9\.\,]+)"#)
    place = options["group_select"]?.int ?? 0
    fallback = options["fallback"] ?? "[invalid]"
    ignoresCase = options["ignore_case"]?.bool ?? false
    ignoresPunctuation = options["ignore_punctuation"]?.bool ?? false
    var ignored: [PatternSearch] = []
    for text in options["regexes_to_ignore"]?.array ?? [] {
      ignored.append(try PatternSearch(pattern: text.string ?? ""))
    }
    self.ignored = ignored
  }

  /// What an answer means: what the pattern finds, else the first choice whose text is in it, else a letter after a colon.
  func choice(of answer: String, _ document: JSONValue) throws(DocumentProblem) -> JSONValue {
    if let found = try found(pattern, answer) { return .string(found) }
    guard let list = document["choices"]?.array, list.count <= 26 else {
      throw DocumentProblem("the field \"choices\" is no list of at most 26 texts")
    }
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map { String($0) }
    var choices: [(text: String, letter: String)] = []
    for (place, choice) in list.enumerated() {
      guard let text = choice.string else { throw DocumentProblem("the field \"choices\" holds what is no text") }
      choices.append((try reduced(text.stripped), letters[place]))
    }
    // A choice that begins as another one comes first.
    let texts = choices.map(\.text).enumerated().sorted {
      ($1.element.characterCount, $0.offset) < ($0.element.characterCount, $1.offset)
    }
    let named = try PatternSearch(pattern: texts.map { Self.escaped($0.element) }.joined(separator: "|"))
    if let found = try found(named, reduced(answer)) {
      return .string(choices.last { $0.text.hasBytes(found) }.map { "(\($0.letter))" } ?? found)
    }
    let lettered = try PatternSearch(pattern: #":[\s]*("# + choices.map(\.letter).joined(separator: "|") + ")")
    return try found(lettered, answer).map { .string("(\($0))") } ?? fallback
  }

  /// What a pattern finds, unless it is empty.
  private func found(_ search: PatternSearch, _ text: String) throws(DocumentProblem) -> String? {
    let matches = try search.all(in: text)
    let index = place < 0 ? matches.count + place : place
    guard matches.indices.contains(index) else { return nil }
    let text = matches[index].first { !$0.isEmpty }?.stripped ?? ""
    return text.isEmpty ? nil : text
  }

  /// A text without what does not count.
  private func reduced(_ text: String) throws(DocumentProblem) -> String {
    var text = try ignored.removed(from: text)
    if ignoresCase { text = text.lowercased() }
    if ignoresPunctuation { text.unicodeScalars.removeAll(where: \.isPunctuation) }
    return text
  }

  /// A pattern that matches a text alone.
  private static func escaped(_ text: String) -> String {
    var pattern = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar), scalar.value > 0x20 {
        pattern.append("\\")
      }
      pattern.append(scalar)
    }
    return String(pattern)
  }
}

extension Unicode.Scalar {
  /// Whether it is of a category of punctuation.
  fileprivate var isPunctuation: Bool {
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      true
    default: false
    }
  }
}
