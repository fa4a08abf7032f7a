// Reads and writes lines on standard input and output in large blocks, but flushes before it waits for input.

import Checkpoints
import Glibc
import Tensors

/// The lines of standard input.
struct LineInput {
  private static let blockBytes = 1 << 20
  private static let maximumLineBytes = 64 << 20

  /// The number, from 1, of the last line that `next` returned.
  private(set) var lineNumber = 0
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false

  /// The next line without its line feed; nil at the end.
  /// - Parameter beforeWaiting: called before more input is read.
  mutating func next(beforeWaiting: () throws -> Void) throws -> [UInt8]? {
    var searched = start
    while true {
      if let feed = buffer[searched...].firstIndex(of: 0x0A) { return take(through: feed) }
      guard buffer.count - start <= Self.maximumLineBytes else {
        throw LineError(line: lineNumber + 1, reason: "longer than \(Self.maximumLineBytes) bytes")
      }
      if isAtEnd { return start < buffer.count ? take(through: buffer.count) : nil }
      try beforeWaiting()
      buffer.removeSubrange(..<start)
      start = 0
      searched = buffer.count
      try readBlock()
    }
  }

  private mutating func take(through end: Int) -> [UInt8] {
    defer { start = min(end + 1, buffer.count) }
    lineNumber += 1
    return Array(buffer[start..<end])
  }

  private mutating func readBlock() throws {
    let block = try [UInt8](unsafeUninitializedCapacity: Self.blockBytes) { block, count in
      let result = uninterrupted { read(0, block.baseAddress, block.count) }
      guard result >= 0 else { throw StreamError(action: "read standard input", code: errno) }
      count = result
    }
    isAtEnd = block.isEmpty
    buffer += block
  }
}

/// Lines for standard output, buffered until `flush`.
struct LineOutput {
  private var buffer: [UInt8] = []

  /// Appends a line with a JSON array of ids.
  mutating func append(_ ids: [Int32]) {
    buffer.append(UInt8(ascii: "["))
    for (index, id) in ids.enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: ",")) }
      appendDecimal(UInt32(bitPattern: id))
    }
    buffer.append(UInt8(ascii: "]"))
    buffer.append(0x0A)
  }

  mutating func append(_ value: JSONValue) {
    buffer += value.serialized().utf8
    buffer.append(0x0A)
  }

  /// Appends text unchanged.
  mutating func append(_ text: String) { buffer += text.utf8 }

  private mutating func appendDecimal(_ number: UInt32) {
    let first = buffer.count
    var rest = number
    repeat {
      buffer.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    buffer[first...].reverse()
  }

  /// Writes the buffer.
  mutating func flush() throws {
    var written = 0
    while written < buffer.count {
      let result = buffer.withUnsafeBytes { bytes in
        let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
        return uninterrupted { write(1, rest.baseAddress, rest.count) }
      }
      guard result >= 0 else { throw StreamError(action: "write standard output", code: errno) }
      written += result
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// A line of standard input that the command cannot read.
struct LineError: UserError {
  let line: Int
  let reason: String

  var description: String { "standard input, line \(line): \(reason)" }
}

/// A mistake in a piece of input. The code that catches it adds the place.
struct InputProblem: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// A standard stream failed.
struct StreamError: Error, CustomStringConvertible {
  let action: String
  let code: Int32

  var description: String { "cannot \(action): \(String(cString: strerror(code)))" }
}
