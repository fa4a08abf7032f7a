// Reads a line of an answer from left to right and skips the marks that people and markdown put around words.

/// A position in a line. Comparison ignores case and treats full-width forms as plain characters.
struct LineCursor {
  /// No heading is longer than this; the rest is text.
  private static let headCount = 300

  private let written: [Unicode.Scalar]
  private let folded: [Unicode.Scalar]
  private let tail: Substring
  var position = 0

  init(_ line: Substring) {
    let head = line.unicodeScalars.prefix(Self.headCount)
    written = Array(head)
    folded = written.map(Self.folded)
    tail = line[head.endIndex...]
  }

  init(_ line: String) { self.init(line[...]) }

  private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x41...0x5A: return Unicode.Scalar(UInt8(scalar.value + 0x20))
    case 0..<0x80: return scalar
    // Full-width forms of ASCII.
    case 0xFF01...0xFF5E: return Unicode.Scalar(scalar.value - 0xFEE0).map(folded) ?? scalar
    // Typographic spaces, apostrophes, dashes.
    case 0xA0, 0x3000: return " "
    case 0x2018, 0x2019: return "'"
    case 0x2010...0x2015, 0x2212: return "-"
    default:
      let small = scalar.properties.lowercaseMapping.unicodeScalars
      return small.count == 1 ? small[small.startIndex] : scalar
    }
  }

  var current: Unicode.Scalar? { position < folded.count ? folded[position] : nil }
  var isAtEnd: Bool { position >= folded.count && tail.isEmpty }

  private func scalar(at place: Int) -> Unicode.Scalar? { folded.indices.contains(place) ? folded[place] : nil }

  /// The rest of the line as written.
  var rest: String { String(String.UnicodeScalarView(written[min(position, written.count)...])) + tail }

  // MARK: Marks

  mutating func skipSpace() { while current == " " || current == "\t" { position += 1 } }

  /// Spaces and the marks of bold, italic and code.
  mutating func skipEmphasis() {
    while let scalar = current, scalar == " " || scalar == "\t" || Self.isEmphasis(scalar) { position += 1 }
  }

  /// Skips closing marks of emphasis and closing brackets after a word, up to the next space.
  /// - Returns: whether it skipped a bracket that closes a heading: "[Summary 1] The text".
  @discardableResult
  mutating func skipClosingMarks() -> Bool {
    var hasBracket = false
    while let scalar = current, Self.isEmphasis(scalar) || Self.closing.contains(scalar) {
      hasBracket = hasBracket || scalar == "]" || scalar == "】"
      position += 1
    }
    return hasBracket
  }

  /// Skips everything that may come before a line's first word: marks of headings, lists, quotes and tables, brackets,
  /// list numbers, emoji.
  mutating func skipOpening() {
    while let scalar = current {
      if Self.isOpening(scalar) { position += 1 } else if !skipListNumber() { return }
    }
  }

  private mutating func skipListNumber() -> Bool {
    var end = position
    while let digit = scalar(at: end), "0"..."9" ~= digit { end += 1 }
    guard 1...2 ~= end - position, let mark = scalar(at: end), mark == "." || mark == ")" || mark == "、" else {
      return false
    }
    guard mark == "、" || scalar(at: end + 1) == " " else { return false }
    position = end + 1
    return true
  }

  private static func isEmphasis(_ scalar: Unicode.Scalar) -> Bool { scalar == "*" || scalar == "_" || scalar == "`" }

  private static let closing: Set<Unicode.Scalar> = ["]", ")", "】", "」", "』", "\"", "”", "»"]

  private static func isOpening(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "\t", "*", "_", "`", "#", ">", "~", "|", "-", "+", "•", "·", "‣", "[", "(", "{", "【", "「", "『", "\"", "“",
      "«", "\u{FEFF}", "\u{200B}":
      true
    default:
      scalar.value > 0x7F
        && (scalar.properties.generalCategory == .otherSymbol || scalar.properties.isVariationSelector)
    }
  }

  // MARK: Words

  /// Moves past `word` if it is here as a whole word.
  mutating func take(word: [Unicode.Scalar]) -> Bool {
    let end = position + word.count
    guard end <= folded.count, folded[position..<end].elementsEqual(word) else { return false }
    if let next = scalar(at: end), let last = word.last, Self.continues(last, with: next) { return false }
    // "1.5" and "1,5" do not contain the word "1".
    if let last = word.last, Self.isDigit(last), let mark = scalar(at: end), mark == "." || mark == ",",
      scalar(at: end + 1).map(Self.isDigit) == true
    {
      return false
    }
    position = end
    return true
  }

  /// Moves past `scalar` if it is next.
  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    position += 1
    return true
  }

  /// Whether `next` continues a word that ends in `last`. Chinese words have no space between them.
  private static func continues(_ last: Unicode.Scalar, with next: Unicode.Scalar) -> Bool {
    if isDigit(last) { return isDigit(next) || next.properties.isAlphabetic && !next.properties.isIdeographic }
    guard last.properties.isAlphabetic, !last.properties.isIdeographic else { return false }
    return next.properties.isAlphabetic && !next.properties.isIdeographic
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { "0"..."9" ~= scalar }

  // MARK: Numbers and brackets

  /// A decimal number: digits, optionally a sign before and a point with digits after them.
  mutating func takeNumber() -> Double? {
    var end = position
    if scalar(at: end) == "-" { end += 1 }
    let digits = end
    while let digit = scalar(at: end), Self.isDigit(digit) { end += 1 }
    guard 1...9 ~= end - digits else { return nil }
    if scalar(at: end) == ".", scalar(at: end + 1).map(Self.isDigit) == true {
      end += 1
      while let digit = scalar(at: end), Self.isDigit(digit), end - digits < 18 { end += 1 }
    }
    guard let number = Double(String(String.UnicodeScalarView(folded[position..<end]))) else { return nil }
    position = end
    return number
  }

  /// Returns the text in the round brackets that open here, and moves past them.
  mutating func takeBracketed() -> String? {
    guard current == "(", let close = folded[position...].firstIndex(of: ")") else { return nil }
    defer { position = close + 1 }
    return String(String.UnicodeScalarView(written[(position + 1)..<close]))
  }

  /// A colon, an equals sign, the border of a table's cell, or a dash with space around it.
  mutating func takeSeparator() -> Bool {
    skipEmphasis()
    if current == ":" || current == "=" || current == "|" {
      position += 1
      return true
    }
    let isApart = scalar(at: position - 1) == " " && scalar(at: position + 1).map { $0 == " " } ?? true
    guard current == "-", isApart else { return false }
    position += 1
    return true
  }
}
