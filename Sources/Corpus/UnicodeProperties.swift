// The properties of a code point that the split rule and NFC need, unpacked once from UnicodeTables.

import Patterns

/// Properties of every code point, as in the `tokenizers` library.
struct UnicodeProperties: Sendable {
  /// Bits of `flags`.
  static let letter: UInt8 = 1
  static let number: UInt8 = 2
  static let space: UInt8 = 4
  /// NFC may change the code point or join it to the code points before it.
  static let unstable: UInt8 = 8
  /// What the pre-tokenizer Digits takes for a digit: the numbers of a later version of Unicode.
  static let digit: UInt8 = 16

  static let shared = UnicodeProperties()

  /// By code point; a flat array, since every character of every text is looked up here.
  let flags: [UInt8]
  /// Canonical combining classes other than 0.
  let combiningClasses: [UInt32: UInt8]
  /// Full canonical decompositions, except Hangul's.
  let decompositions: [UInt32: [UInt32]]
  /// Primary composites, except Hangul's, by `first << 32 | second`.
  let compositions: [UInt64: UInt32]

  private init() {
    var flags = [UInt8](repeating: 0, count: 0x110000)
    for (table, flag) in [
      (UnicodeTables.letters, Self.letter), (UnicodeTables.numbers, Self.number | Self.digit),
      (UnicodeTables.spaces, Self.space), (UnicodeTables.laterNumbers, Self.digit),
    ] {
      Self.readWords(of: table) { range in
        for code in range[0]...range[range.count - 1] { flags[Int(code)] |= flag }
      }
    }
    var combiningClasses: [UInt32: UInt8] = [:]
    Self.readWords(of: UnicodeTables.combiningClasses) { word in
      for code in word[0]...word[word.count - 2] {
        combiningClasses[code] = UInt8(truncatingIfNeeded: word[word.count - 1])
      }
    }
    var decompositions: [UInt32: [UInt32]] = [:]
    Self.readWords(of: UnicodeTables.decompositions) { decompositions[$0[0]] = Array($0[1...]) }
    var compositions: [UInt64: UInt32] = [:]
    Self.readWords(of: UnicodeTables.compositions) { compositions[UInt64($0[0]) << 32 | UInt64($0[1])] = $0[2] }

    var joining = Set(compositions.keys.map { UInt32(truncatingIfNeeded: $0) })
    joining.formUnion(Hangul.vowels)
    joining.formUnion(Hangul.trailing)
    joining.formUnion(combiningClasses.keys)
    let composites = Set(compositions.values)
    for (code, parts) in decompositions
    where !composites.contains(code) || joining.contains(parts[0]) { flags[Int(code)] |= Self.unstable }
    for code in joining { flags[Int(code)] |= Self.unstable }

    (self.flags, self.combiningClasses, self.decompositions) = (flags, combiningClasses, decompositions)
    self.compositions = compositions
  }

  /// The characters that a property names in the `tokenizers` library's patterns; nil if it is not among the tables.
  static func members(of property: String) -> CodePointSet? {
    let letters = set(UnicodeTables.letters)
    return switch property {
    case "L": letters
    case "Lu": set(UnicodeTables.uppercaseLetters)
    case "Lt": set(UnicodeTables.titlecaseLetters)
    case "Lm": set(UnicodeTables.modifierLetters)
    case "Lo": set(UnicodeTables.otherLetters)
    case "Ll":
      letters.subtracting(
        set(UnicodeTables.uppercaseLetters).union(
          set(UnicodeTables.titlecaseLetters), set(UnicodeTables.modifierLetters), set(UnicodeTables.otherLetters)))
    case "M": set(UnicodeTables.marks)
    case "N": set(UnicodeTables.numbers)
    case "P": set(UnicodeTables.punctuation)
    case "S": set(UnicodeTables.symbols)
    default: nil
    }
  }

  /// The syntax of a split rule.
  static let patternDialect = PatternDialect.oniguruma(space: set(UnicodeTables.spaces), property: members)

  private static func set(_ table: StaticString) -> CodePointSet {
    var ranges: [ClosedRange<UInt32>] = []
    readWords(of: table) { ranges.append($0[0]...$0[$0.count - 1]) }
    return CodePointSet(ranges)
  }

  /// Passes the numbers of each word to `body`: hexadecimal, joined by any of `-`, `.`, `=`.
  private static func readWords(of table: StaticString, _ body: ([UInt32]) -> Void) {
    var numbers: [UInt32] = []
    var number: UInt32?
    for byte in UnsafeBufferPointer(start: table.utf8Start, count: table.utf8CodeUnitCount) + [0x20] {
      switch byte {
      case 0x30...0x39: number = (number ?? 0) << 4 | UInt32(byte - 0x30)
      case 0x61...0x66: number = (number ?? 0) << 4 | UInt32(byte - 0x57)
      default:
        if let value = number { numbers.append(value) }
        number = nil
        if byte == 0x20 || byte == 0x0A, !numbers.isEmpty {
          body(numbers)
          numbers.removeAll(keepingCapacity: true)
        }
      }
    }
  }
}

/// The arithmetic of Hangul syllables (The Unicode Standard, 3.12).
enum Hangul {
  static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
  static let leading: ClosedRange<UInt32> = 0x1100...0x1112
  static let vowels: ClosedRange<UInt32> = 0x1161...0x1175
  static let trailing: ClosedRange<UInt32> = 0x11A8...0x11C2

  /// Appends the two or three jamo of a syllable.
  static func decompose(_ syllable: UInt32, into result: inout [UInt32]) {
    let index = syllable - syllables.lowerBound
    result.append(leading.lowerBound + index / 588)
    result.append(vowels.lowerBound + index % 588 / 28)
    if index % 28 > 0 { result.append(trailing.lowerBound - 1 + index % 28) }
  }

  /// The syllable of a leading consonant and a vowel, or of a syllable and a trailing consonant.
  static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if leading.contains(first), vowels.contains(second) {
      return syllables.lowerBound
        + ((first - leading.lowerBound) * 21 + second - vowels.lowerBound) * 28
    }
    if syllables.contains(first), (first - syllables.lowerBound) % 28 == 0, trailing.contains(second) {
      return first + second - (trailing.lowerBound - 1)
    }
    return nil
  }
}
