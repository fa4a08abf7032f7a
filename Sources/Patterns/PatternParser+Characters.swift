// What stands for characters in a pattern: escapes and classes.

extension PatternParser {
  // MARK: Case

  /// The characters as they are, or with those that differ from them in case alone.
  func folded(_ ranges: [ClosedRange<UInt32>]) throws(PatternRefusal) -> CodePointSet {
    guard foldsCase else { return CodePointSet(ranges) }
    var folded = ranges
    for range in ranges {
      if range.upperBound >= 128, dialect.searches {
        folded += try otherCases(of: range)
        continue
      }
      guard range.upperBound < 128 else {
        throw PatternRefusal(reason: "ignores the case of characters other than ASCII's, which is not supported")
      }
      for code in range where 0x61...0x7A ~= code | 0x20 {
        folded.append(code ^ 0x20...code ^ 0x20)
        // The long s and the sign of kelvin.
        if code | 0x20 == 0x73 { folded.append(0x17F...0x17F) }
        if code | 0x20 == 0x6B { folded.append(0x212A...0x212A) }
      }
    }
    return CodePointSet(folded)
  }

  /// The characters that differ in case alone from one of a range.
  private func otherCases(of range: ClosedRange<UInt32>) throws(PatternRefusal) -> [ClosedRange<UInt32>] {
    guard range.count <= 1 << 12 else {
      throw PatternRefusal(reason: "ignores the case of more than 4096 characters, which is not supported")
    }
    func single(_ text: String) -> Unicode.Scalar? { text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil }
    return range.flatMap { code -> [ClosedRange<UInt32>] in
      guard let scalar = Unicode.Scalar(code) else { return [] }
      let lower = single(scalar.properties.lowercaseMapping) ?? scalar
      return [lower, single(lower.properties.uppercaseMapping) ?? lower].map { $0.value...$0.value }
    }
  }

  /// Checks the letter just taken and the one before it: without case, Oniguruma takes some pairs for one character, such
  /// as ß.
  func checkFolding(_ letter: Unicode.Scalar) throws(PatternRefusal) {
    guard foldsCase, !isPython, place > 1 else { return }
    let pair = String(String.UnicodeScalarView([pattern[place - 2], letter])).lowercased()
    guard !["ss", "st", "ff", "fi", "fl"].contains(pair) else {
      throw PatternRefusal(reason: "ignores the case of \(pair), which one character can be, which is not supported")
    }
  }

  // MARK: Escapes

  /// What follows a backslash outside of classes.
  mutating func escaped() throws(PatternRefusal) -> (PatternProgram, isAssertion: Bool) {
    if case .some("1"..."9") = next { throw Self.backreference }
    let assertion: PatternAssertion
    switch isPython ? next : nil {
    case "A": assertion = .start
    case "Z": assertion = .end
    case "b": assertion = .wordBoundary
    case "B": assertion = .noWordBoundary
    default: return (PatternProgram(try escapedSet().set), false)
    }
    place += 1
    return (PatternProgram([.assertion(assertion)]), true)
  }

  /// What a backslash begins, outside and inside of classes: a set, or one character.
  private mutating func escapedSet() throws(PatternRefusal) -> (set: CodePointSet, scalar: UInt32?) {
    guard let scalar = take() else { throw PatternRefusal(reason: "ends in a backslash") }
    if scalar == "s" { return (dialect.space, nil) }
    if scalar == "S" { return (dialect.space.inverted, nil) }
    guard isPython else { return try onigurumaSet(scalar) }
    switch scalar {
    case "d": return (dialect.digits, nil)
    case "D": return (dialect.digits.inverted, nil)
    case "w": return (dialect.word, nil)
    case "W": return (dialect.word.inverted, nil)
    default: break
    }
    var value = Self.simpleEscapes[scalar]
    if value == nil { value = try numbered(scalar) }
    let code = value ?? scalar.value
    return (CodePointSet(code), code)
  }

