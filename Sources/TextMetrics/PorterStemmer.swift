// The Porter stemmer (Porter 1980) with the extensions of NLTK, which rouge_score uses: words to stems.

/// Strips suffixes of English words. Letters are a to z in lower case; every other byte counts as a consonant.
package struct PorterStemmer: Sendable {
  /// Words that have a stem of their own.
  private static let irregular: [[UInt8]: [UInt8]] = {
    let forms = [
      "sky": ["sky", "skies"], "die": ["dying"], "lie": ["lying"], "tie": ["tying"], "news": ["news"],
      "inning": ["innings", "inning"], "outing": ["outings", "outing"], "canning": ["cannings", "canning"],
      "howe": ["howe"], "proceed": ["proceed"], "exceed": ["exceed"], "succeed": ["succeed"],
    ]
    return Dictionary(
      uniqueKeysWithValues: forms.flatMap { stem, words in words.map { (Array($0.utf8), Array(stem.utf8)) } })
  }()

  package init() {}

  /// The stem of a word in ASCII and lower case.
  package func stem(_ word: [UInt8]) -> [UInt8] {
    if let stem = Self.irregular[word] { return stem }
    guard word.count > 2 else { return word }
    var word = PorterWord(word)
    word.removePlural()
    word.removePastAndGerund()
    word.replaceFinalY()
    word.shortenDoubleSuffix()
    word.apply(PorterRules.step3)
    word.apply(PorterRules.step4)
    word.removeFinalE()
    word.apply(PorterRules.step5b)
    return word.bytes
  }
}

/// A word between two steps.
private struct PorterWord {
  private(set) var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func ends(with suffix: PorterRule.Suffix) -> Bool {
    bytes.count >= suffix.count && bytes[(bytes.count - suffix.count)...].elementsEqual(suffix)
  }

  private func ends(with suffix: String) -> Bool { ends(with: Array(suffix.utf8)) }

  private mutating func replace(last count: Int, by replacement: some Sequence<UInt8>) {
    bytes.removeLast(count)
    bytes.append(contentsOf: replacement)
  }

  // MARK: Vowels and consonants

  private static func isVowelLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"): true
    default: false
    }
  }

  /// Passes whether each of the first `count` letters is a consonant. A y is one unless it follows a consonant.
  private func forEachConsonant(_ count: Int, _ body: (Bool) -> Void) {
    var isConsonant = false
    for index in 0..<count {
      let byte = bytes[index]
      isConsonant = byte == UInt8(ascii: "y") ? index == 0 || !isConsonant : !Self.isVowelLetter(byte)
      body(isConsonant)
    }
  }

  /// m of [C](VC){m}[V], for the first `count` letters.
  func measure(_ count: Int) -> Int {
    var (measure, followsVowel) = (0, false)
    forEachConsonant(count) { isConsonant in
      if isConsonant, followsVowel { measure += 1 }
      followsVowel = !isConsonant
    }
    return measure
  }

  private func containsVowel(_ count: Int) -> Bool {
    var found = false
    forEachConsonant(count) { if !$0 { found = true } }
    return found
  }

  /// Whether the last three letters of the first `count` are consonants.
  private func lastConsonants(_ count: Int) -> (third: Bool, second: Bool, last: Bool) {
    var last = (third: false, second: false, last: false)
    forEachConsonant(count) { last = (last.second, last.last, $0) }
    return last
  }

  private func endsInDoubleConsonant(_ count: Int) -> Bool {
    count >= 2 && bytes[count - 1] == bytes[count - 2] && lastConsonants(count).last
  }

  /// Consonant, vowel, consonant other than w, x, y; or a word of vowel and consonant alone.
  private func endsInShortSyllable(_ count: Int) -> Bool {
    let (third, second, last) = lastConsonants(count)
    if count == 2 { return !second && last }
    guard count >= 3, third, !second, last else { return false }
    return ![UInt8(ascii: "w"), UInt8(ascii: "x"), UInt8(ascii: "y")].contains(bytes[count - 1])
  }

  // MARK: Steps

  /// Applies the first rule whose suffix the word has, if its condition holds.
  mutating func apply(_ rules: [PorterRule]) {
    guard let rule = rules.first(where: { ends(with: $0.suffix) }) else { return }
    let rest = bytes.count - rule.suffix.count
    let holds =
      switch rule.condition {
      case .always: true
      case .measureAbove(let bound): measure(rest) > bound
      case .measureAboveWithOneMore(let bound): measure(rest + 1) > bound
      case .measureAboveAfterSOrT(let bound):
        measure(rest) > bound && [UInt8(ascii: "s"), UInt8(ascii: "t")].contains(bytes[rest - 1])
      }
    if holds { replace(last: rule.suffix.count, by: rule.replacement) }
  }

  /// Step 1a.
  mutating func removePlural() {
    if bytes.count == 4, ends(with: "ies") { return replace(last: 1, by: []) }
    apply(PorterRules.step1a)
  }

  /// Step 1b.
  mutating func removePastAndGerund() {
    if ends(with: "ied") { return replace(last: bytes.count == 4 ? 1 : 2, by: []) }
    if ends(with: "eed") {
      if measure(bytes.count - 3) > 0 { bytes.removeLast() }
      return
    }
    guard let suffix = ["ed", "ing"].first(where: { ends(with: $0) && containsVowel(bytes.count - $0.utf8.count) })
    else { return }
    bytes.removeLast(suffix.utf8.count)
    let count = bytes.count
    if ["at", "bl", "iz"].contains(where: { ends(with: $0) }) {
      bytes.append(UInt8(ascii: "e"))
    } else if endsInDoubleConsonant(count) {
      if ![UInt8(ascii: "l"), UInt8(ascii: "s"), UInt8(ascii: "z")].contains(bytes[count - 1]) { bytes.removeLast() }
    } else if measure(count) == 1, endsInShortSyllable(count) {
      bytes.append(UInt8(ascii: "e"))
    }
  }

  /// Step 1c.
  mutating func replaceFinalY() {
    let rest = bytes.count - 1
    if ends(with: "y"), rest > 1, lastConsonants(rest).last { bytes[rest] = UInt8(ascii: "i") }
  }

  /// Step 2.
  mutating func shortenDoubleSuffix() {
    if ends(with: "alli"), measure(bytes.count - 4) > 0 { bytes.removeLast(2) }
    apply(PorterRules.step2)
  }

  /// Step 5a.
  mutating func removeFinalE() {
    guard ends(with: "e") else { return }
    let rest = bytes.count - 1
    let measure = measure(rest)
    if measure > 1 || measure == 1 && !endsInShortSyllable(rest) { bytes.removeLast() }
  }
}
