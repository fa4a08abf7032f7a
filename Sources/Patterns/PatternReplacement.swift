// What matches are replaced with.

/// The replacement of `re.sub`.
struct PatternReplacement {
  enum Part {
    case text(String)
    case group(Int)
  }

  private(set) var parts: [Part] = []
  private let scalars: [Unicode.Scalar]
  private var place = 0
  private let groups: Int
  private let names: [String: Int]

  /// - Throws: `PatternRefusal` if it refers to no group, or has an unknown escape.
  init(_ text: String, groups: Int, names: [String: Int]) throws(PatternRefusal) {
    (scalars, self.groups, self.names) = (Array(text.unicodeScalars), groups, names)
    var plain = String.UnicodeScalarView()
    while place < scalars.count {
      let scalar = scalars[place]
      place += 1
      if scalar != "\\" || place == scalars.count {
        plain.append(scalar)
      } else if let group = try reference() {
        parts += [.text(String(plain)), .group(group)]
        plain = String.UnicodeScalarView()
      } else {
        try escape(into: &plain)
      }
    }
    parts.append(.text(String(plain)))
  }

  /// The group that follows a backslash; nil if none does.
  private mutating func reference() throws(PatternRefusal) -> Int? {
    let number: Int?
    switch scalars[place] {
    case "1"..."9":
      var digits = String(scalars[place])
      place += 1
      if place < scalars.count, "0"..."9" ~= scalars[place] {
        digits.unicodeScalars.append(scalars[place])
        place += 1
      }
      number = Int(digits)
    case "g":
      guard place + 1 < scalars.count, scalars[place + 1] == "<", let end = scalars[place...].firstIndex(of: ">") else {
        throw PatternRefusal(reason: "has a replacement with \\g and no <name>")
      }
      let name = String(String.UnicodeScalarView(scalars[(place + 2)..<end]))
      place = end + 1
      number = Int(name) ?? names[name]
    default: return nil
    }
    guard let number, 0..<groups ~= number else {
      throw PatternRefusal(reason: "has no group that the replacement refers to")
    }
    return number
  }

  /// The character that a backslash and the next one stand for.
  private mutating func escape(into plain: inout String.UnicodeScalarView) throws(PatternRefusal) {
    let escape = scalars[place]
    place += 1
    switch escape {
    case "n": plain.append("\n")
    case "t": plain.append("\t")
    case "r": plain.append("\r")
    case "\\": plain.append("\\")
    case "a"..."z", "A"..."Z", "0":
      throw PatternRefusal(reason: "has a replacement with an unknown escape \\\(escape)")
    default: plain.append(contentsOf: ["\\", escape])
    }
  }
}
