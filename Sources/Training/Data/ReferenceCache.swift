// Caches reference log-probs. They depend only on the frozen model, the numerics and the tokens.

import Checkpoints
package import Corpus
import Tensors

/// Sums of reference log-probs by content, in one file per (model, numerics).
package struct ReferenceCache {
  /// Change this whenever a kernel's rounding changes, so that the sums of older arithmetic are not used.
  static let numerics = "fp32-2"

  private let path: String
  private let key: String
  private var sums: [String: [Double]] = [:]

  /// Opens the cache of a model. A missing or damaged file is an empty cache.
  /// - Parameter directory: the directory of the caches; nil keeps the cache in memory only.
  package init(directory: String?, modelHash: String) {
    let key = ContentHash.sha256(of: Array("\(modelHash) \(Self.numerics) \(Machine.vectorLevel)".utf8))
    self.key = key
    path = directory.map { "\($0)/\(key).safetensors" } ?? ""
    if !path.isEmpty { sums = Self.read(path, key: key) ?? [:] }
  }

  /// The sums of a tree's completions, in order.
  package func sums(of tree: ExampleTree) -> [Double]? {
    guard let found = sums[Self.name(tree)], found.count == tree.completions.count else { return nil }
    return found
  }

  package mutating func insert(_ found: [Double], for tree: ExampleTree) { sums[Self.name(tree)] = found }

  /// Writes the file, merged with the sums that other runs wrote in the meantime.
  /// - Throws: `WriteError`.
  package func save() throws {
    guard !path.isEmpty else { return }
    try CacheDirectory.create(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    let all = (Self.read(path, key: key) ?? [:]).merging(sums) { _, ours in ours }
    let entries = all.sorted { $0.key < $1.key }
    let width = entries.map(\.value.count).max() ?? 0
    let digests = entries.flatMap { Array($0.key.utf8) }
    let numbers = entries.flatMap { entry in
      (0..<width).map { $0 < entry.value.count ? Int64(bitPattern: entry.value[$0].bitPattern) : Self.absent }
    }
    let tensors = [
      OutgoingTensor(name: "sums", type: .int64, shape: [entries.count, width]) { emit in
        try numbers.withUnsafeBytes(emit)
      },
      OutgoingTensor(name: "digests", type: .uint8, shape: [entries.count, Self.digestWidth]) { emit in
        try digests.withUnsafeBytes(emit)
      },
    ]
    try AtomicFile.write(to: path) {
      try SafetensorsWriter.write(tensors, metadata: ["key": key, "sha256": Self.check(digests, numbers)], to: $0)
    }
  }

  /// Marks a completion that an entry does not have. No real sum is a NaN with this payload.
  private static let absent = Int64(bitPattern: 0x7ff8_0000_5348_4f41)
  private static let digestWidth = 64

  private static func name(_ tree: ExampleTree) -> String {
    tree.contentDigest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private static func check(_ digests: [UInt8], _ numbers: [Int64]) -> String {
    ContentHash.sha256(of: digests + numbers.withUnsafeBytes { Array($0) })
  }

  private static func read(_ path: String, key: String) -> [String: [Double]]? {
    guard let file = try? SafetensorsFile(path: path), file.metadata["key"] == key,
      let digestEntry = file.tensors["digests"], digestEntry.type == .uint8, digestEntry.shape.count == 2,
      digestEntry.shape[1] == digestWidth, let sumEntry = file.tensors["sums"], sumEntry.type == .int64,
      sumEntry.shape.count == 2, sumEntry.shape[0] == digestEntry.shape[0]
    else { return nil }
    let digests = Array(file.bytes(of: digestEntry))
    let bytes = file.bytes(of: sumEntry)
    let numbers = (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) }
    guard file.metadata["sha256"] == check(digests, numbers) else { return nil }
    let width = sumEntry.shape[1]
    var sums: [String: [Double]] = [:]
    for entry in 0..<digestEntry.shape[0] {
      let digest = String(decoding: digests[entry * digestWidth..<(entry + 1) * digestWidth], as: UTF8.self)
      sums[digest] = numbers[entry * width..<(entry + 1) * width].filter { $0 != absent }.map {
        Double(bitPattern: UInt64(bitPattern: $0))
      }
    }
    return sums
  }
}
