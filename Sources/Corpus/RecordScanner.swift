// Finds the start and end of each record of a text file, a buffer at a time; the parsers check later what is in them.

import Tensors

/// Cuts bytes into records. A record that a buffer does not hold whole is found again in the next one.
struct RecordScanner {
  /// The bytes of a record in its buffer, and the line on which it starts.
  struct Span: Sendable {
    var bytes: Range<Int>
    var line: Int
  }

  enum Mode {
    /// JSON, of which the first line says whether it is lines, an array, or objects over several lines.
    case json
    case lines
    case objects
    /// The elements of an array; `isFirst` before the first one.
    case array(isFirst: Bool)
    case ended
    /// Rows of fields; quotes around a field may hide line ends.
    case rows(separator: UInt8)
    /// Texts between blank lines.
    case paragraphs
    case document
  }

  private(set) var mode: Mode
  private(set) var line = 1
  private let path: String

  init(_ mode: Mode, path: String) { (self.mode, self.path) = (mode, path) }

  /// The next record at or after a place in a buffer.
  /// - Parameters:
  ///   - offset: moves behind the record, or to where the next buffer has to begin.
  ///   - base: the place of the buffer in the file.
  ///   - isLast: whether the file ends with the buffer.
  /// - Returns: nil if the buffer holds no other record.
  /// - Throws: `CorpusError` if an array is malformed between elements.
  mutating func next(
    in bytes: UnsafeRawBufferPointer, at offset: inout Int, base: Int, isLast: Bool
  ) throws -> Span? {
    if base == 0, offset == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    switch mode {
    case .json:
      let first = bytes[offset...].first { !Self.isBlank($0) }
      guard first != nil || isLast else { return nil }
      if first == UInt8(ascii: "[") {
        skipBlanks(bytes, &offset)
        offset += 1
        mode = .array(isFirst: true)
      } else {
        skipBlanks(bytes, &offset)
        guard let (end, _) = lineEnd(bytes, from: offset, isLast) else { return nil }
        let following = bytes[end...].first { !Self.isBlank($0) }
        guard following != nil || isLast else { return nil }
        // A line that is cut short, before another object, is one mistake.
        mode = isSingle(bytes, offset..<end, isCut: following == UInt8(ascii: "{")) ? .lines : .objects
      }
      return try next(in: bytes, at: &offset, base: base, isLast: isLast)
    case .lines: return nextLine(bytes, &offset, isLast)
    case .objects: return try nextObject(bytes, &offset, base, isLast)
    case .array(let isFirst): return try nextElement(bytes, &offset, base, isLast, isFirst)
    case .ended:
      skipBlanks(bytes, &offset)
      guard offset == bytes.count else { throw broken("expected nothing after the array's end", base + offset) }
      return nil
    case .rows(let separator): return nextRow(bytes, &offset, isLast, separator)
    case .paragraphs: return nextParagraph(bytes, &offset, isLast)
    case .document:
      guard isLast, offset < bytes.count else { return nil }
      defer { offset = bytes.count }
      return Span(bytes: offset..<bytes.count, line: 1)
    }
  }

  // MARK: Lines

  /// The end of the line that begins at `start`, and the start of the next; nil if the buffer may not hold its end.
  private func lineEnd(
    _ bytes: UnsafeRawBufferPointer, from start: Int, _ isLast: Bool
  ) -> (end: Int, next: Int)? {
    guard let end = bytes[start...].firstIndex(where: Self.endsLine) else {
      return isLast && start < bytes.count ? (bytes.count, bytes.count) : nil
    }
    // CR LF is one end.
    guard bytes[end] == 0x0D else { return (end, end + 1) }
    guard end + 1 < bytes.count else { return isLast ? (end, end + 1) : nil }
    return (end, bytes[end + 1] == 0x0A ? end + 2 : end + 1)
  }

  private mutating func nextLine(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ isLast: Bool) -> Span? {
    while let (end, next) = lineEnd(bytes, from: offset, isLast) {
      let span = Span(bytes: offset..<end, line: line)
      offset = next
      line += 1
      if !bytes[span.bytes].allSatisfy(Self.isBlank) { return span }
    }
    return nil
  }

  private mutating func nextParagraph(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ isLast: Bool) -> Span? {
    var (place, lines) = (offset, 0)
    var span: Span?
    while let (end, next) = lineEnd(bytes, from: place, isLast) {
      lines += 1
      if bytes[place..<end].allSatisfy(Self.isBlank) {
        if span != nil { break }
        (offset, line, lines) = (next, line + lines, 0)
      } else {
        span = Span(bytes: (span?.bytes.lowerBound ?? place)..<end, line: line)
      }
      place = next
    }
    // Without a blank line after it a paragraph may go on in the next buffer.
    guard let span, isLast || place < bytes.count else { return nil }
    guard isLast || lineEnd(bytes, from: place, isLast) != nil else { return nil }
    (offset, line) = (place, line + lines)
    return span
  }

