// Encoded examples as bytes, in memory or in a mapped file.

import Checkpoints
import Glibc
import Synchronization
import Tensors

/// An example whose tokens are not those that were written.
package struct DamagedExamples: Error, CustomStringConvertible {
  /// nil: in memory.
  let path: String?
  let example: Int

  package var description: String {
    let change = "the tokens of example \(example) (counted from 0) have changed since they were written"
    guard let path else { return "\(change): the memory of this machine is at fault" }
    return "\(path): \(change): the file is removed, and the same command makes it again from the data"
  }
}

/// Encoded examples, in the layout of `ExampleFormat`. Opening them checks everything but the tokens, which are checked
/// where they are read.
final class ExampleBytes: Sendable {
  /// Examples that are read before their pages are released. A read may map as much as 64 KiB.
  private static let keptReads = 1024

  nonisolated(unsafe) private let bytes: UnsafeRawBufferPointer
  private let file: MappedFile?
  private let memory: MemoryOutput?
  private let trailer: ExampleTrailer
  /// The offsets of each block's entries.
  private let blocks: [Int]
  private let reads = Atomic(0)

  /// Maps a file.
  /// - Parameters:
  ///   - key, maker: as in `ExampleTrailer`.
  /// - Throws: `FileError` if it cannot be mapped; `ContentError` if it is damaged or something else.
  init(path: String, key: ContentDigest, maker: ContentDigest) throws {
    let file = try MappedFile(path: path)
    (self.file, memory, bytes) = (file, nil, file.bytes)
    guard let (trailer, blocks) = Self.parsed(file.bytes), trailer.key == key, trailer.maker == maker else {
      throw ContentError(path, "is not whole", expected: "the examples that were written to it")
    }
    (self.trailer, self.blocks) = (trailer, blocks)
  }

  /// - Throws: `ContentError` if the bytes are not those of examples.
  init(_ memory: MemoryOutput) throws {
    (file, self.memory, bytes) = (nil, memory, memory.bytes)
    guard let (trailer, blocks) = Self.parsed(memory.bytes) else {
      throw ContentError("memory", "holds no examples", expected: "what was written to it")
    }
    (self.trailer, self.blocks) = (trailer, blocks)
  }

  var count: Int { trailer.examples }

  /// What was written about all examples.
  var information: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[trailer.information]) }

  /// Example `place` without its tokens.
  func entry(_ place: Int) -> ExampleEntry {
    let (block, number) = place.quotientAndRemainder(dividingBy: ExampleFormat.blockSize)
    let start = blocks[block] + number * ExampleFormat.entryBytes
    return ExampleEntry(UnsafeRawBufferPointer(rebasing: bytes[start..<start + ExampleFormat.entryBytes]))
  }

  /// Example `place`.
  /// - Throws: `DamagedExamples`; its file is removed.
  func tree(_ place: Int) throws(DamagedExamples) -> ExampleTree {
    let entry = entry(place)
    var offset = entry.offset
    func numbers(_ count: Int) -> [Int32] {
      defer { offset += 4 * count }
      return [Int32](unsafeUninitializedCapacity: count) { buffer, initialized in
        UnsafeMutableRawBufferPointer(buffer).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 4 * count]))
        for place in 0..<count { buffer[place] = Int32(littleEndian: buffer[place]) }
        initialized = count
      }
    }
    var tree = ExampleTree(
      index: entry.index, prompt: numbers(entry.promptCount), completions: entry.completionCounts.map(numbers),
      label: entry.label, scoresPrompt: entry.scoresPrompt)
    tree.leftOut = entry.leftOut
    let bounds = entry.gapCounts.map { numbers(2 * $0).map(Int.init) }
    let isSound = bounds.allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } }
    if isSound {
      tree.unscored = bounds.map { bounds in
        stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
      }
    }
    release()
    // A digest is of what is well formed: a bound may be negative by now.
    guard isSound, tree.isWellFormed, tree.contentDigest == entry.digest else {
      if let file { unlink(file.path) }
      throw DamagedExamples(path: file?.path, example: place)
    }
    return tree
  }

  /// Now and then gives the pages back that reading has mapped: the system keeps what it has room for.
  private func release() {
    guard let file, reads.wrappingAdd(1, ordering: .relaxed).newValue % Self.keptReads == 0 else { return }
    file.release(bytes)
  }

  /// Checks everything but the tokens.
  private static func parsed(_ bytes: UnsafeRawBufferPointer) -> (ExampleTrailer, blocks: [Int])? {
    let end = bytes.count - ExampleFormat.trailerBytes - SHA256.byteCount
    guard end >= 0,
      let trailer = ExampleTrailer(
        UnsafeRawBufferPointer(rebasing: bytes[end..<end + ExampleFormat.trailerBytes]), end: end)
    else { return nil }
    let count = (trailer.examples - 1) / ExampleFormat.blockSize + 1
    guard trailer.directory.count == 8 * count else { return nil }
    let blocks = (0..<count).map {
      Int(
        Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: trailer.directory.lowerBound + 8 * $0, as: Int64.self)))
    }
    let hash = SHA256()
    for (number, start) in blocks.enumerated() {
      let examples = min(ExampleFormat.blockSize, trailer.examples - number * ExampleFormat.blockSize)
      let size = examples * ExampleFormat.entryBytes
      guard 0...trailer.information.lowerBound ~= start, size <= trailer.information.lowerBound - start else {
        return nil
      }
      let entries = UnsafeRawBufferPointer(rebasing: bytes[start..<start + size])
      hash.append(entries)
      for place in 0..<examples {
        let first = place * ExampleFormat.entryBytes
        let entry = ExampleEntry(UnsafeRawBufferPointer(rebasing: entries[first..<first + ExampleFormat.entryBytes]))
        guard entry.isSound(within: start) else { return nil }
      }
    }
    hash.append(
      UnsafeRawBufferPointer(rebasing: bytes[trailer.information.lowerBound..<end + ExampleFormat.trailerBytes]))
    guard hash.digest.elementsEqual(bytes[(end + ExampleFormat.trailerBytes)...]) else { return nil }
    return (trailer, blocks)
  }
}

/// Bytes in memory, written front to back.
final class MemoryOutput: @unchecked Sendable {
  // Sendable because nothing is written once it is shared.
  private var start: UnsafeMutableRawPointer?
  private var capacity = 0
  private let limit: Int?
  private(set) var count = 0

  /// - Parameter limit: the most bytes that it may hold.
  init(limit: Int? = nil) { self.limit = limit }

  deinit { free(start) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// - Throws: `WriteError` if there is no memory for them.
  func append(_ added: UnsafeRawBufferPointer) throws(WriteError) {
    if count + added.count > capacity {
      let wanted = max(count + added.count, 2 * capacity)
      // Moves large blocks without copying them.
      guard count + added.count <= limit ?? .max, let larger = realloc(start, wanted) else {
        throw WriteError(path: "memory", action: "hold the examples", code: ENOMEM)
      }
      (start, capacity) = (larger, wanted)
    }
    if let base = added.baseAddress, let start { memcpy(start + count, base, added.count) }
    count += added.count
  }
}