  private static let simpleEscapes: [Unicode.Scalar: UInt32] = [
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
  ]

  /// A character by its number; nil for a character that stands for itself.
  private mutating func numbered(_ scalar: Unicode.Scalar) throws(PatternRefusal) -> UInt32? {
    let unknown = PatternRefusal(reason: "has an unknown escape \\\(scalar)")
    switch scalar {
    case "x", "u", "U":
      let wanted = scalar == "x" ? 2 : scalar == "u" ? 4 : 8
      let read = digits(16, atMost: wanted)
      guard read.count == wanted, read.value <= 0x10FFFF else { throw unknown }
      return UInt32(read.value)
    case "0": return UInt32(digits(8, atMost: 2).value)
    case "0"..."9", "a"..."z", "A"..."Z": throw unknown
    default: return nil
    }
  }

  private mutating func onigurumaSet(
    _ scalar: Unicode.Scalar
  ) throws(PatternRefusal) -> (set: CodePointSet, scalar: UInt32?) {
    switch scalar {
    case "n": return (CodePointSet(10), 10)
    case "r": return (CodePointSet(13), 13)
    case "t": return (CodePointSet(9), 9)
    case "p", "P":
      var name = String.UnicodeScalarView()
      if take("{") { while let letter = take(), letter != "}" { name.append(letter) } }
      guard !foldsCase else {
        throw PatternRefusal(reason: "ignores the case of a property, which is not supported")
      }
      guard place > 0, pattern[place - 1] == "}", let set = dialect.property(String(name)) else {
        throw PatternRefusal(
          reason: "has the property \\\(scalar){\(String(name).prefix(40))}, which is not supported")
      }
      return (scalar == "p" ? set : set.inverted, nil)
    case "0"..."9", "a"..."z", "A"..."Z":
      throw PatternRefusal(reason: "has \\\(scalar), which is not supported")
    default: return (try folded([scalar.value...scalar.value]), scalar.value)
    }
  }

  // MARK: Classes

  /// A class, after its bracket.
  mutating func characterClass() throws(PatternRefusal) -> CodePointSet {
    let isInverted = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    var literals: [ClosedRange<UInt32>] = []
    var isEmpty = true
    func ended(_ scalar: Unicode.Scalar?) throws(PatternRefusal) -> Unicode.Scalar {
      guard let scalar else { throw PatternRefusal(reason: "has a [ without its ]") }
      return scalar
    }
    func add(_ member: (set: CodePointSet, scalar: UInt32?)) {
      if let scalar = member.scalar { literals.append(scalar...scalar) } else { ranges += member.set.ranges }
    }
    while true {
      if !isEmpty, take("]") { break }
      let first = try member(try ended(take()), isFirst: isEmpty)
      isEmpty = false
      guard take("-") else {
        add(first)
        continue
      }
      if take("]") {
        add(first)
        literals.append(0x2D...0x2D)
        break
      }
      let last = try member(try ended(take()), isFirst: false)
      guard let low = first.scalar, let high = last.scalar, low <= high else {
        throw PatternRefusal(reason: "has a bad range of characters")
      }
      literals.append(low...high)
    }
    let set = CodePointSet(ranges + (try folded(literals)).ranges)
    return isInverted ? set.inverted : set
  }

  private mutating func member(
    _ scalar: Unicode.Scalar, isFirst: Bool
  ) throws(PatternRefusal) -> (set: CodePointSet, scalar: UInt32?) {
    if scalar == "\\" { return try escapedSet() }
    if !isPython {
      if scalar == "[" { throw PatternRefusal(reason: "has a class inside a class, which is not supported") }
      if scalar == "&", next == "&" {
        throw PatternRefusal(reason: "has && inside a class, which is not supported")
      }
      if isFirst, scalar == "]" { throw PatternRefusal(reason: "has a class without members") }
    }
    return (CodePointSet(scalar.value), scalar.value)
  }
}