  /// A row of RFC 4180: a quoted field may hold line ends.
  private mutating func nextRow(
    _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ isLast: Bool, _ separator: UInt8
  ) -> Span? {
    while offset < bytes.count {
      var (place, lines, isQuoted) = (offset, 1, false)
      // Quotes open at a field's start; inside a bare field they are text.
      var mayOpen = true
      while place < bytes.count, isQuoted || !Self.endsLine(bytes[place]) {
        switch bytes[place] {
        case UInt8(ascii: "\"") where isQuoted || mayOpen:
          // After its closing quote another one goes on with the field: it is a quote of the text.
          (isQuoted, mayOpen) = (!isQuoted, isQuoted)
        case 0x0A: lines += 1
        default: mayOpen = bytes[place] == separator
        }
        place += 1
      }
      guard place < bytes.count || isLast else { return nil }
      let isCR = place < bytes.count && bytes[place] == 0x0D
      guard !isCR || place + 1 < bytes.count || isLast else { return nil }
      let span = Span(bytes: offset..<place, line: line)
      offset = min(bytes.count, isCR && place + 1 < bytes.count && bytes[place + 1] == 0x0A ? place + 2 : place + 1)
      line += lines
      if !bytes[span.bytes].allSatisfy(Self.isBlank) { return span }
    }
    return nil
  }

  // MARK: Arrays

  private mutating func nextElement(
    _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ base: Int, _ isLast: Bool, _ isFirst: Bool
  ) throws -> Span? {
    skipBlanks(bytes, &offset)
    if isFirst, offset < bytes.count, bytes[offset] == UInt8(ascii: "]") {
      offset += 1
      mode = .ended
      return try next(in: bytes, at: &offset, base: base, isLast: isLast)
    }
    var (place, lines) = (offset, line)
    guard pass(bytes, &place, &lines, isObject: false) else {
      guard isLast else { return nil }
      line = lines
      throw broken("the file ends inside the array", base + bytes.count)
    }
    guard place > offset else { throw broken("expected an element of the array", base + offset) }
    let span = Span(bytes: offset..<place, line: line)
    mode = bytes[place] == UInt8(ascii: ",") ? .array(isFirst: false) : .ended
    (offset, line) = (place + 1, lines)
    return span
  }

  /// Moves through a value: behind an object's end, or to the comma or bracket after an element.
  /// - Returns: false if that is not in the buffer.
  private func pass(
    _ bytes: UnsafeRawBufferPointer, _ place: inout Int, _ line: inout Int, isObject: Bool
  ) -> Bool {
    var depth = 0
    var inString = false
    while place < bytes.count {
      switch bytes[place] {
      case UInt8(ascii: "\n"): line += 1
      case UInt8(ascii: "\\") where inString: place += 1
      case UInt8(ascii: "\""): inString.toggle()
      case _ where inString: break
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "]") where depth == 0: return true
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
      default: break
      }
      place += 1
      if isObject, depth == 0 { return true }
    }
    return false
  }

  // MARK: Objects

  /// Whether a line is one object, or no object at all, which the parser tells.
  private func isSingle(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>, isCut: Bool) -> Bool {
    guard bytes[line].first == UInt8(ascii: "{") else { return true }
    var (place, lines) = (line.lowerBound, 0)
    let part = UnsafeRawBufferPointer(rebasing: bytes[..<line.upperBound])
    guard pass(part, &place, &lines, isObject: true) else { return isCut }
    return !bytes[place..<line.upperBound].contains(UInt8(ascii: "{"))
  }

  private mutating func nextObject(
    _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ base: Int, _ isLast: Bool
  ) throws -> Span? {
    skipBlanks(bytes, &offset)
    guard offset < bytes.count else { return nil }
    guard bytes[offset] == UInt8(ascii: "{") else { throw broken("expected an object", base + offset) }
    var (place, lines) = (offset, line)
    guard pass(bytes, &place, &lines, isObject: true) else {
      guard isLast else { return nil }
      throw broken("the file ends inside the object that begins here", base + offset)
    }
    defer { (offset, line) = (place, lines) }
    return Span(bytes: offset..<place, line: line)
  }

  private func broken(_ reason: String, _ byte: Int) -> CorpusError {
    let location = RecordLocation(file: path, line: line, byte: byte)
    return .badRecords([RecordMistake(location: location, problem: RecordProblem(reason))])
  }

  // MARK: Bytes

  private mutating func skipBlanks(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) {
    while offset < bytes.count, Self.isBlank(bytes[offset]) {
      if bytes[offset] == UInt8(ascii: "\n") { line += 1 }
      offset += 1
    }
  }

  /// As Python reads text: also CR alone, which old systems write. Inside a JSON string neither stands for itself.
  private static func endsLine(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
}
