// The places in the hub's cache that belong to one repository.

/// `models--OWNER--NAME` or `datasets--OWNER--NAME` in the hub's cache, as huggingface_hub lays it out.
package struct HubFolder: Sendable {
  /// The end of the names of blobs that are not whole.
  package static let partialSuffix = ".incomplete"

  package let path: String
  /// Locks of downloads, beside the repositories.
  package let locks: String

  /// - Parameter cache: the cache's path.
  package init(cache: String, _ name: HubName) {
    (path, locks) = ("\(cache)/\(name.folder)", "\(cache)/.locks/\(name.folder)")
  }

  /// The contents of files, by their hashes.
  package var blobs: String { "\(path)/blobs" }
  /// A directory for each commit, with links to blobs.
  package var snapshots: String { "\(path)/snapshots" }
  /// The commits of branches and tags.
  package var refs: String { "\(path)/refs" }

  package func snapshot(_ commit: String) -> String { "\(snapshots)/\(commit)" }

  /// A mark of a snapshot that has only what `train --fetch` was told to take: it is not the whole data set.
  package func partMark(_ commit: String) -> String { "\(blobs)/\(commit).part" }

  /// The commit that a branch or tag means; nil if `refs` does not say.
  package func commit(of revision: String) -> String? {
    guard let bytes = try? smallFile("\(refs)/\(revision)", limit: 256) else { return nil }
    return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
  }

  /// Whether a download was begun.
  var hasBlobs: Bool { (try? directoryEntries(blobs))?.isEmpty == false }

  /// Blobs that were begun and are not there as a whole.
  var unfinished: [String] {
    ((try? directoryEntries(blobs)) ?? []).filter { name in
      // Newer releases of huggingface_hub put a random part before the suffix.
      name.hasSuffix(Self.partialSuffix) && !fileExists("\(blobs)/\(name.prefix { $0 != "." })")
    }
  }

  /// The names below `refs`.
  var references: [String] {
    func names(_ prefix: String) -> [String] {
      ((try? directoryEntries("\(refs)/\(prefix)")) ?? []).flatMap { entry in
        EntryKind("\(refs)/\(prefix)\(entry)") == .directory ? names("\(prefix)\(entry)/") : [prefix + entry]
      }
    }
    return names("")
  }
}
