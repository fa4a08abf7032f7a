// Writes encoded examples one after the other, so that none stays in memory.

import Checkpoints

extension EncodedRow {
  init(_ tree: ExampleTree, _ tokenizer: Tokenizer) {
    self.init(
      tree: tree, ends: tree.completions.map { Self.end(of: $0, tokenizer) }, digest: tree.contentDigest)
  }

  /// The special token before nothing but special tokens and line feeds at the end of a completion; a text that was cut
  /// has none.
  private static func end(of completion: [Int32], _ tokenizer: Tokenizer) -> Int32? {
    var end: Int32?
    for id in completion.reversed() {
      guard tokenizer.isSpecial(id) || tokenizer.decode([id]) == "\n" else { break }
      if tokenizer.isSpecial(id) { end = id }
    }
    return end
  }
}

/// Writes examples in the layout of `ExampleFormat`.
final class ExampleWriter {
  private let emit: (UnsafeRawBufferPointer) throws -> Void
  private let hash = SHA256()
  private var pending: [UInt8] = []
  private var entries: [UInt8] = []
  private var blocks: [Int] = []
  /// Bytes before `pending`.
  private var emitted = 0
  private(set) var count = 0

  /// - Parameter emit: receives all bytes, front to back.
  init(emit: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.emit = emit }

  private var offset: Int { emitted + pending.count }

  /// - Parameter prompt: the digest of the record's prompt.
  func append(_ row: EncodedRow, index: Int, prompt: SIMD2<UInt64>) throws {
    precondition(count < Int32.max, "more than \(Int32.max) examples")
    ExampleEntry.append(row, index: index, offset: offset, prompt: prompt, to: &entries)
    count += 1
    append(numbers: row.tree.prompt)
    for completion in row.tree.completions { append(numbers: completion) }
    for gaps in row.tree.unscored { append(numbers: gaps.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }) }
    if count % ExampleFormat.blockSize == 0 { try endBlock() }
    if pending.count >= 1 << 20 { try flush() }
  }

  /// Writes what follows the examples.
  /// - Parameters:
  ///   - key, maker: as in `ExampleTrailer`.
  ///   - information: about all examples.
  func finish(key: ContentDigest, maker: ContentDigest, information: [UInt8]) throws {
    if !entries.isEmpty { try endBlock() }
    let start = offset
    pending += information
    let middle = offset
    for block in blocks { withUnsafeBytes(of: Int64(block).littleEndian) { pending.append(contentsOf: $0) } }
    ExampleTrailer(
      key: key, maker: maker, examples: count, information: start..<middle, directory: middle..<offset
    ).append(to: &pending)
    pending.withUnsafeBytes { hash.append(UnsafeRawBufferPointer(rebasing: $0[(start - emitted)...])) }
    pending += hash.digest
    try flush()
  }

  private func append(numbers: [Int32]) {
    numbers.map { $0.littleEndian }.withUnsafeBytes { pending.append(contentsOf: $0) }
  }

  private func endBlock() throws {
    hash.append(entries)
    blocks.append(offset)
    pending += entries
    entries.removeAll(keepingCapacity: true)
    try flush()
  }

  private func flush() throws {
    try pending.withUnsafeBytes(emit)
    emitted += pending.count
    pending.removeAll(keepingCapacity: true)
  }
}
