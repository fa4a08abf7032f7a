// The layout of encoded examples as bytes, in memory or in a mapped file:
//
//   blocks of up to 4096 examples: their tokens, then their entries, of which each has the same size
//   information about the whole, as JSON
//   the offset of each block's entries
//   the trailer, with a SHA-256 over everything but the tokens; tokens are covered by their example's digest
//
// The entries alone say all but the tokens, so that a run plans without reading these. Numbers are little-endian.

import Checkpoints

enum ExampleFormat {
  static let blockSize = 4096
  static let entryBytes = 104
  /// The trailer's numbers, without the hash.
  static let trailerBytes = 112
  static let magic: [UInt8] = Array("SHOALEX1".utf8)
}

/// An example without its tokens, as it stands in the bytes.
struct ExampleEntry {
  // 0 offset, 8 index, 16 length of the prompt, 20 of the completions (the second may be 0), 28 numbers of ranges that are not
  // scored (-1 if all is), 36 special tokens that end the completions (-1 if none does), 44 left out, 48 flags, 56 digest of
  // the prompt, 72 digest.
  private let bytes: UnsafeRawBufferPointer

  /// - Precondition: as many bytes as an entry has.
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private func number<Number: FixedWidthInteger>(_ place: Int, _: Number.Type) -> Number {
    Number(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Number.self))
  }
  private func small(_ place: Int) -> Int { Int(number(place, Int32.self)) }

  /// The place of the example's tokens: prompt, completions, then the bounds of what is not scored; 32 bits each.
  var offset: Int { Int(number(0, Int64.self)) }
  var index: Int { Int(number(8, Int64.self)) }
  var promptCount: Int { small(16) }
  /// One or two.
  var completionCounts: [Int] { small(24) == 0 ? [small(20)] : [small(20), small(24)] }
  /// The number of ranges of each completion that are not scored; empty if all is.
  var gapCounts: [Int] { small(28) < 0 ? [] : completionCounts.indices.map { small(28 + 4 * $0) } }
  /// The special tokens that end the completions.
  var ends: [Int32] { [36, 40].map { number($0, Int32.self) }.filter { $0 >= 0 } }
  var leftOut: Int { small(44) }
  private var flags: Int { small(48) }
  var label: Bool? { flags & 3 == 0 ? nil : flags & 3 == 2 }
  var scoresPrompt: Bool { flags & 4 != 0 }
  var prompt: SIMD2<UInt64> { SIMD2(number(56, UInt64.self), number(64, UInt64.self)) }
  var digest: ContentDigest { ContentDigest(UnsafeRawBufferPointer(rebasing: bytes[72...])) }

  var tokenCount: Int { small(16) + small(20) + small(24) }

  /// Whether what it says is possible, and its tokens lie within the first `count` bytes.
  func isSound(within count: Int) -> Bool {
    guard index >= 0, leftOut >= 0, promptCount > 0, small(20) > 0, small(24) >= 0, 0...7 ~= flags,
      gapCounts.allSatisfy({ $0 >= 0 })
    else { return false }
    let byteCount = 4 * (tokenCount + 2 * gapCounts.reduce(0, +))
    return 0...count ~= offset && offset % 4 == 0 && byteCount <= count - offset
  }

  /// Appends the entry of an example whose tokens stand at `offset`.
  static func append(
    _ row: EncodedRow, index: Int, offset: Int, prompt: SIMD2<UInt64>, to bytes: inout [UInt8]
  ) {
    func put(_ number: some FixedWidthInteger) {
      withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
    func pair(_ numbers: [Int32], else absent: Int32) {
      for place in 0..<2 { put(place < numbers.count ? numbers[place] : absent) }
    }
    let tree = row.tree
    precondition(1...2 ~= tree.completions.count, "an example of \(tree.completions.count) completions")
    put(Int64(offset))
    put(Int64(index))
    put(Int32(tree.prompt.count))
    pair(tree.completions.map { Int32($0.count) }, else: 0)
    pair(tree.unscored.map { Int32($0.count) }, else: -1)
    pair(row.ends.map { $0 ?? -1 }, else: -1)
    put(Int32(tree.leftOut))
    put(UInt64((tree.label.map { $0 ? 2 : 1 } ?? 0) + (tree.scoresPrompt ? 4 : 0)))
    put(prompt[0])
    put(prompt[1])
    bytes += row.digest.bytes
  }
}

/// An example with what is kept about it.
struct EncodedRow: Sendable {
  let tree: ExampleTree
  /// The special token that ends each completion.
  let ends: [Int32?]
  let digest: ContentDigest
}

/// The numbers at the end.
struct ExampleTrailer: Equatable {
  /// What the examples were made from, and the program that made them: SHA-256 each.
  var key, maker: ContentDigest
  var examples: Int
  var information, directory: Range<Int>

  func append(to bytes: inout [UInt8]) {
    bytes += ExampleFormat.magic + key.bytes + maker.bytes
    for number in [
      examples, information.lowerBound, information.upperBound, directory.lowerBound, directory.upperBound,
    ] {
      withUnsafeBytes(of: Int64(number).littleEndian) { bytes.append(contentsOf: $0) }
    }
  }

  /// Nil if the bytes are no trailer of a file whose other bytes are `end`.
  init?(_ bytes: UnsafeRawBufferPointer, end: Int) {
    guard bytes.prefix(8).elementsEqual(ExampleFormat.magic) else { return nil }
    key = ContentDigest(UnsafeRawBufferPointer(rebasing: bytes[8...]))
    maker = ContentDigest(UnsafeRawBufferPointer(rebasing: bytes[40...]))
    let numbers = (0..<5).map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 72 + 8 * $0, as: Int64.self)) }
    guard 1...Int64(Int32.max) ~= numbers[0], zip(numbers[1...], numbers[2...]).allSatisfy({ $0 <= $1 }),
      numbers[1] >= 0, numbers[4] == end
    else { return nil }
    examples = Int(numbers[0])
    information = Int(numbers[1])..<Int(numbers[2])
    directory = Int(numbers[3])..<Int(numbers[4])
  }

  init(key: ContentDigest, maker: ContentDigest, examples: Int, information: Range<Int>, directory: Range<Int>) {
    (self.key, self.maker, self.examples) = (key, maker, examples)
    (self.information, self.directory) = (information, directory)
  }
}
