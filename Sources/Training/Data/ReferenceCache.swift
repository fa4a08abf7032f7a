// Caches reference log-probs. They depend only on the frozen model, the numerics and the tokens.

import Checkpoints
package import Corpus
import Runtime
import Tensors

/// Sums of reference log-probs by content, in one file per (model, numerics). What is in the file stays there, mapped.
package struct ReferenceCache {
  /// Change this whenever a kernel's rounding changes, so that the sums of older arithmetic are not used.
  static let numerics = "fp32-3"
  /// The share of the time that may go into saving.
  private static let savingShare = 0.02

  private let path: String
  private let key: String
  private var saved: ReferenceFile?
  private var fresh: [ContentDigest: [Double]] = [:]
  private var lastSave = (at: ContinuousClock.now, seconds: 0.0)

  /// Opens the cache of a model. A missing or damaged file is an empty cache.
  /// - Parameter directory: the directory of the caches; nil keeps the cache in memory only.
  package init(directory: String?, modelHash: String) {
    let key = ContentHash.sha256(of: Array("\(modelHash) \(Self.numerics) \(Machine.vectorLevel)".utf8))
    self.key = key
    path = directory.map { "\($0)/\(key).safetensors" } ?? ""
    if !path.isEmpty { saved = ReferenceFile(path, key: key) }
  }

  /// Whether there are sums of the example with this content.
  func contains(_ digest: ContentDigest) -> Bool { fresh[digest] != nil || saved?.row(of: digest) != nil }

  /// The sums of a tree's completions, in order.
  package func sums(of tree: ExampleTree) -> [Double]? {
    let digest = tree.contentDigest
    let found = fresh[digest] ?? saved.flatMap { saved in saved.row(of: digest).map(saved.sums) }
    return found?.count == tree.completions.count ? found : nil
  }

  package mutating func insert(_ found: [Double], for tree: ExampleTree) {
    fresh[tree.contentDigest] = found
  }

  /// Whether the time since the last save justifies another: a save writes everything.
  var isWorthSaving: Bool { (ContinuousClock.now - lastSave.at).seconds * Self.savingShare >= lastSave.seconds }

  /// Writes the file, merged with the sums that other runs wrote in the meantime.
  /// - Throws: `WriteError`.
  package mutating func save() throws {
    guard !path.isEmpty else { return }
    let began = ContinuousClock.now
    try CacheDirectory.create(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    try ReferenceFile.write(fresh, mergedWith: ReferenceFile(path, key: key), to: path, key: key)
    if let written = ReferenceFile(path, key: key) { (saved, fresh) = (written, [:]) }
    lastSave = (.now, (.now - began).seconds)
  }
}
