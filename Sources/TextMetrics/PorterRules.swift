// The tables of the Porter stemmer: suffixes, what takes their place, and when.

/// A suffix that a step replaces.
struct PorterRule: Sendable {
  typealias Suffix = [UInt8]

  /// What the letters before the suffix must have.
  enum Condition: Sendable {
    case always
    case measureAbove(Int)
    /// With the first letter of the suffix counted among those before it.
    case measureAboveWithOneMore(Int)
    /// And end in s or t.
    case measureAboveAfterSOrT(Int)
  }

  let suffix: Suffix
  let replacement: [UInt8]
  let condition: Condition

  init(_ suffix: String, _ replacement: String, _ condition: Condition) {
    self.suffix = Array(suffix.utf8)
    self.replacement = Array(replacement.utf8)
    self.condition = condition
  }
}

/// The steps that are nothing but a list of rules. The first rule whose suffix fits decides.
enum PorterRules {
  static let step1a = rules(.always, ["sses": "ss", "ies": "i", "ss": "ss", "s": ""])

  static let step2 =
    rules(
      .measureAbove(0),
      [
        "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al",
        "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
        "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
        "fulli": "ful",
      ]) + rules(.measureAboveWithOneMore(0), ["logi": "log"])

  static let step3 = rules(
    .measureAbove(0),
    ["icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""])

  static let step4 =
    removals(["al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"])
    + rules(.measureAboveAfterSOrT(1), ["ion": ""])
    + removals(["ou", "ism", "ate", "iti", "ous", "ive", "ize"])

  /// The second l counts among the letters before: a word of measure 1 keeps both.
  static let step5b = rules(.measureAboveWithOneMore(1), ["ll": "l"])

  private static func rules(_ condition: PorterRule.Condition, _ pairs: KeyValuePairs<String, String>) -> [PorterRule] {
    pairs.map { PorterRule($0, $1, condition) }
  }

  private static func removals(_ suffixes: [String]) -> [PorterRule] {
    suffixes.map { PorterRule($0, "", .measureAbove(1)) }
  }
}
