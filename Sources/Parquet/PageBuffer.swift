// Memory for an unpacked page, used again for the next one.

import Glibc

final class PageBuffer {
  private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var capacity = 0

  /// The largest page that is unpacked.
  static let maximumBytes = 1000 << 20

  /// Makes room for `count` bytes; those before are gone.
  func resize(to count: Int) throws(ParquetFlaw) {
    // First freed, so that the two are never there at once.
    if count > capacity { release() }
    try grow(to: count)
  }

  /// Makes room for `count` bytes, of which those before stay.
  func grow(to count: Int) throws(ParquetFlaw) {
    guard 0...Self.maximumBytes ~= count else {
      throw ParquetFlaw("a page of \(count) bytes, expected at most \(Self.maximumBytes): write it with smaller pages")
    }
    if count > capacity {
      guard let base = realloc(bytes.baseAddress, count) else {
        throw ParquetFlaw("there is no memory for a page of \(count) bytes")
      }
      (bytes, capacity) = (UnsafeMutableRawBufferPointer(start: base, count: count), count)
    }
    bytes = UnsafeMutableRawBufferPointer(start: bytes.baseAddress, count: count)
  }

  private func release() {
    free(bytes.baseAddress)
    (bytes, capacity) = (UnsafeMutableRawBufferPointer(start: nil, count: 0), 0)
  }

  deinit { free(bytes.baseAddress) }
}
