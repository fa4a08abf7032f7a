// What parentheses mean in a pattern.

extension PatternParser {
  /// A group, after its opening parenthesis.
  mutating func group() throws(PatternRefusal) -> (PatternProgram, isAssertion: Bool) {
    if dialect.searches { return try searchedGroup() }
    let folded = foldsCase
    defer { foldsCase = folded }
    var lookahead: Unicode.Scalar?
    if take("?"), !take(":") {
      if isPython { try groupName() } else { lookahead = try extended() }
    }
    let program = try alternatives()
    guard take(")") else { throw PatternRefusal(reason: "has a ( without its )") }
    guard let lookahead else { return (program, false) }
    guard let set = program.set else {
      throw PatternRefusal(reason: "looks ahead at more than one character, which is not supported")
    }
    return (PatternProgram([.assertion(lookahead == "=" ? .followed(set) : .notFollowed(set))]), true)
  }

  /// What follows `(?` in Oniguruma, except `:`: the sign of a look ahead, or nil.
  private mutating func extended() throws(PatternRefusal) -> Unicode.Scalar? {
    let sign = take()
    switch sign {
    case "=", "!": return sign
    case "i" where take(":"):
      foldsCase = true
      return nil
    default: throw Self.refusal(sign)
    }
  }

  // MARK: Searches

  /// The flags before a pattern.
  mutating func leadingFlags() throws(PatternRefusal) {
    while place == 0 || pattern[place - 1] == ")", next == "(", place + 2 < pattern.count, pattern[place + 1] == "?",
      "aimsux".unicodeScalars.contains(pattern[place + 2])
    {
      let start = place
      place += 2
      let before = (foldsCase, dotIsAnything, hasLines)
      try flags()
      // A group with flags of its own.
      guard take(")") else {
        place = start
        (foldsCase, dotIsAnything, hasLines) = before
        return
      }
    }
  }

  private mutating func flags() throws(PatternRefusal) {
    var isOn = true
    while let flag = next, flag != ":", flag != ")" {
      place += 1
      switch flag {
      case "i": foldsCase = isOn
      case "s": dotIsAnything = isOn
      case "m": hasLines = isOn
      case "u": break
      case "-": isOn = false
      default: throw PatternRefusal(reason: "has the flag \(flag), which is not supported")
      }
    }
  }

  private mutating func searchedGroup() throws(PatternRefusal) -> (PatternProgram, isAssertion: Bool) {
    let flags = (foldsCase, dotIsAnything, hasLines)
    defer { (foldsCase, dotIsAnything, hasLines) = flags }
    var number: Int?
    var look: (isBehind: Bool, isNegated: Bool)?
    if take("?") {
      if take("=") {
        look = (false, false)
      } else if take("!") {
        look = (false, true)
      } else if next == "<", place + 1 < pattern.count, "=!".unicodeScalars.contains(pattern[place + 1]) {
        look = (true, pattern[place + 1] == "!")
        place += 2
      } else if let flag = next, "aimsux-".unicodeScalars.contains(flag) {
        try self.flags()
        guard take(":") else { throw PatternRefusal(reason: "has flags inside, which are not supported") }
      } else if !take(":") {
        try groupName()
        number = groupCount
        for name in groupNames where groupNumbers[name] == nil { groupNumbers[name] = groupCount }
      }
    } else {
      number = groupCount
    }
    if number != nil {
      groupCount += 1
      guard groupCount <= Self.maximumGroups + 1 else {
        throw PatternRefusal(reason: "has more than \(Self.maximumGroups) groups that capture")
      }
    }
    let program = try alternatives()
    guard take(")") else { throw PatternRefusal(reason: "has a ( without its )") }
    if let look {
      let width = look.isBehind ? program.width : nil
      guard !look.isBehind || width != nil else {
        throw PatternRefusal(reason: "looks behind at texts of several lengths")
      }
      return (
        PatternProgram([.assertion(.look(PatternLook(program: program, isNegated: look.isNegated, width: width)))]),
        true
      )
    }
    guard let number else { return (program, false) }
    return (PatternProgram([.mark(2 * number)]) + program + PatternProgram([.mark(2 * number + 1)]), false)
  }

  /// What follows `(?` in Python, except `:`. A name is the only thing that a finite automaton can do.
  private mutating func groupName() throws(PatternRefusal) {
    let sign = take()
    guard sign == "P" else { throw Self.refusal(sign) }
    if take("=") { throw Self.backreference }
    var name = String.UnicodeScalarView()
    guard take("<") else { throw Self.refusal(nil) }
    while let scalar = take(), scalar != ">" { name.append(scalar) }
    let text = String(name)
    let isName = text.utf8.first.map { CodePointSet.digits.contains(UInt32($0)) } == false
    guard isName, text.utf8.allSatisfy({ CodePointSet.word.contains(UInt32($0)) }), pattern[place - 1] == ">" else {
      throw Self.refusal(nil)
    }
    guard groupNames.insert(text).inserted else { throw PatternRefusal(reason: "names two groups \(text)") }
  }

  /// Why a group that begins with `(?` and a character is refused.
  private static func refusal(_ sign: Unicode.Scalar?) -> PatternRefusal {
    switch sign {
    case "=", "!": PatternRefusal(reason: "looks ahead, which is not supported")
    case "<": PatternRefusal(reason: "looks behind, which is not supported")
    case ">": PatternRefusal(reason: "has an atomic group, which is not supported")
    case "(": PatternRefusal(reason: "has a condition on a group, which is not supported")
    default: PatternRefusal(reason: "has a group of an unknown kind or flags, which are not supported")
    }
  }

  static let backreference = PatternRefusal(reason: "refers back to a group, which is not supported")
}
