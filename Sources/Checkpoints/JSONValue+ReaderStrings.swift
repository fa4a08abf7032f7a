// Parses strings and checks all their escapes.

extension JSONReader {
  mutating func string() throws(JSONSyntaxError) -> String {
    position += 1
    let start = position
    var end = position
    while end < bytes.count {
      let byte = bytes[end]
      if byte == Byte.quote {
        position = end + 1
        return try decoded(bytes[start..<end], at: start)
      }
      if byte == Byte.backslash { return try stringWithEscapes(start: start, escape: end) }
      if byte < 0x20 { try noteControlCharacter(at: end) }
      end += 1
    }
    throw failure("the string has no end", at: start - 1)
  }

  private mutating func stringWithEscapes(start: Int, escape: Int) throws(JSONSyntaxError) -> String {
    unescaped.removeAll(keepingCapacity: true)
    unescaped.append(contentsOf: bytes[start..<escape])
    position = escape
    while let byte = current {
      switch byte {
      case Byte.quote:
        position += 1
        return try unescaped.withUnsafeBytes { buffer in
          Result { () throws(JSONSyntaxError) in try decoded(buffer[...], at: start) }
        }.get()
      case Byte.backslash: try takeEscape()
      default:
        if byte < 0x20 { try noteControlCharacter(at: position) }
        unescaped.append(byte)
        position += 1
      }
    }
    throw failure("the string has no end", at: start - 1)
  }

  private mutating func takeEscape() throws(JSONSyntaxError) {
    let start = position
    position += 2
    switch start + 1 < bytes.count ? bytes[start + 1] : 0 {
    case Byte.quote: unescaped.append(Byte.quote)
    case Byte.backslash: unescaped.append(Byte.backslash)
    case UInt8(ascii: "/"): unescaped.append(UInt8(ascii: "/"))
    case UInt8(ascii: "b"): unescaped.append(0x08)
    case UInt8(ascii: "f"): unescaped.append(0x0C)
    case UInt8(ascii: "n"): unescaped.append(0x0A)
    case UInt8(ascii: "r"): unescaped.append(0x0D)
    case UInt8(ascii: "t"): unescaped.append(0x09)
    case UInt8(ascii: "u"):
      let scalar = try takeScalar(start: start)
      if scalar.value == 0, rules == .strict { throw failure("a NUL character in a string", at: start) }
      unescaped.append(contentsOf: scalar.utf8)
    default: throw failure("an unknown escape", at: start)
    }
  }

  /// The scalar of `\uXXXX` or of a surrogate pair `\uXXXX\uXXXX`; `position` is at its digits.
  private mutating func takeScalar(start: Int) throws(JSONSyntaxError) -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, position + 1 < bytes.count,
      bytes[position] == Byte.backslash, bytes[position + 1] == UInt8(ascii: "u")
    else { return try halfOfPair(start) }
    let next = position
    position += 2
    let second = try hexadecimal()
    guard 0xDC00..<0xE000 ~= second, let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else {
      position = next
      return try halfOfPair(start)
    }
    return scalar
  }

  private mutating func halfOfPair(_ start: Int) throws(JSONSyntaxError) -> Unicode.Scalar {
    try note("half of a surrogate pair", at: start)
    return "\u{FFFD}"
  }

  private mutating func hexadecimal() throws(JSONSyntaxError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      switch current {
      case .some(let byte) where Byte.digits ~= byte: value = value << 4 | UInt32(byte - 0x30)
      case .some(let byte) where 0x41...0x46 ~= byte || 0x61...0x66 ~= byte:
        value = value << 4 | UInt32(byte & 0xDF - 0x37)
      default: throw failure("four hexadecimal digits were expected after \\u")
      }
      position += 1
    }
    return value
  }

  private mutating func decoded(_ slice: Slice<UnsafeRawBufferPointer>, at start: Int) throws(JSONSyntaxError) -> String
  {
    let text = UnsafeRawBufferPointer(rebasing: slice).withMemoryRebound(to: UInt8.self) {
      String(validating: $0, as: UTF8.self)
    }
    if let text { return text }
    try note("the string is not valid UTF-8", at: start)
    return ""
  }
}
