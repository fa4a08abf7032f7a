// Writes numbers and tokens as little-endian words: the fast format for messages between ranks.

import Collectives

/// Writes words and tokens.
struct MessageWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ word: Int) { withUnsafeBytes(of: Int64(word).littleEndian) { bytes += $0 } }

  mutating func append(_ number: Double) { append(Int(bitPattern: UInt(number.bitPattern))) }

  mutating func append(tokens: [Int32]) {
    append(tokens.count)
    for token in tokens { withUnsafeBytes(of: token.littleEndian) { bytes += $0 } }
  }

  mutating func append(text: String) {
    append(text.utf8.count)
    bytes += text.utf8
  }

  mutating func append(ranges: [Range<Int>]) {
    append(ranges.count)
    for range in ranges {
      append(range.lowerBound)
      append(range.upperBound)
    }
  }
}

/// Reads the messages of `MessageWriter`. Throws `DamagedMessage` for anything else.
struct MessageReader {
  let bytes: [UInt8]
  private var place = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { place == bytes.count }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - place else { throw DamagedMessage() }
    defer { place += count }
    return bytes[place..<place + count]
  }

  mutating func next() throws -> Int {
    Int(truncatingIfNeeded: try take(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }

  mutating func number() throws -> Double { Double(bitPattern: UInt64(UInt(bitPattern: try next()))) }

  /// The number of following elements. Each has at least one byte.
  mutating func count() throws -> Int {
    let count = try next()
    guard count >= 0, count <= bytes.count - place else { throw DamagedMessage() }
    return count
  }

  mutating func tokens() throws -> [Int32] {
    let count = try count()
    let (size, overflow) = count.multipliedReportingOverflow(by: 4)
    guard !overflow else { throw DamagedMessage() }
    let part = try take(size)
    return (0..<count).map { i in
      let start = part.startIndex + 4 * i
      return Int32(bitPattern: part[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }
  }

  mutating func text() throws -> String { String(decoding: try take(try count()), as: UTF8.self) }

  mutating func ranges() throws -> [Range<Int>] {
    try (0..<(try count())).map { _ in
      let (lower, upper) = (try next(), try next())
      guard lower <= upper else { throw DamagedMessage() }
      return lower..<upper
    }
  }
}
