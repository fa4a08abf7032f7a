// SHA-256 of files, cached between runs: a model of many GB is hashed once, not at every start.

import Glibc
import Tensors

/// Hashes file contents, and keeps the hashes in the cache directory.
///
/// A cached hash is used only while path, size, times, inode and device are unchanged.
package struct ContentHash: Sendable {
  /// The directory of the cached hashes; nil: no cache.
  private let directory: String?

  /// - Parameter cacheDirectory: Shoal's cache; only tests pass a value other than `CacheDirectory.path`.
  package init(cacheDirectory: String? = CacheDirectory.path) { directory = cacheDirectory.map { "\($0)/hashes" } }

  /// The SHA-256 of the file's content, as 64 lowercase hexadecimal digits.
  /// - Throws: `FileError` if the file cannot be read, `ContentError` if it changes while it is read.
  package func sha256(ofFile path: String) throws -> String {
    let before = try FileIdentity(path: path)
    if let known = remembered(before) { return known }
    let found = try hashedFile(path)
    let after = try FileIdentity(path: path)
    guard before == after, found.byteCount == after.byteCount else {
      throw ContentError(path, "changed while it was read")
    }
    // A file changed just now may change again within the clock's resolution and look the same.
    if before.secondsSinceChange > 2 { remember(found.sha256, for: before) }
    return found.sha256
  }

  /// The SHA-256 of bytes in memory, as 64 lowercase hexadecimal digits.
  package static func sha256(of bytes: [UInt8]) -> String { SHA256.text(of: bytes) }

  /// One hash of several files: of their contents and their names without directories.
  /// - Throws: as `sha256(ofFile:)`.
  package func sha256(ofFiles paths: [String]) throws -> String {
    let hash = SHA256()
    for path in paths {
      let name = path.split(separator: "/").last ?? ""
      hash.append(Array("\(name) \(try sha256(ofFile: path))\n".utf8))
    }
    return hash.text
  }

  private func remembered(_ identity: FileIdentity) -> String? {
    guard let directory,
      let entry = try? JSONValue.read(file: entryPath(identity, in: directory), limit: 1 << 16),
      let sha256 = entry["sha256"]?.string, entry == Self.entry(identity, sha256)
    else { return nil }
    return sha256
  }

  /// Without a writable cache the only cost is time.
  private func remember(_ sha256: String, for identity: FileIdentity) {
    guard let directory, (try? CacheDirectory.create(directory)) != nil else { return }
    let text = Self.entry(identity, sha256).serialized(indent: 2) + "\n"
    try? AtomicFile.write(text, to: entryPath(identity, in: directory))
  }

  private func entryPath(_ identity: FileIdentity, in directory: String) -> String {
    "\(directory)/\(SHA256.text(of: Array(identity.path.utf8))).json"
  }

  /// The entry contains a hash of itself, so that damage is detected.
  private static func entry(_ identity: FileIdentity, _ sha256: String) -> JSONValue {
    let members = identity.members + [.init("sha256", .string(sha256))]
    let check = SHA256.text(of: Array(JSONValue.object(members).serialized().utf8))
    return .object(members + [.init("check", .string(check))])
  }
}

/// `$SHOAL_CACHE`, by default `~/.cache/shoal`: the data that runs share.
package enum CacheDirectory {
  /// Nil if neither `SHOAL_CACHE` nor `HOME` is set.
  package static var path: String? {
    environmentVariable("SHOAL_CACHE") ?? environmentVariable("HOME").map { "\($0)/.cache/shoal" }
  }

  /// Creates `path` and its parents, by default private to the user; returns the directories that it created, outermost first.
  /// - Throws: `WriteError`.
  @discardableResult
  package static func create(
    _ path: String, permissions: FilePermissions = .user
  ) throws(WriteError) -> [String] {
    if mkdir(path, permissions.directoryMode) == 0 { return [path] }
    if errno == EEXIST { return [] }
    let parent = parentDirectory(of: path)
    guard errno == ENOENT, parent != path else {
      throw WriteError(path: path, action: "create the directory", code: errno)
    }
    let made = try create(parent, permissions: permissions)
    if mkdir(path, permissions.directoryMode) == 0 { return made + [path] }
    guard errno == EEXIST else { throw WriteError(path: path, action: "create the directory", code: errno) }
    return made
  }
}

/// Identifies a state of a file without reading the file.
private struct FileIdentity: Equatable {
  let path: String
  let byteCount: Int
  let modified: Int64
  /// The time of the last status change: unlike `modified` it cannot be set back.
  let changed: Int64
  let inode: UInt64
  let device: UInt64

  init(path: String) throws(FileError) {
    guard let resolved = realpath(path, nil) else { throw FileError(path: path, action: "open", code: errno) }
    defer { free(resolved) }
    var status = stat()
    guard stat(resolved, &status) == 0 else { throw FileError(path: path, action: "read the status of", code: errno) }
    self.path = String(cString: resolved)
    byteCount = Int(status.st_size)
    modified = Self.nanoseconds(status.st_mtim)
    changed = Self.nanoseconds(status.st_ctim)
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
  }

  var members: [JSONValue.Member] {
    [
      .init("path", .string(path)), .init("bytes", .integer(Int64(byteCount))),
      .init("mtime_ns", .integer(modified)), .init("ctime_ns", .integer(changed)),
      .init("inode", .string(String(inode))), .init("device", .string(String(device))),
    ]
  }

  var secondsSinceChange: Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) - max(modified, changed) / 1_000_000_000
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
