// What of a directory is Shoal's, by its manifest, and the removal of just that.

import Glibc
import Tensors

/// The entries of a directory, told apart by its manifest.
package struct OwnedFiles: Sendable {
  /// Regular files whose bytes the manifest lists, and last the manifest.
  package let names: [String]
  /// Everything else: files that the manifest does not list or that changed, directories, links.
  package let others: [String]

  /// Reads every listed file. Nil if `path` is no directory or a link to one, has no manifest of Shoal's, or has a
  /// listed file that cannot be read now: then nothing is known about it, and without it the rest is not to be removed.
  package init?(_ path: String) {
    guard let manifest = Self.manifest(of: path), let entries = try? directoryEntries(path) else { return nil }
    var own: [String] = []
    for name in entries {
      guard let listed = manifest.files[name], EntryKind("\(path)/\(name)") == .file else { continue }
      guard let found = try? hashedFile("\(path)/\(name)") else { return nil }
      if (found.byteCount, found.sha256) == (listed.byteCount, listed.sha256) { own.append(name) }
    }
    names = own + [manifestName]
    others = entries.filter { $0 != manifestName && !own.contains($0) }
  }

  /// Whether `path` is a directory, no link, with a manifest of Shoal's that lists `name`. Reads no other file.
  package static func hasManifest(_ path: String, listing name: String) -> Bool {
    manifest(of: path)?.files[name] != nil
  }

  private static func manifest(of path: String) -> Manifest? {
    let manifestPath = "\(path)/\(manifestName)"
    guard EntryKind(path) == .directory, EntryKind(manifestPath) == .file else { return nil }
    return try? Manifest(file: manifestPath)
  }
}

/// A removal that stopped half-way.
package struct RemovalFailure: Error, CustomStringConvertible {
  package let path: String
  package let code: Int32
  package let removed: [String]

  package var description: String {
    "\(path): cannot remove: \(String(cString: strerror(code))); "
      + (removed.isEmpty ? "nothing was removed" : "removed before that: \(shortList(removed)); the rest is as it was")
  }
}

/// Removes files one by one and keeps account of it.
package struct Removal {
  package private(set) var removed: [String] = []
  /// What was to be removed and stays, because nothing proves that it is Shoal's.
  package private(set) var left: [String] = []

  package init() {}

  package mutating func leave(_ path: String) { left.append(path) }

  /// - Throws: `RemovalFailure`.
  package mutating func remove(file path: String) throws(RemovalFailure) {
    guard unlink(path) == 0 else { throw RemovalFailure(path: path, code: errno, removed: removed) }
    removed.append(path)
  }

  /// Removes what the directory's manifest lists, and the directory if nothing else is in it.
  ///
  /// A directory that goes as a whole is renamed first, so that an interrupted removal is visible.
  /// - Throws: `RemovalFailure`.
  package mutating func remove(directory path: String) throws(RemovalFailure) {
    guard let owned = OwnedFiles(path) else { return leave(path) }
    guard owned.others.isEmpty else {
      for name in owned.names { try remove(file: "\(path)/\(name)") }
      left += owned.others.map { "\(path)/\($0)" }
      return
    }
    let names = (0..<1000).lazy.map { "\(path).tmp-\(getpid())" + ($0 == 0 ? "" : "-\($0)") }
    guard let old = names.first(where: { !entryExists($0) }), rename(path, old) == 0 else {
      throw RemovalFailure(path: path, code: errno, removed: removed)
    }
    for (place, name) in owned.names.enumerated() where unlink("\(old)/\(name)") != 0 {
      let code = errno
      rename(old, path)
      let gone = owned.names[..<place].map { "\(path)/\($0)" }
      throw RemovalFailure(path: "\(path)/\(name)", code: code, removed: removed + gone)
    }
    removed.append(path)
    // Fails, and keeps the directory, if something was put into it just now.
    if rmdir(old) != 0 { left.append(old) }
  }
}

/// For messages: a list of a few names, and how many more there are.
package func shortList(_ names: [String]) -> String {
  names.prefix(10).joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
}
