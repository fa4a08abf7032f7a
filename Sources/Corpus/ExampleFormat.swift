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

/// An example without its tokens.
struct ExampleEntry: Equatable {
  /// The place of the example's tokens: prompt, completions, then the bounds of what is not scored; 32 bits each.
  var offset = 0
  var index = 0
  var promptCount = 0
  /// One or two.
  var completionCounts: [Int] = []
  /// The ranges of each completion that are not scored; empty if all is.
  var gapCounts: [Int] = []
  var leftOut = 0
  var label: Bool?
  var scoresPrompt = false
  /// For each completion the special token that ends it.
  var ends: [Int32?] = []
  var prompt = SIMD2<UInt64>()
  var digest: ContentDigest

  var tokenCount: Int { promptCount + completionCounts.reduce(0, +) }
  /// Of the tokens and bounds.
  var byteCount: Int { 4 * (tokenCount + 2 * gapCounts.reduce(0, +)) }

  // Offsets in an entry: 0 offset, 8 index, 16 prompt, 20 completions, 28 gaps, 36 ends, 44 left out, 48 flags, 56 prompt's
  // digest, 72 digest.
  private static let absent: Int32 = -1

  func append(to bytes: inout [UInt8]) {
    func put(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
    func pair(_ numbers: [Int], else absent: Int32) {
      for place in 0..<2 { put(place < numbers.count ? Int32(numbers[place]) : absent) }
    }
    put(Int64(offset))
    put(Int64(index))
    put(Int32(promptCount))
    pair(completionCounts, else: 0)
    pair(gapCounts, else: Self.absent)
    for place in 0..<2 { put((place < ends.count ? ends[place] : nil) ?? Self.absent) }
    put(Int32(leftOut))
    put(UInt64((label.map { $0 ? 2 : 1 } ?? 0) + (scoresPrompt ? 4 : 0)))
    put(prompt[0])
    put(prompt[1])
    bytes += digest.bytes
  }

  /// - Parameter bytes: of the entry.
  init(_ bytes: UnsafeRawBufferPointer) {
    func number<Number: FixedWidthInteger>(_ place: Int, _: Number.Type) -> Number {
      Number(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Number.self))
    }
    func small(_ place: Int) -> Int { Int(number(place, Int32.self)) }
    offset = Int(number(0, Int64.self))
    index = Int(number(8, Int64.self))
    promptCount = small(16)
    completionCounts = small(24) == 0 ? [small(20)] : [small(20), small(24)]
    gapCounts = small(28) < 0 ? [] : completionCounts.indices.map { small(28 + 4 * $0) }
    ends = completionCounts.indices.map { number(36 + 4 * $0, Int32.self) }.map { $0 < 0 ? nil : $0 }
    leftOut = small(44)
    let flags = number(48, UInt64.self)
    label = flags & 3 == 0 ? nil : flags & 3 == 2
    scoresPrompt = flags & 4 != 0
    prompt = SIMD2(number(56, UInt64.self), number(64, UInt64.self))
    digest = ContentDigest(UnsafeRawBufferPointer(rebasing: bytes[72...]))
  }

  init(_ tree: ExampleTree, offset: Int, ends: [Int32?], prompt: SIMD2<UInt64>, digest: ContentDigest) {
    precondition(1...2 ~= tree.completions.count, "an example of \(tree.completions.count) completions")
    (self.offset, self.ends, self.prompt, self.digest) = (offset, ends, prompt, digest)
    (index, promptCount, leftOut) = (tree.index, tree.prompt.count, tree.leftOut)
    completionCounts = tree.completions.map(\.count)
    gapCounts = tree.unscored.map(\.count)
    (label, scoresPrompt) = (tree.label, tree.scoresPrompt)
  }

  /// Whether what it says is possible, and its tokens lie within the first `count` bytes.
  func isSound(within count: Int) -> Bool {
    guard index >= 0, leftOut >= 0, promptCount > 0, completionCounts.allSatisfy({ $0 > 0 }),
      gapCounts.allSatisfy({ $0 >= 0 })
    else { return false }
    return 0...count ~= offset && offset % 4 == 0 && byteCount <= count - offset
  }
}

/// The numbers at the end.
struct ExampleTrailer: Equatable {
  /// What the examples were made from, and the program that made them: SHA-256 each.
  var key, maker: ContentDigest
  var examples: Int
  var information, directory: Range<Int>

  func append(to bytes: inout [UInt8]) {
    bytes += ExampleFormat.magic + key.bytes + maker.bytes
    for number in [examples, information.lowerBound, information.upperBound, directory.lowerBound, directory.upperBound] {
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
