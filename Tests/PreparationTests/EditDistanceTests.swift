// Compares Levenshtein distance with the table that defines it.

import Preparation
import Testing

@Suite struct EditDistanceTests {
  /// The definition, row by row.
  private func naive(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
    var above = Array(0...second.count)
    for (row, scalar) in first.enumerated() {
      var current = [row + 1]
      for (column, other) in second.enumerated() {
        current.append(min(current[column] + 1, above[column + 1] + 1, above[column] + (scalar == other ? 0 : 1)))
      }
      above = current
    }
    return above[second.count]
  }

  @Test(arguments: [
    ("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("same", "same", 0),
    ("e\u{301}", "é", 2), ("Überschwemmung", "überschwemmung", 1), ("洪水", "洪水了", 1), ("👍🏽", "👍", 1),
  ])
  func `known distances`(first: String, second: String, distance: Int) {
    #expect(EditDistance.between(first, second) == distance)
    #expect(EditDistance.between(second, first) == distance)
    #expect(naive(first, second) == distance)
  }

  /// Lengths around multiples of 64, from alphabets that are small enough to match often.
  @Test(arguments: [0, 1, 2, 31, 63, 64, 65, 127, 128, 129, 191, 192, 193, 320, 500])
  func `equals the plain table of distances`(length: Int) {
    var draws = Draws(key: UInt64(length))
    let alphabets = ["ab", "abcdefgh ", "aéßœ漢字ж👍", "\u{FF}\u{100}\u{10FFFF}"].map { Array($0.unicodeScalars) }
    func text(_ count: Int, _ alphabet: [Unicode.Scalar]) -> [Unicode.Scalar] {
      (0..<count).map { _ in alphabet[draws.index(alphabet.count)] }
    }
    func check(_ first: [Unicode.Scalar], _ second: [Unicode.Scalar]) {
      let (first, second) = (String(String.UnicodeScalarView(first)), String(String.UnicodeScalarView(second)))
      #expect(EditDistance.between(first, second) == naive(first, second))
      #expect(EditDistance.between(second, first) == naive(first, second))
    }
    for alphabet in alphabets {
      let first = text(length, alphabet)
      check(first, text(draws.index(2 * length + 2), alphabet))
      check(first, first)
      // A few edits of the same text.
      var edited = first
      for _ in 0..<5 {
        let place = draws.index(edited.count + 1)
        switch draws.index(3) {
        case 0: edited.insert(alphabet[0], at: place)
        case 1 where place < edited.count: edited.remove(at: place)
        default: if place < edited.count { edited[place] = alphabet[1] }
        }
      }
      check(first, edited)
    }
  }

  @Test func `similarity is of the longer text`() {
    #expect(EditDistance.similarity("", "") == 1)
    #expect(EditDistance.similarity("abcd", "abc") == 0.75)
    #expect(EditDistance.similarity("abcd", "efgh") == 0)
    #expect(EditDistance.similarity("", "a") == 0)
  }
}
