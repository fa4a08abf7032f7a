// What matches are replaced with.

/// The replacement of `re.sub`.
struct PatternReplacement {
  enum Part {
    case text(String)
    case group(Int)
  }

  private(set) var parts: [Part] = []

  /// - Throws: `PatternRefusal` if it refers to no group, or has an unknown escape.
  init(_ text: String, groups: Int, names: [String: Int]) throws(PatternRefusal) {
    let scalars = Array(text.unicodeScalars)
    var plain = String.UnicodeScalarView()
    var place = 0
    func group(_ number: Int?) throws(PatternRefusal) -> Part {
      guard let number, 0..<groups ~= number else {
        throw PatternRefusal(reason: "has no group that the replacement refers to")
      }
      return .group(number)
    }
    while place < scalars.count {
      let scalar = scalars[place]
      place += 1
      guard scalar == "\\", place < scalars.count else {
        plain.append(scalar)
        continue
      }
      let escape = scalars[place]
      place += 1
      var part: Part?
      switch escape {
      case "1"..."9":
        var digits = String(escape)
        if place < scalars.count, "0"..."9" ~= scalars[place] {
          digits.unicodeScalars.append(scalars[place])
          place += 1
        }
        part = try group(Int(digits))
      case "g":
        guard place < scalars.count, scalars[place] == "<", let end = scalars[place...].firstIndex(of: ">") else {
          throw PatternRefusal(reason: "has a replacement with \\g and no <name>")
        }
        let name = String(String.UnicodeScalarView(scalars[(place + 1)..<end]))
        place = end + 1
        part = try group(Int(name) ?? names[name])
      case "n": plain.append("\n")
      case "t": plain.append("\t")
      case "r": plain.append("\r")
      case "\\": plain.append("\\")
      case "a"..."z", "A"..."Z", "0":
        throw PatternRefusal(reason: "has a replacement with an unknown escape \\\(escape)")
      default: plain.append(contentsOf: ["\\", escape])
      }
      if let part {
        parts += [.text(String(plain)), part]
        plain = String.UnicodeScalarView()
      }
    }
    parts.append(.text(String(plain)))
  }
}
