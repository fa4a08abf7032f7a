// A SHA-256 as four numbers: fit for sets, and ordered as its hexadecimal text is.

package struct ContentDigest: Sendable, Hashable, Comparable {
  static let byteCount = 32

  private let words: SIMD4<UInt64>

  /// - Precondition: 32 bytes.
  package init(_ bytes: [UInt8]) {
    precondition(bytes.count == Self.byteCount, "a digest of \(bytes.count) bytes")
    self = bytes.withUnsafeBytes { Self($0) }
  }

  /// - Precondition: at least 32 bytes.
  init(_ bytes: UnsafeRawBufferPointer) {
    words = SIMD4((0..<4).map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) })
  }

  package var bytes: [UInt8] { (0..<4).flatMap { withUnsafeBytes(of: words[$0].bigEndian, Array.init) } }

  /// 64 lowercase hexadecimal digits.
  package var text: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Half of it, which is enough to tell examples apart.
  package var half: SIMD2<UInt64> { words.lowHalf }

  package static func < (left: Self, right: Self) -> Bool {
    for place in 0..<4 where left.words[place] != right.words[place] { return left.words[place] < right.words[place] }
    return false
  }
}
