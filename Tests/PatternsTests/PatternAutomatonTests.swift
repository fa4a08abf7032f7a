// Compares splits with a rule by hand and with what a backtracking engine would find, and bounds the time of hostile texts.

import Foundation
import Patterns
import TestSupport
import Testing

/// Random numbers that are the same in every run (SplitMix64).
private struct Draws: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

@Suite struct PatternAutomatonTests {
  private static func set(_ belongs: (Unicode.Scalar) -> Bool) -> CodePointSet {
    CodePointSet((0...0x10FFFF).filter { Unicode.Scalar($0).map(belongs) ?? false }.map { $0...$0 })
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    [.uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter]
      .contains(scalar.properties.generalCategory)
  }
  private static func isNumber(_ scalar: Unicode.Scalar) -> Bool {
    [.decimalNumber, .letterNumber, .otherNumber].contains(scalar.properties.generalCategory)
  }
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }

  private static let letters = set(isLetter)
  private static let numbers = set(isNumber)
  private static let uppercase = set { $0.properties.generalCategory == .uppercaseLetter }
  private static let lowercase = letters.subtracting(uppercase)

  private static let dialect = PatternDialect.oniguruma(space: set(isSpace)) { name in
    ["L": letters, "N": numbers, "Lu": uppercase, "Ll": lowercase][name]
  }

  /// The matches and what is between them.
  private static func pieces(_ text: String, _ automaton: PatternAutomaton) -> [String] {
    var text = text
    return text.withUTF8 { text in
      var scan = PatternScan(automaton, text, upTo: text.count)
      var pieces: [String] = []
      var start = 0
      while start < text.count {
        let match = scan.match(from: start) ?? text.count..<text.count
        for part in [start..<match.lowerBound, match] where !part.isEmpty {
          pieces.append(String(decoding: text[part], as: UTF8.self))
        }
        start = match.upperBound
      }
      return pieces
    }
  }

  private static func same(_ left: [String], _ right: [String]) -> Bool {
    left.map { Array($0.unicodeScalars) } == right.map { Array($0.unicodeScalars) }
  }

  // MARK: Splits

  @Test func `Qwen2's pattern splits as the rule by hand`() throws {
    let automaton = try PatternAutomaton(Qwen2Splitter.pattern, Self.dialect)
    var random = Draws(state: 3)
    let pools = [
      Array("'sStTrReEvVmMlLdD \u{17F}\u{212A}".unicodeScalars),
      Array(" \n\r\t\u{A0}\u{2003}\u{85}\u{2028}x".unicodeScalars),
      (0x20..<0x7F).compactMap { Unicode.Scalar($0 as UInt32) },
      (0...0x3000).compactMap { Unicode.Scalar($0 as UInt32) },
      (0...0x10FFFF).compactMap { Unicode.Scalar($0 as UInt32) }, Array("a1. \n中é½٣_".unicodeScalars),
    ]
    for round in 0..<60_000 {
      let pool = pools[round % pools.count]
      let text = (0..<Int.random(in: 0..<30, using: &random)).map { _ in pool.randomElement(using: &random) ?? "a" }
      let twin = Qwen2Splitter(
        text: text, isLetter: Self.isLetter, isNumber: Self.isNumber, isSpace: Self.isSpace)
      let whole = String(String.UnicodeScalarView(text))
      let found = Self.pieces(whole, automaton)
      #expect(Self.same(found, twin.pieces), "\(whole.debugDescription)")
    }
  }

  /// Each pattern with a text and its pieces in the `tokenizers` library.
  @Test(arguments: [
    (#"a*b|a"#, "aaabaa", ["aaab", "a", "a"]),
    (#"ab?|abc"#, "abcab", ["ab", "c", "ab"]),
    (#"a{2}|b{1,2}|c{2,}"#, "aaabbbccccc", ["aa", "a", "bb", "b", "ccccc"]),
    (#"a?+ab"#, "aab ab", ["aab", " ab"]),
    (#"a++|b*+a|c?+d"#, "aabbabb cd d", ["aa", "bba", "bb ", "cd", " ", "d"]),
    (#"\s+(?!\S)|\s+"#, "a   b  ", ["a", "  ", " ", "b", "  "]),
    (#"x(?=y)|y"#, "xyxx", ["x", "y", "xx"]),
    (#"(?i:'s|ke)|(a|b)+"#, "'S'\u{17F}\u{212A}Eab", ["'S", "'\u{17F}", "\u{212A}E", "ab"]),
    (#"[^\n\p{L}]+|[a-c\-\]]"#, "12ab-]x", ["12", "a", "b", "-]", "x"]),
    (#"\P{L}|\p{Lu}\p{Ll}+"#, "1Ab cD", ["1", "Ab", " ", "cD"]),
    (#"\[|\\|\."#, "a[\\.b", ["a", "[", "\\", ".", "b"]),
  ])
  func `matches are a backtracking engine's`(pattern: String, text: String, pieces: [String]) throws {
    let found = Self.pieces(text, try PatternAutomaton(pattern, Self.dialect))
    #expect(Self.same(found, pieces), "\(found)")
  }

  @Test(arguments: [
    (#"\w+"#, #"has \w"#), (#"\d"#, #"has \d"#), (#"a.b"#, "has ."), ("a$", "has $"), ("^a", "has ^"),
    (#"\ba"#, #"has \b"#), (#"\p{Han}"#, #"has the property \p{Han}"#), (#"\pL"#, #"has the property"#),
    ("[a[bc]]", "a class inside a class"), ("[a&&b]", "has && inside a class"), ("[]a]", "a class without members"),
    ("a+?", "lazy"), ("(ab)++", "possessive quantifier after a group"), ("a{1,3}+", "repeats a repetition"),
    ("a{,3}", "a { that begins no"), ("a{", "a { that begins no"), ("(a?)+", "repeats what may be empty"),
    ("a(?!bc)", "looks ahead at more than one character"), ("(?<=a)b", "looks behind"), ("(?>a)b", "an atomic group"),
    ("(?i)a", "flags"), ("(?P<x>a)", "unknown kind"), (#"(a)\1"#, "refers back"), ("a|", "a text of no characters"),
    ("a*", "a text of no characters"), ("(?i:ss)", "ignores the case of ss"), ("(?i:é)", "other than ASCII"),
    (#"(?i:\p{L})"#, "ignores the case of a property"), ("(a", "a ( without its )"), ("a)", "a ) without its ("),
    ("[a", "a [ without its ]"), ("+a", "nothing to repeat"), ("[b-a]", "a bad range"), ("a{3,2}", "a range"),
    ("(a{200}){200}", "states"), ("(a|b)*a(a|b){18}", "too large an automaton"),
  ])
  func `what is not built is named`(pattern: String, reason: String) {
    let refusal = #expect(throws: PatternRefusal.self) { try PatternAutomaton(pattern, Self.dialect) }
    #expect(refusal?.reason.contains(reason) == true, "\(refusal?.reason ?? "")")
  }

  // MARK: Time

  static let patterns = [
    Qwen2Splitter.pattern,
    #"[^\r\n\p{L}\p{N}]?\p{Lu}*\p{Ll}+|[^\r\n\p{L}\p{N}]?\p{Lu}+\p{Ll}*|\p{N}{1,3}|\s+(?!\S)|\s+"#,
    #"a*b|a"#, #"(a|aa)+b"#, #"\s*\n|x"#, #"[^b]*b| "#,
  ]

  /// Without memory of what was read in vain, the last of these read each text a million times.
  @Test(arguments: patterns) func `no text takes long`(pattern: String) throws {
    let automaton = try PatternAutomaton(pattern, Self.dialect)
    for unit in [" ", "a", "A", "aA", " a", "\u{4E2D}", "\u{301}", "1"] {
      let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count)
      let seconds = processorSeconds {
        #expect(Self.pieces(text, automaton).reduce(0) { $0 + $1.utf8.count } == text.utf8.count)
      }
      #expect(seconds < boundedSeconds)
    }
  }
}
