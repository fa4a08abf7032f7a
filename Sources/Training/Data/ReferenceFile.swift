// The file of a reference cache: rows of sums, sorted by the digests of their examples.

import Checkpoints
import Corpus
import Glibc
import Tensors

/// A mapped file of reference sums.
final class ReferenceFile {
  /// Marks a completion that a row does not have. No real sum is a NaN with this payload.
  private static let absent = Int64(bitPattern: 0x7ff8_0000_5348_4f41)
  /// Digests are hexadecimal text.
  private static let digestWidth = 64

  private let file: SafetensorsFile
  private let digests: UnsafeRawBufferPointer
  private let numbers: UnsafeRawBufferPointer
  private let count: Int
  /// The most sums of a row.
  private let width: Int

  /// Maps and checks a file; nil if it is missing, damaged or has another key.
  init?(_ path: String, key: String) {
    guard let file = try? SafetensorsFile(path: path), file.metadata["key"] == key,
      let digestEntry = file.tensors["digests"], digestEntry.type == .uint8, digestEntry.shape.count == 2,
      digestEntry.shape[1] == Self.digestWidth, let sumEntry = file.tensors["sums"], sumEntry.type == .int64,
      sumEntry.shape.count == 2, sumEntry.shape[0] == digestEntry.shape[0]
    else { return nil }
    (self.file, count, width) = (file, digestEntry.shape[0], sumEntry.shape[1])
    (digests, numbers) = (file.bytes(of: digestEntry), file.bytes(of: sumEntry))
    let hash = SHA256()
    hash.append(digests)
    hash.append(numbers)
    guard file.metadata["sha256"] == hash.text else { return nil }
  }

  /// The row of an example.
  func row(of digest: ContentDigest) -> Int? {
    let wanted = Array(digest.text.utf8)
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      let order = compare(middle, wanted)
      if order == 0 { return middle }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// The sums of a row.
  func sums(_ row: Int) -> [Double] {
    (0..<width).map { number(row, $0) }.filter { $0 != Self.absent }.map { Double(bitPattern: UInt64(bitPattern: $0)) }
  }

  private func compare(_ row: Int, _ digest: [UInt8]) -> Int32 {
    digest.withUnsafeBytes { wanted in
      guard let own = digests.baseAddress, let wanted = wanted.baseAddress else { return 0 }
      return memcmp(own + row * Self.digestWidth, wanted, Self.digestWidth)
    }
  }

  private func number(_ row: Int, _ place: Int) -> Int64 {
    place < width
      ? numbers.loadUnaligned(fromByteOffset: 8 * (row * width + place), as: Int64.self) : Self.absent
  }

  // MARK: Writing

  /// Writes a file with the sums of both; where both have some, with the new ones.
  /// - Throws: `WriteError`.
  static func write(
    _ fresh: [ContentDigest: [Double]], mergedWith old: ReferenceFile?, to path: String, key: String
  ) throws {
    let new = fresh.sorted { $0.key < $1.key }.map { (digest: Array($0.key.text.utf8), sums: $0.value) }
    let width = max(new.map(\.sums.count).max() ?? 0, old?.width ?? 0)
    /// The rows in order: of the old file, or -1 - the place among the new ones.
    var rows: [Int] = []
    var row = 0
    for (place, entry) in new.enumerated() {
      while let old, row < old.count, old.compare(row, entry.digest) < 0 {
        rows.append(row)
        row += 1
      }
      if let old, row < old.count, old.compare(row, entry.digest) == 0 { row += 1 }
      rows.append(-1 - place)
    }
    if let old { rows += row..<old.count }
    let digests = rows.lazy.map { row in
      guard row >= 0, let old else { return new[-1 - row].digest }
      return Array(old.digests[row * digestWidth..<(row + 1) * digestWidth])
    }
    let numbers = rows.lazy.map { row in
      let numbers = (0..<width).map { place in
        guard row < 0 else { return old?.number(row, place) ?? absent }
        let sums = new[-1 - row].sums
        return place < sums.count ? Int64(bitPattern: sums[place].bitPattern) : absent
      }
      return numbers.withUnsafeBytes(Array.init)
    }
    let hash = SHA256()
    pass(digests, to: hash.append)
    pass(numbers, to: hash.append)
    let tensors = [
      OutgoingTensor(name: "sums", type: .int64, shape: [rows.count, width]) { try pass(numbers, to: $0) },
      OutgoingTensor(name: "digests", type: .uint8, shape: [rows.count, digestWidth]) { try pass(digests, to: $0) },
    ]
    try AtomicFile.write(to: path) {
      try SafetensorsWriter.write(tensors, metadata: ["key": key, "sha256": hash.text], to: $0)
    }
  }

  /// Passes many small pieces on as few large ones.
  private static func pass(
    _ pieces: some Sequence<[UInt8]>, to emit: (UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    var buffer: [UInt8] = []
    for piece in pieces {
      buffer += piece
      guard buffer.count >= 1 << 20 else { continue }
      try buffer.withUnsafeBytes(emit)
      buffer.removeAll(keepingCapacity: true)
    }
    try buffer.withUnsafeBytes(emit)
  }
}
