// Memory for an unpacked page, used again for the next one.

import Glibc

final class PageBuffer {
  private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var capacity = 0

  /// The largest page that is unpacked.
  static let maximumBytes = 1000 << 20

  /// Makes room for `count` bytes; those before are gone.
  func resize(to count: Int) throws(ParquetFlaw) {
    guard 0...Self.maximumBytes ~= count else {
      throw ParquetFlaw("a page of \(count) bytes, expected at most \(Self.maximumBytes): write it with smaller pages")
    }
    if count > capacity {
      free(bytes.baseAddress)
      (bytes, capacity) = (UnsafeMutableRawBufferPointer(start: nil, count: 0), 0)
      guard let base = malloc(count) else { throw ParquetFlaw("there is no memory for a page of \(count) bytes") }
      (bytes, capacity) = (UnsafeMutableRawBufferPointer(start: base, count: count), count)
    }
    bytes = UnsafeMutableRawBufferPointer(start: bytes.baseAddress, count: count)
  }

  /// Makes room for `count` bytes, of which the first `kept` stay.
  func grow(to count: Int, keeping kept: Int) throws(ParquetFlaw) {
    let before = [UInt8](bytes[..<kept])
    try resize(to: count)
    bytes.copyBytes(from: before)
  }

  deinit { free(bytes.baseAddress) }
}
