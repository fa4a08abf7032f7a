// The strict JSON parser (RFC 8259): one pass over the bytes; strings without escapes are not copied.

struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  let maximumDepth: Int
  let rules: JSONValue.Rules
  var position = 0
  /// Bytes of the current string without escapes; the buffer is kept to save allocations.
  var unescaped: [UInt8] = []
  /// The first thing that makes the current string no text.
  var flaw: JSONSyntaxError?

  mutating func document() throws(JSONSyntaxError) -> JSONValue {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      throw failure("a byte order mark; the text must begin with the value")
    }
    skipSpace()
    let value = try value(depth: 1)
    skipSpace()
    guard position == bytes.count else { throw failure("more text after the end of the value") }
    return value
  }

  private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    switch current {
    case Byte.quote:
      let text = try string()
      defer { flaw = nil }
      return flaw.map { .unusable($0) } ?? .string(text)
    case Byte.openBrace: return try object(depth: depth)
    case Byte.openBracket: return try array(depth: depth)
    case .some(Byte.minus), .some(Byte.digits): return try number()
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N") where rules == .data: return try word("NaN", .number(.nan))
    case UInt8(ascii: "I") where rules == .data: return try word("Infinity", .number(.infinity))
    case nil: throw failure("the text ends where a value was expected")
    default: throw failure("a value was expected")
    }
  }

  private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    try enter(depth)
    var members: [JSONValue.Member] = []
    var names = NameSet()
    if !take(Byte.closeBrace) {
      repeat {
        skipSpace()
        let start = position
        guard current == Byte.quote else { throw failure("a member's name in double quotes was expected") }
        let name = try string()
        if let flaw { throw flaw }
        let isNew = names.insert(name, after: members)
        guard isNew || rules == .data else { throw repeated(name, at: start) }
        guard take(Byte.colon) else { throw failure("\":\" was expected after a name") }
        skipSpace()
        let value = try value(depth: depth + 1)
        if isNew {
          members.append(JSONValue.Member(name, value))
        } else if let first = members.firstIndex(where: { $0.name.hasSameBytes(as: name) }) {
          members[first].value = .unusable(repeated(name, at: start))
        }
      } while take(Byte.comma)
      guard take(Byte.closeBrace) else { throw failure("\",\" or \"}\" was expected") }
    }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    try enter(depth)
    var elements: [JSONValue] = []
    if !take(Byte.closeBracket) {
      repeat {
        skipSpace()
        elements.append(try value(depth: depth + 1))
      } while take(Byte.comma)
      guard take(Byte.closeBracket) else { throw failure("\",\" or \"]\" was expected") }
    }
    return .array(elements)
  }

  private mutating func enter(_ depth: Int) throws(JSONSyntaxError) {
    guard depth <= maximumDepth else { throw failure("nested deeper than \(maximumDepth) levels") }
    position += 1
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    let end = position + word.utf8CodeUnitCount
    let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    guard end <= bytes.count, bytes[position..<end].elementsEqual(expected) else {
      throw failure("a value was expected")
    }
    position = end
    return value
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    var isInteger = true
    if current == Byte.minus {
      position += 1
      if rules == .data, current == UInt8(ascii: "I") { return try word("Infinity", .number(-.infinity)) }
    }
    let first = position
    try skipDigits()
    guard bytes[first] != UInt8(ascii: "0") || position == first + 1 else {
      throw failure("a number must not begin with 0", at: first)
    }
    if current == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try skipDigits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if current == Byte.minus || current == UInt8(ascii: "+") { position += 1 }
      try skipDigits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let integer = Int64(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite || rules == .data else {
      throw failure("the number is outside the range of fp64", at: start)
    }
    return .number(number)
  }

  private mutating func skipDigits() throws(JSONSyntaxError) {
    let start = position
    while let byte = current, Byte.digits ~= byte { position += 1 }
    guard position > start else { throw failure("a digit was expected") }
  }

  var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  /// Skips white space, then consumes `byte` if it is next.
  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard current == byte else { return false }
    position += 1
    return true
  }

  private func repeated(_ name: String, at start: Int) -> JSONSyntaxError {
    failure("the name \"\(name.prefix(80))\" occurs twice in one object", at: start)
  }

  /// Notes what makes a string no text.
  mutating func note(_ reason: String, at offset: Int) throws(JSONSyntaxError) {
    guard rules == .data else { throw failure(reason, at: offset) }
    if flaw == nil { flaw = failure(reason, at: offset) }
  }

  mutating func noteControlCharacter(at offset: Int) throws(JSONSyntaxError) {
    try note(
      bytes[offset] == 0
        ? "a NUL character in a string must be escaped" : "a control character in a string must be escaped",
      at: offset)
  }

  func failure(_ reason: String, at offset: Int? = nil) -> JSONSyntaxError {
    let offset = min(offset ?? position, bytes.count)
    let line = 1 + bytes[..<offset].count { $0 == 0x0A }
    return JSONSyntaxError(byteOffset: offset, line: line, reason: reason)
  }

  enum Byte {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let minus = UInt8(ascii: "-")
    static let digits: ClosedRange<UInt8> = 0x30...0x39
  }
}

/// The names of one object, compared by bytes: a linear scan for few names, a hash table for many.
private struct NameSet {
  private var slots: [Int32] = []

  /// False if `name` is already among the names of `members`.
  mutating func insert(_ name: String, after members: [JSONValue.Member]) -> Bool {
    if members.count < 8 { return !members.contains { $0.name.hasSameBytes(as: name) } }
    if slots.count < 2 * (members.count + 1) {
      slots = [Int32](repeating: -1, count: max(32, 2 * slots.count))
      for (index, member) in members.enumerated() { slots[slot(of: member.name, in: members)] = Int32(index) }
    }
    let slot = slot(of: name, in: members)
    guard slots[slot] < 0 else { return false }
    slots[slot] = Int32(members.count)
    return true
  }

  /// The slot that holds `name`, or the empty slot where it belongs.
  private func slot(of name: String, in members: [JSONValue.Member]) -> Int {
    var slot = hash(name) & (slots.count - 1)
    while slots[slot] >= 0, !members[Int(slots[slot])].name.hasSameBytes(as: name) {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  /// Hasher is seeded per process, so an attacker cannot prepare a file of colliding names.
  private func hash(_ name: String) -> Int {
    var name = name
    var hasher = Hasher()
    name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return hasher.finalize()
  }
}
